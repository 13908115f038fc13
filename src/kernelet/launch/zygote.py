"""The zygote: a process with IPython imported, from which kernels are forked. `python -m kernelet.launch.zygote`.

One thread, no zmq context, no open database: nothing that does not survive a fork. `zygotes.py` starts it and asks it
for kernels: one connection for each kernel, over which the child says that it is born, and the zygote how it ended.
Linux only.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import gc
import importlib
import json
import os
import select
import selectors
import signal
import socket
import struct
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .birth import Birth, Unconfined
from .imported import MOVER, RUNNER, load, sources
from .uncounted import stop_counting

REQUEST_BYTES = 256


class Stale(Exception):
    """What was imported is no longer what a new process would import."""


class Zygote:
    """Serves requests for kernels until it has had nothing to do for `idle_s`."""

    def __init__(self, listener: socket.socket, lock: Path, path: Path, idle_s: float) -> None:
        self._listener = listener
        self._lock = lock
        self._path = path
        self._idle_s = idle_s
        self._selector = selectors.DefaultSelector()
        self._kernels: dict[int, tuple[int, socket.socket, Sequence[Any]]] = {}
        self._pipes = importlib.import_module(MOVER)
        self._mover = self._pipes.Mover()
        self.given: Sequence[Any] = ()
        """In a child: the pipes that are its own."""
        self._waiting: set[socket.socket] = set()
        self._listening = True
        self._sources = sources()

    def serve(self) -> Birth | None:
        """Return None at the end, or, in a child, what it is to become."""
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        self._selector.register(self._mover, selectors.EVENT_READ, lambda mover: mover.hear())
        idle_since = time.monotonic()
        while True:
            busy = bool(self._kernels or self._waiting)
            left = self._mover.pause_s if busy else max(0.0, idle_since + self._idle_s - time.monotonic())
            for key, _ in self._selector.select(left):
                birth = key.data(key.fileobj)
                idle_since = time.monotonic()
                if birth is not None:
                    return self._leave(birth)
            self._mover.look()
            if not (self._kernels or self._waiting) and (
                not self._listening or (time.monotonic() - idle_since >= self._idle_s and self._retire())
            ):
                return None

    def _accept(self, listener: socket.socket) -> None:
        try:
            connection, _ = listener.accept()
        except BlockingIOError:
            return
        # The folder's mode keeps others out; this also holds where that was loosened.
        _, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        if uid != os.geteuid():
            connection.close()
            return
        self._waiting.add(connection)
        self._selector.register(connection, selectors.EVENT_READ, self._request)

    def _request(self, connection: socket.socket) -> Birth | None:
        """Read a request and fork; returns a Birth in the child."""
        self._selector.unregister(connection)
        self._waiting.discard(connection)
        fds: list[int] = []
        pipes: Sequence[Any] = ()
        try:
            message, fds, _, _ = socket.recv_fds(connection, REQUEST_BYTES, 8)
            if message != b"kernel":
                if message == b"end":
                    self._stop_listening()
                connection.close()
                return None
            if self._sources != sources():
                raise Stale
            with open(fds[0], "rb", closefd=False) as file:
                file.seek(0)
                birth = Birth.loads(file.read())
            with contextlib.suppress(OSError):  # too many are open: then it makes its own
                pipes = self._pipes.make_pipes()
            pid = os.fork()
        except Stale:
            _tell(connection, {"stale": True})
            connection.close()
            self._stop_listening()
            return None
        except Exception as error:  # noqa: BLE001  # told to whoever asked, who then spawns
            traceback.print_exc()
            self._pipes.close(fd for pipe in pipes for fd in pipe)
            _tell(connection, {"refused": f"{type(error).__name__}: {error}"})
            connection.close()
            return None
        else:
            if not pid:
                self.given = pipes
                self._bring_up(birth, connection, fds)
                return birth
        finally:
            for fd in fds:
                os.close(fd)
        pidfd = os.pidfd_open(pid)
        self._kernels[pidfd] = (pid, connection, pipes)
        self._mover.watch(pipes)
        self._selector.register(pidfd, selectors.EVENT_READ, self._ended)
        return None

    def _bring_up(self, birth: Birth, connection: socket.socket, fds: Sequence[int]) -> None:
        """In the child: take the descriptors and become what was asked for, then say so."""
        status = 1
        try:
            for number, fd in enumerate(fds[1:4]):
                os.dup2(fd, number)
            birth.apply()
            pidfd = os.pidfd_open(os.getpid())
            socket.send_fds(connection, [json.dumps({"pid": os.getpid()}).encode()], [pidfd])
            os.close(pidfd)
            connection.close()
            return
        except OSError as error:
            _tell(connection, {"errno": error.errno, "error": error.strerror, "file": error.filename})
        except Unconfined as error:
            _tell(connection, {"confinement": str(error)})
        except BaseException:  # noqa: BLE001  # half a kernel must not go on as a second zygote
            traceback.print_exc()
            status = 70
        os._exit(status)

    def _ended(self, pidfd: int) -> None:
        pid, connection, pipes = self._kernels.pop(pidfd)
        self._mover.forget(pipes)
        self._selector.unregister(pidfd)
        os.close(pidfd)
        _, status = os.waitpid(pid, 0)
        _tell(connection, {"status": os.waitstatus_to_exitcode(status)})
        connection.close()

    def _leave(self, birth: Birth) -> Birth:
        """In the child: let go of what is the zygote's."""
        self._selector.close()
        self._listener.close()
        self._mover.close()
        for pidfd, (_, connection, _) in self._kernels.items():
            os.close(pidfd)
            connection.close()
        for connection in self._waiting:
            connection.close()
        return birth

    def _retire(self) -> bool:
        """Give up the name, unless somebody is just asking; whether it is time to end."""
        with open(self._lock, "rb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:  # somebody looks for a zygote: for this one, perhaps
                return False
            if select.select([self._listener], [], [], 0)[0]:
                return False
            self._stop_listening(locked=True)
        return True

    def _stop_listening(self, locked: bool = False) -> None:
        """Let the next who asks start another zygote; this one stays until its kernels have ended."""
        if not self._listening:
            return
        self._listening = False
        with open(self._lock, "rb") as lock:
            if not locked:
                fcntl.flock(lock, fcntl.LOCK_EX)
            with contextlib.suppress(FileNotFoundError):
                self._path.unlink()
        self._selector.unregister(self._listener)
        self._listener.close()


def _tell(connection: socket.socket, message: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):  # whoever asked is gone
        connection.send(json.dumps(message).encode())


def _detach() -> None:
    """Become nobody's child: whoever needed the first kernel may end before the last one."""
    if os.fork():
        os._exit(0)
    os.setsid()


def main(argv: Sequence[str]) -> int:
    """Run a zygote on a listening socket that it inherited; in each child, run a kernel."""
    parser = argparse.ArgumentParser(prog="python -m kernelet.launch.zygote")
    parser.add_argument("--listen", type=int, required=True, metavar="FD")
    parser.add_argument("--path", type=Path, required=True)
    parser.add_argument("--idle", type=float, required=True, metavar="SECONDS")
    parser.add_argument("preload", nargs="*")
    options = parser.parse_args(argv)
    gc.disable()
    _detach()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.path and sys.path[0] == os.getcwd():  # `python -m` put it there
        del sys.path[0]
    load(options.preload)
    listener = socket.socket(fileno=options.listen)
    listener.set_inheritable(False)
    zygote = Zygote(listener, options.path.with_suffix(".lock"), options.path, options.idle)
    # Nothing is collected before: what is freed leaves holes, and kernels would fill them, each on a page of its own.
    stop_counting()
    gc.freeze()  # the collector would write into every page of it, and each kernel would get a copy of its own
    birth = zygote.serve()
    if birth is not None:  # in a child: be what `python -m kernelet` is
        importlib.import_module(RUNNER).run_kernel(list(birth.argv), zygote.given)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
