"""One kernel as a process: command line -> connection -> sockets -> kernel -> IPython -> the run, and the exit status.

Sockets are bound, and kernel_info is answered, before IPython is imported. Main thread.
"""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..protocol.connection import Connection, InvalidConnection
from ..protocol.connection import parse as parse_connection
from ..runtime.log import Log
from ..runtime.sockets import Sockets, bind
from .options import InvalidOptions, Options
from .options import parse as parse_options

if TYPE_CHECKING:
    from ..runtime.capture import Capture
    from ..runtime.host import Host
    from ..runtime.spill import Pipe
    from .kernel import Kernel
    from .language import Language

BAD_CONNECTION_STATUS = 2
PARENT_DIED_STATUS = 1

# A request that comes while a cell computes waits this long for the GIL, instead of Python's 5 ms; cells that compute,
# alone or in threads, take as long as before.
_SWITCH_INTERVAL_S, _PYTHONS_SWITCH_INTERVAL_S = 0.001, 0.005


def run(argv: Sequence[str], pipes: Sequence[Pipe] = ()) -> int:
    """Run a kernel until it ends; `argv` without the program's name. Returns the exit status.

    `pipes` are for the capture of fds 1 and 2. A connection that cannot be used ends with one line on stderr and
    status 2.
    """
    try:
        options = parse_options(argv)
        path, sockets = open_connection(options)
    except (InvalidConnection, InvalidOptions) as error:
        print(f"kernelet: {error}", file=sys.stderr)
        return BAD_CONNECTION_STATUS
    share_the_gil()
    return run_on(path, sockets, options, pipes=pipes)


def share_the_gil() -> None:
    """Shorten the switch interval, unless somebody (a sitecustomize) has chosen one. Later a user's choice stays."""
    if sys.getswitchinterval() == _PYTHONS_SWITCH_INTERVAL_S:
        sys.setswitchinterval(_SWITCH_INTERVAL_S)


# Paths are texts here: pathlib takes 4 ms to import, a twentieth of what comes before kernel_info.
def open_connection(options: Options) -> tuple[str, Sockets]:
    """Read or make the connection, bind it, and write back what was chosen. Raises InvalidConnection."""
    path = options.connection_file or os.path.join(runtime_dir(), f"kernel-{os.getpid()}.json")
    connection = _read(path, options) if options.connection_file else _new(options)
    try:
        sockets = bind(connection)
        if connection.registration is not None:
            from ..runtime.registration import register

            register(sockets)
    except InvalidConnection as error:
        raise InvalidConnection(f"connection file {path}: {error}") from None
    if not connection.complete or options.fields or not options.connection_file:
        _write(path, sockets.connection)
    if not options.connection_file:
        print(f"kernelet: to connect to this kernel: --existing {os.path.basename(path)}", file=sys.stderr)
    return path, sockets


def _read(path: str, options: Options) -> Connection:
    import json

    if not os.path.exists(path) and os.path.dirname(path) in ("", "."):
        known = os.path.join(runtime_dir(), path)
        path = known if os.path.exists(known) else path
    try:
        with open(path, "rb") as file:
            text = file.read()
    except FileNotFoundError:
        if options.fields:  # ports on the command line, and a file that is yet to be written: as ipykernel does
            return _new(options)
        raise InvalidConnection(f"connection file {path} does not exist") from None
    except OSError as error:
        raise InvalidConnection(f"connection file {path} cannot be read: {error.strerror}") from None
    try:
        connection = parse_connection(text)
        return parse_connection(json.dumps({**connection.fields, **options.fields})) if options.fields else connection
    except InvalidConnection as error:
        raise InvalidConnection(f"connection file {path}: {error}") from None


def _new(options: Options) -> Connection:
    import json
    import uuid

    try:
        return parse_connection(json.dumps({"key": str(uuid.uuid4()), **options.fields}))
    except InvalidConnection as error:
        raise InvalidConnection(f"command line: {error}") from None


def runtime_dir() -> str:
    """Return where connection files are by default."""
    from jupyter_core.paths import jupyter_runtime_dir  # not needed by a kernel that is given its file

    return str(jupyter_runtime_dir())


def _write(path: str, connection: Connection) -> None:
    """Write the connection file so that nobody sees half of it, readable by its owner only."""
    try:
        folder, name = os.path.split(path)
        if folder:
            os.makedirs(folder, exist_ok=True, mode=0o700)
        partial = os.path.join(folder, f".{name}.{os.getpid()}")
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(connection.dump())
        os.replace(partial, path)
    except OSError as error:
        raise InvalidConnection(f"connection file {path} cannot be written: {error.strerror}") from None


def _remove(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def run_on(
    path: str,
    sockets: Sockets,
    options: Options,
    make_language: Callable[[Host, Sequence[str]], Language] | None = None,
    prepare: Callable[[Kernel], None] | None = None,
    pipes: Sequence[Pipe] = (),
) -> int:
    """Run a kernel on bound sockets until it ends; return the exit status."""
    from ..ipython.info import kernel_info
    from .kernel import Kernel

    log = Log(os.dup(2), "debug" if "--debug" in options.rest else "warning")
    capture = make_capture(pipes)
    kernel = Kernel(sockets, kernel_info(), log, capture)
    if not options.connection_file:
        kernel.last_of_all.append(lambda: _remove(path))
    watch_parent(kernel, log)
    if prepare is not None:
        prepare(kernel)
    kernel.start()
    # From here on another thread answers: IPython may take its time.
    if "IPython.core.interactiveshell" not in sys.modules:
        kernel.routing.loading.wait()
    from ..ipython.language import IPythonLanguage
    from ..runtime.host import Host
    from ..runtime.lane import Lane
    from ..runtime.parking import ParkedLoop

    parking = ParkedLoop(kernel.interrupts, log, kernel.task_error, late=True, bed=kernel.reception())
    host = Host(
        kernel.wire,
        kernel.attribution,
        kernel.interrupts,
        parking,
        kernel.asker,
        log,
        sockets.connection,
        path,
        capture,
        kernel.exit,
        kernel,
    )
    try:
        language = (make_language or IPythonLanguage)(host, options.rest)
    except BaseException as error:  # stderr is captured by now: whoever started us must hear of it
        if not isinstance(error, SystemExit):
            log.crash("IPython could not be set up")
        raise
    main = Lane("main", parking, kernel.handle, log)
    gc.freeze()
    gc.enable()
    return kernel.run(language, main)


def make_capture(pipes: Sequence[Pipe] = ()) -> Capture | None:
    """Return the capture of fds 1 and 2, or None where there are no pipes to poll (Windows)."""
    if sys.platform == "win32":
        return None
    from ..runtime.capture import Capture

    return Capture(pipes)


def watch_parent(kernel: Kernel, log: Log) -> None:
    """End the kernel when the process that started it does. Before the wire starts."""
    from ..runtime import watch

    pid = watch.parent_pid()
    if sys.platform == "win32":
        watch.watch_windows(kernel.interrupt, lambda: kernel.exit(PARENT_DIED_STATUS))
        return
    if pid is None:
        return
    try:
        fd = watch.parent_fd(pid, log)
    except ProcessLookupError:
        log("warning", f"process {pid}, which started this kernel (JPY_PARENT_PID), has ended: the kernel ends too")
        raise SystemExit(PARENT_DIED_STATUS) from None
    if fd is None:
        return

    def died() -> None:
        kernel.wire.unwatch(fd)
        log("warning", f"process {pid}, which started this kernel, has ended: the kernel ends too")
        kernel.exit(PARENT_DIED_STATUS)

    kernel.wire.watch(fd, died)
