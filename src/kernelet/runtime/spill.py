"""Where text goes that C code writes to fds 1 and 2 while it holds the GIL: nobody in this process can read it then.

A pipe holds 1 MiB; past that the writer waits for a reader that waits for the GIL, for ever. So a small process
(`spill_process`) moves what lies too long from the pipes to spools, which are memory. It costs 3 MB, so it is started
only where such code is likely: when ctypes or cffi is loaded (numpy, pandas, torch load ctypes), by the import itself.
A zygote does it for the kernels that it bears (`mover`).

Linux only. Any thread, except where it says otherwise.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from .sockets import mark_service_thread

_SIGNS_OF_C_CODE: Final = frozenset({"_ctypes", "_cffi_backend"})
_SCRIPT: Final = os.path.join(os.path.dirname(__file__), "spill_process.py")
_CHUNK: Final = 1 << 20


class Pipe(NamedTuple):
    """What one captured descriptor needs, made by somebody else: the ends of its pipe, and its spool's descriptor."""

    reader: int
    writer: int
    spool: int


class Spool:
    """The memory behind one pipe. What lies in it was written before what lies in the pipe.

    Whoever moves text leaves the last byte in the pipe: where that is empty, the spool is as well.
    """

    def __init__(self, name: str, fd: int | None = None) -> None:
        self.fd = os.memfd_create(f"kernelet-{name}") if fd is None else fd

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep the other process from moving anything. A lock of POSIX: the end of a process ends it."""
        fcntl.lockf(self.fd, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self.fd, fcntl.LOCK_UN)

    def take(self) -> Iterator[bytes]:
        """Return what lies here, and forget it. While locked."""
        size, at = os.fstat(self.fd).st_size, 0
        while at < size:
            data = os.pread(self.fd, _CHUNK, at)
            at += len(data)
            yield data
        if size:
            os.ftruncate(self.fd, 0)


def possible() -> bool:
    """Whether this system has what a spool needs."""
    return (
        sys.platform == "linux" and hasattr(os, "pidfd_open") and hasattr(os, "memfd_create") and bool(sys.executable)
    )


def start(streams: Sequence[tuple[int, Spool]], capacity_bytes: int) -> None:
    """Start the process that moves text from the pipes to their spools. Returns at once. Raises OSError."""
    # Past the numbers that they are to have there, so that none is overwritten before it was copied.
    copies = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10) for pipe, spool in streams for fd in (pipe, spool.fd)]
    actions: list[Any] = [(os.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate(copies, 3)]
    actions += [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (0, 1, 2)]
    arguments = [sys.executable, "-I", "-S", _SCRIPT, str(os.getpid()), str(capacity_bytes)]
    pid = os.posix_spawn(sys.executable, arguments, {}, file_actions=actions, setpgroup=0)
    for fd in copies:
        os.close(fd)
    thread = threading.Thread(target=_reap, args=(pid,), name="kernelet-spill", daemon=True)
    mark_service_thread(thread)
    thread.start()


def _reap(pid: int) -> None:
    """Wait for the process that only starts the one that stays."""
    with contextlib.suppress(ChildProcessError):  # user code that waits for all children was faster
        os.waitpid(pid, 0)


class Alarm:
    """Calls `call` once, when a module is imported that lets C code run in the kernel. An entry of sys.meta_path."""

    def __init__(self, call: Any) -> None:
        self._call = call
        if not _SIGNS_OF_C_CODE.isdisjoint(sys.modules):
            call()
        else:
            sys.meta_path.insert(0, self)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        """Find nothing, ever."""
        if name in _SIGNS_OF_C_CODE and self in sys.meta_path:
            sys.meta_path.remove(self)
            self._call()
