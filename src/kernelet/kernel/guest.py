"""A kernel in a process that is not its own: `embed_kernel`, and a kernel in a thread of a program.

It takes less (descriptors 1 and 2, children and atexit functions are the program's), puts back what it took, and
never ends the process. What code of the program prints that no request runs goes where it always went.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from ..protocol.connection import InvalidConnection
from ..protocol.message import Content
from ..runtime.log import Log
from ..runtime.presses import signal_main
from ..runtime.sockets import Sockets
from .kernel import Kernel
from .options import InvalidOptions, Options
from .process import open_connection, runtime_dir

# How long a cell may go on after `stop`, by the second interrupt; it is left running then.
_PATIENCE_S = 0.5
_WIRE_GRACE_S = 2.0
_one_at_a_time = threading.Lock()


class GuestKernel(Kernel):
    """A kernel whose end is not the end of the process."""

    def __init__(self, sockets: Sockets, info: Content, log: Log) -> None:
        super().__init__(sockets, info, log)
        self._thread = threading.current_thread()
        self.wire.broken = self.exit

    def interrupt(self) -> None:
        """Interrupt the cell that runs, and nothing else of the program. Any thread."""
        if self._thread is threading.main_thread():
            signal_main()
        else:
            self.interrupts.interrupt_from_outside()

    def _leave(self) -> None:
        if self.main is not None:
            self.main.end()
        for _ in range(2):  # the second for a cell that swallowed the first
            if self._main_done.wait(_PATIENCE_S):
                return
            self.interrupt()
        if not self._main_done.wait(_PATIENCE_S):
            self.log("warning", "a cell goes on; the kernel ends when it does")

    def _finish(self) -> None:
        """Leave the process as it was, but for threads that user code started. Once."""
        for subshell_id in self.subshells.ids():
            self.subshells.delete(subshell_id)
        self.language.close()
        for lane in (self.routing.assistant, self.control):
            if lane is not None:
                lane.end()
        self.wire.stop(_WIRE_GRACE_S)
        if self.insistence is not None:
            self.insistence.close()
        for last in self.last_of_all:
            last()
        self._finished.set()


class EmbeddedKernel:
    """A kernel that other code of the same process starts and stops, on a connection of its own.

    `module` and `local_ns` are the namespace of its cells, by default a new one; `argv` are options of the command
    line. One at a time runs in a process.
    """

    def __init__(
        self,
        module: ModuleType | None = None,
        local_ns: dict[str, Any] | None = None,
        *,
        connection_file: str | os.PathLike[str] | None = None,
        argv: Sequence[str] = (),
        **traits: Any,
    ) -> None:
        """Bind the sockets and write the connection file (or read the one given, if it is there).

        `traits` are those of IPKernelApp. Raises InvalidConnection, and InvalidOptions for `argv`.
        """
        named = None if connection_file is None else os.fspath(connection_file)
        if named is not None and not os.path.dirname(named):
            named = os.path.join(runtime_dir(), named)
        fields = {} if named is None or os.path.exists(named) else {"ip": "127.0.0.1"}
        path, self._sockets = open_connection(Options(named, fields, argv))
        self.connection_file = str(Path(path).resolve())
        self._own_file = named is None or bool(fields)
        self._namespace = {
            name: one for name, one in (("user_module", module), ("user_ns", local_ns)) if one is not None
        }
        self._argv = [*argv, *(f"--IPKernelApp.{name}={value!r}" for name, value in traits.items())]
        self._kernel: GuestKernel | None = None
        self._thread: threading.Thread | None = None
        self._stopped = False
        self.ready = threading.Event()

    def run(self) -> None:
        """Run cells in the calling thread until `stop`, or until a client says `exit` or asks for a shutdown.

        Raises RuntimeError when a kernel runs in this process already.
        """
        from ..ipython.app import IPKernelApp

        # Not `initialized()`, which is true for any other application of the program's as well.
        is_kernel = isinstance(getattr(IPKernelApp, "_instance", None), IPKernelApp)
        if is_kernel or not _one_at_a_time.acquire(blocking=False):
            self._discard()
            raise RuntimeError("this process is a kernel already, or runs one")
        try:
            self._run()
        finally:
            _one_at_a_time.release()

    def _discard(self) -> None:
        self._sockets.context.destroy(linger=0)
        if self._own_file:
            Path(self.connection_file).unlink(missing_ok=True)

    def _run(self) -> None:
        from ..ipython.borrowed import Borrowed
        from ..ipython.info import kernel_info
        from ..ipython.language import IPythonLanguage
        from ..runtime.host import Host
        from ..runtime.lane import Lane
        from ..runtime.parking import ParkedLoop

        log = Log()
        with Borrowed():
            kernel = self._kernel = GuestKernel(self._sockets, kernel_info(), log)
            if self._own_file:
                kernel.last_of_all.append(lambda: Path(self.connection_file).unlink(missing_ok=True))
            kernel.start()
            parking = ParkedLoop(kernel.interrupts, log, kernel.task_error)
            try:
                host = Host(
                    kernel.wire,
                    kernel.attribution,
                    kernel.interrupts,
                    parking,
                    kernel.asker,
                    log,
                    self._sockets.connection,
                    self.connection_file,
                    None,
                    kernel.exit,
                    kernel,
                    guest=True,
                )
                language = IPythonLanguage(host, self._argv, **self._namespace)
                self.ready.set()
                if self._stopped:
                    kernel.exit()
                kernel.run(language, Lane("main", parking, kernel.handle, log))
            finally:
                parking.close()

    def start(self) -> EmbeddedKernel:
        """Run in a thread of its own; return when cells can run."""
        import ctypes  # noqa: F401  # an interrupt needs it, in a moment that is bad for importing

        self._thread = threading.Thread(target=self.run, name="kernelet-embedded", daemon=True)
        self._thread.start()
        while not self.ready.wait(0.05) and self._thread.is_alive():
            pass
        return self

    def stop(self, timeout_s: float | None = None) -> None:
        """Interrupt the cell that runs and end the kernel. Any thread; waits for a kernel that `start` started."""
        self._stopped = True
        if self._kernel is not None:
            self._kernel.exit()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout_s)


def embed_kernel(module: ModuleType | None = None, local_ns: dict[str, Any] | None = None, **kwargs: Any) -> None:
    """Run a kernel in the scope of the caller, and return when it ends: when a client says `exit`, or shuts it down.

    Where the caller is a module's own code its names are the cells' names; in a function they are a copy of its local
    ones, on top of its module. `kwargs` are those of `EmbeddedKernel`.
    """
    frame = sys._getframe(1)
    if module is None:
        module = sys.modules.get(str(frame.f_globals.get("__name__")))
    if local_ns is None:
        local_ns = frame.f_globals if frame.f_locals is frame.f_globals else dict(frame.f_locals)
    try:
        EmbeddedKernel(module, local_ns, **kwargs).run()
    except (InvalidConnection, InvalidOptions) as error:
        raise ValueError(str(error)) from None
