"""Going back to an earlier state: a suspended fork is kept, and takes the kernel's place when it is asked to.

A checkpoint is a child that waits, and costs the pages that have changed since. To restore it, the kernel closes its
sockets and tells it to go on; the child first forks a copy that waits in its place, then starts as a branch does
(`branch.py`), on the kernel's own sockets. The process that clients and launchers know stays: it becomes a
small program that waits for the new kernel and ends as that ends (`stand_in.py`). Linux only; main thread.
"""

from __future__ import annotations

import array
import contextlib
import json
import os
import signal
import socket
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from ..protocol.message import Content
from .branch import BranchRefused, end, let_go, refuse

if TYPE_CHECKING:
    from ..ipython.heritage import Heritage
    from .kernel import Kernel

_SCRIPT = os.path.join(os.path.dirname(__file__), "stand_in.py")
_WIRE_GRACE_S = 2.0
_BIND_PATIENCE_S = 10.0
_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A suspended copy of this process; closing `connection` ends it."""

    pid: int
    connection: socket.socket


@dataclass(frozen=True, slots=True)
class StandIn:
    """The process in the place of the kernel that was started: its pid, and where to say who is the kernel next."""

    pid: int
    writer: int


# Of this process. A copy has those that were there when it was made: what came later is not there to go back to.
_kept: dict[str, Checkpoint] = {}
_stand_in: StandIn | None = None


def take(kernel: Kernel, name: str) -> Content:
    """Keep the state of now under `name`, in place of what had that name. Raises BranchRefused."""
    heritage = refuse(kernel)
    if not sys.executable or kernel.group not in (os.getpid(), _stand_in and _stand_in.pid):
        raise BranchRefused("this kernel cannot keep checkpoints")
    began = time.perf_counter()
    kernel.language.close()  # history rows that wait are this kernel's to write
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = _fork()
    if not pid:
        try:
            near.close()
            let_go(kernel, heritage)
            _wait_and_become(kernel, heritage, name, far)
        except BaseException:  # noqa: BLE001  # there is nobody else to tell
            kernel.log.crash(f"checkpoint {name!r} broke")
        finally:
            os._exit(70)
    far.close()
    _drop(name)
    _kept[name] = Checkpoint(pid, near)
    return {"status": "ok", "name": name, "names": list(_kept), "milliseconds": 1e3 * (time.perf_counter() - began)}


def _fork() -> int:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of a fork with threads: they are the ones made anew
        return os.fork()


def _drop(name: str) -> None:
    """Let the checkpoint of that name end."""
    old = _kept.pop(name, None)
    if old is not None:
        old.connection.close()
        with contextlib.suppress(ChildProcessError):  # another process's child: taken before the last restore
            os.waitpid(old.pid, 0)


def choose(kernel: Kernel, name: str) -> Content:
    """Go back to `name` once this request is answered. Raises BranchRefused."""
    if name not in _kept:
        raise BranchRefused(f"there is no checkpoint {name!r}; there are {', '.join(_kept) or 'none'}")
    if threading.current_thread() is not threading.main_thread():
        raise BranchRefused("the main thread goes back: ask on the shell channel, and not in a subshell")
    kernel.going_back = lambda: _go_back(kernel, name)
    return {"status": "ok", "name": name}


def _go_back(kernel: Kernel, name: str) -> None:
    """Give the kernel's place to the copy. Never returns, unless the copy has ended."""
    kernel.going_back = None
    chosen = _kept[name]
    if chosen.connection.fileno() < 0 or _has_ended(chosen):
        kernel.wire.write("stderr", kernel.attribution.latest, f"the checkpoint {name!r} has been killed\n")
        _drop(name)
        return
    kernel.language.close()
    if kernel.capture:
        kernel.capture.drain()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    kernel.wire.stop(_WIRE_GRACE_S)
    if _stand_in is not None:
        _send(chosen, _stand_in)
        os.write(_stand_in.writer, f"{chosen.pid}\n".encode())
        os._exit(0)
    reader, writer = os.pipe()
    _adopt_orphans()
    _send(chosen, StandIn(os.getpid(), writer))
    os.set_inheritable(reader, True)
    for fd in (1, 2):
        os.dup2(kernel.log.fd, fd)
    # Its threads, memory and open files go with the old program.
    os.execv(sys.executable, [sys.executable, "-I", "-S", _SCRIPT, str(chosen.pid), str(reader)])


def _has_ended(checkpoint: Checkpoint) -> bool:
    try:
        return not checkpoint.connection.recv(1, socket.MSG_DONTWAIT | socket.MSG_PEEK)
    except BlockingIOError:
        return False
    except OSError:
        return True


def _send(chosen: Checkpoint, stand_in: StandIn) -> None:
    rights = array.array("i", [stand_in.writer])
    text = json.dumps({"stand_in": stand_in.pid}).encode()
    chosen.connection.sendmsg([text], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])


def _adopt_orphans() -> None:
    """Make the copies of copies children of this process when those between have ended; an exec keeps that."""
    import ctypes

    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _wait_and_become(old: Kernel, heritage: Heritage, name: str, far: socket.socket) -> NoReturn:
    """In the copy: wait until the state is wanted, leave another copy behind, and be the kernel."""
    global _stand_in
    while True:
        message, fds, _, _ = socket.recv_fds(far, 1 << 12, 1)
        if not message:  # nobody is there who could come back
            os._exit(0)
        near, next_far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        pid = _fork()
        far.close()
        if pid:
            break
        near.close()
        for fd in fds:
            os.close(fd)
        far = next_far
    next_far.close()
    _kept[name] = Checkpoint(pid, near)
    _stand_in = StandIn(json.loads(message)["stand_in"], fds[0])
    _serve(old, heritage, _stand_in)


def _serve(old: Kernel, heritage: Heritage, stand_in: StandIn) -> NoReturn:
    import contextvars

    from . import process
    from .options import Options

    def prepare(kernel: Kernel) -> None:
        """End when the process that stands for this one has been ended."""
        kernel.group = stand_in.pid
        watched = os.pidfd_open(stand_in.pid)

        def ended() -> None:
            kernel.wire.unwatch(watched)
            kernel.exit(process.PARENT_DIED_STATUS)

        kernel.wire.watch(watched, ended)

    path = heritage.connection_file
    sockets = _bind(old)
    options = Options(path, {}, heritage.argv)
    run: Any = contextvars.Context().run
    end(run(process.run_on, path, sockets, options, heritage.language, prepare))


def _bind(old: Kernel) -> Any:
    """Bind the kernel's own sockets, which it has just closed. Raises InvalidConnection."""
    from ..protocol.connection import InvalidConnection
    from ..runtime.sockets import bind

    until = time.monotonic() + _BIND_PATIENCE_S
    while True:
        try:
            return bind(old.connection)
        except InvalidConnection:
            if time.monotonic() > until:
                raise
            time.sleep(0.01)
