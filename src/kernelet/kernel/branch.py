"""A second live kernel with the same variables: the kernel forks, and the child becomes a kernel of its own.

The child starts as any kernel does, on new sockets, with a new shell around the namespace that it inherits: what is
the other's (sockets, threads, loop, history, captured output) is left untouched and unused. Linux only; main thread.
"""

from __future__ import annotations

import contextvars
import gc
import json
import os
import select
import signal
import socket
import sys
import threading
import time
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

from ..protocol.message import Content
from ..runtime.outlet import Outlet

if TYPE_CHECKING:
    from ..ipython.heritage import Heritage
    from .kernel import Kernel

_PATIENCE_S = 30.0


class BranchRefused(RuntimeError):
    """Why this kernel cannot be branched now; the text names all reasons."""


class SilentOutlet(Outlet):
    """What the old wire becomes: objects of the user's may still hold it, and must not speak for the other kernel."""

    def put_text(self, *text: Any, **more: Any) -> None:
        """Nothing."""

    def publish(self, *message: Any, **more: Any) -> None:
        """Nothing."""

    def send(self, *message: Any, **more: Any) -> dict[str, Any]:
        """Nothing."""
        return {}

    def conclude(self, *message: Any, **more: Any) -> None:
        """Nothing."""

    def leave(self) -> None:
        """Nothing."""

    def barrier(self, call: Any, waits: bool = False) -> None:
        """Nothing."""

    def flush(self) -> None:
        """Nothing."""

    def _put(self, *frames: Any) -> None:
        """Nothing."""


def branch(kernel: Kernel) -> Content:
    """Make the other kernel; return its pid and the fields of its connection.

    Raises BranchRefused.
    """
    heritage = refuse(kernel)
    kernel.language.close()  # history rows that wait are this kernel's to write
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of a fork with threads: they are the ones made anew
        pid = os.fork()
    if not pid:
        try:
            _be_nobodys_child()
            os.close(reader)
            contextvars.Context().run(_become, kernel, heritage, writer)
        finally:
            os._exit(70)
    os.close(writer)
    os.waitpid(pid, 0)
    try:
        return _hear(reader)
    finally:
        os.close(reader)


def refuse(kernel: Kernel) -> Heritage:
    """Raise BranchRefused when a fork of this process could not be a kernel; else return what it would inherit."""
    if sys.platform != "linux":
        raise BranchRefused("a kernel is branched on Linux only")
    host = getattr(kernel.language, "host", None)
    if host is not None and host.guest:
        raise BranchRefused("this kernel lives in another program, which is not its to fork")
    if threading.current_thread() is not threading.main_thread():
        raise BranchRefused("a kernel is branched by its main thread: on the shell channel, and not in a subshell")
    from ..runtime.forkable import obstacles

    reasons = obstacles(list(kernel.connection.ports.values()))
    if kernel.subshells.ids():
        reasons.insert(0, "there are subshells")
    asyncio = sys.modules.get("asyncio")
    loop = asyncio and getattr(getattr(kernel.main, "parking", None), "loop", None)
    if asyncio is not None and loop is not None:
        if loop.is_running():
            reasons.append("this cell awaits")
        reasons += [f"the task {task.get_name()!r} is not done" for task in asyncio.all_tasks(loop)]
    if reasons:
        raise BranchRefused(f"what runs or is open now would not survive: {'; '.join(reasons)}")
    bequeath: Callable[[], Heritage] | None = getattr(kernel.language, "heritage", None)
    if bequeath is None:
        raise BranchRefused("this language cannot be forked")
    return bequeath()


def _hear(reader: int) -> Content:
    """Wait for the other kernel to say where it is. Raises BranchRefused when it does not."""
    said, end = b"", time.monotonic() + _PATIENCE_S
    while select.select([reader], [], [], max(0.0, end - time.monotonic()))[0]:
        part = os.read(reader, 1 << 16)
        if not part:
            break
        said += part
    if not said:
        raise BranchRefused("the other kernel did not start; its error is on this kernel's stderr")
    content: Content = json.loads(said)
    return content


def _be_nobodys_child() -> None:
    """Leave the kernel's processes: it ends its children when it ends, and this is not one of them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        if os.fork():
            os._exit(0)
    os.setsid()


def _become(old: Kernel, heritage: Heritage, writer: int) -> NoReturn:
    """Be a new kernel, to its end."""
    let_go(old, heritage)
    from . import process
    from .options import Options

    given = old.connection
    fields = {"transport": given.transport, "ip": given.ip, "signature_scheme": given.signature_scheme}
    if given.transport == "ipc":
        fields["ip"] = f"{given.ip}-{os.getpid()}"
    if given.curve:
        fields["curve_publickey"], fields["curve_secretkey"] = (key.decode() for key in given.curve)
    try:
        options = Options(None, fields, heritage.argv)
        path, sockets = process.open_connection(options)
        about = {"status": "ok", "pid": os.getpid(), "connection_file": str(path)}
        os.write(writer, json.dumps({**about, "connection_info": json.loads(sockets.connection.dump())}).encode())
        os.close(writer)
        status = process.run_on(path, sockets, options, heritage.language)
    except BaseException:  # noqa: BLE001  # there is nobody else to tell
        old.log.crash("a branch of this kernel could not start")
        os._exit(70)
    end(status)


def end(status: int) -> NoReturn:
    """End the process with this status, whatever is left in it."""
    for stream in filter(None, (sys.stdout, sys.stderr)):
        stream.flush()
    os._exit(status)


def let_go(old: Kernel, heritage: Heritage) -> None:
    """In a fork: touch nothing any more that is the other kernel's."""
    gc.disable()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    old.wire.__class__ = SilentOutlet  # type: ignore[assignment]  # whatever the fork has made of it
    for fd in (1, 2):
        os.dup2(old.log.fd, fd)
    sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
    _release(old)
    heritage.disown()
    if "asyncio" in sys.modules:
        from ..runtime.guards import the_guards

        the_guards().unpark()


def _release(old: Kernel) -> None:
    """Close this process's copies of the other kernel's sockets, so that its ports are free when it ends."""
    from ..runtime.forkable import close_sockets

    ports = set(old.connection.ports.values())
    paths = {old.connection.endpoint(name).removeprefix("ipc://") for name in old.connection.ports}

    def is_kernels(one: socket.socket) -> bool:
        address = one.getsockname()
        return address in paths if one.family == socket.AF_UNIX else bool(address) and address[1] in ports

    close_sockets(is_kernels)
