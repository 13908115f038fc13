"""Finds the zygote for a kernel, starts it where there is none, and asks it for the kernel. Linux only.

There is one for each user, interpreter, list of preloaded modules, and state of the world that a process gets when it
starts and cannot change afterwards (`surroundings`). Its socket lies in a folder of the user's own; a lock beside it
sees to it that two clients don't start two. Any thread.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import resource
import socket
import stat
import struct
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .birth import PROTOCOL

# What is true of one kernel only. /proc/PID/environ of a forked process is its zygote's: the mark by which the service
# finds the processes of the first kernel would be on all that are born later.
_OF_ONE_KERNEL = ("JPY_", "KERNELET_KERNEL_ID")
# Variables that Python, the C library or a preloaded library reads when it starts: other values, another zygote.
_EARLY = (
    "PYTHON", "LD_", "LC_", "LANG", "MALLOC_", "GLIBC_", "OMP_", "KMP_", "GOMP_", "MKL_", "OPENBLAS_", "BLIS_",
    "GOTO_", "NUMEXPR_", "NUMBA_", "NPY_", "MPL", "XDG_CONFIG_", "HOME", "COVERAGE_", "CUDA_", "TORCH_",
    "OPENSSL_", "SSL_",
)  # fmt: skip
_NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts")
_LIMITS = tuple(sorted(name for name in dir(resource) if name.startswith("RLIMIT_")))
_BACKLOG = 128
_LOG_TAIL_BYTES = 2000


class ZygoteError(Exception):
    """Why there is no zygote to be had; the message is one line. A kernel can still be spawned."""


@dataclass(frozen=True, slots=True)
class Kind:
    """Which zygote: `interpreter` is the command up to `-m`, `env` that of the kernel."""

    interpreter: Sequence[str]
    preload: Sequence[str]
    env: Mapping[str, str]
    idle_s: float

    def name(self) -> str:
        """Return what the files of this zygote are called."""
        early = {name: value for name, value in self.env.items() if name.startswith(_EARLY)}
        what = [PROTOCOL, list(self.interpreter), list(self.preload), early, surroundings()]
        return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]


def surroundings() -> dict[str, Any]:
    """Return what a child process inherits from this one and cannot, or may not, change."""
    around: dict[str, Any] = {
        "ids": [os.getresuid(), os.getresgid(), sorted(os.getgroups())],
        "cpus": sorted(os.sched_getaffinity(0)),
        "nice": os.getpriority(os.PRIO_PROCESS, 0),
        "limits": {name: resource.getrlimit(getattr(resource, name)) for name in _LIMITS},
        "root": _identity("/proc/self/root/"),
        "namespaces": {name: _identity(f"/proc/self/ns/{name}") for name in _NAMESPACES},
    }
    for name in ("cgroup", "oom_score_adj"):
        with contextlib.suppress(OSError):  # no such thing in this system
            around[name] = Path("/proc/self", name).read_text(encoding="ascii", errors="replace")
    return around


def _identity(path: str) -> Sequence[int]:
    try:
        found = os.stat(path)
    except OSError:  # no such namespace in this system
        return ()
    return found.st_dev, found.st_ino


class Zygotes:
    """The zygotes of this user, in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def ask(self, kind: Kind, request: bytes, stdio: Sequence[int]) -> socket.socket:
        """Ask the zygote of this kind for a kernel and return the connection on which the answer will come.

        Raises ZygoteError.
        """
        try:
            with self._opened() as place:
                name = kind.name()
                connection = _connect(place, name) or self._start(place, name, kind)
        except OSError as error:
            raise ZygoteError(f"no zygote in {self._folder}: {error}") from error
        try:
            _send(connection, request, stdio)
        except OSError as error:
            connection.close()
            raise ZygoteError(f"the zygote does not listen: {error.strerror}") from error
        return connection

    def end(self) -> None:
        """Let every zygote here take no more requests and end with its last kernel. Raises ZygoteError, OSError."""
        with self._opened() as place:
            for path in self._folder.glob("*.socket"):
                connection = _connect(place, path.stem)
                if connection is not None:
                    with connection:
                        connection.send(b"end")
                        connection.recv(1)  # nothing comes: it has closed, and its name is free

    def last_words(self, kind: Kind) -> str:
        """Return the last line that this kind of zygote wrote, for a message about it."""
        with contextlib.suppress(OSError):
            with open(self._folder / f"{kind.name()}.log", "rb") as log:
                log.seek(max(0, os.fstat(log.fileno()).st_size - _LOG_TAIL_BYTES))
                lines = log.read().decode(errors="replace").strip().splitlines()
            return lines[-1] if lines else "it said nothing"
        return "it left no log"

    @contextlib.contextmanager
    def _opened(self) -> Iterator[int]:
        """Yield a descriptor of the folder, made if need be. Raises ZygoteError when others could write there."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        place = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            found = os.fstat(place)
            if found.st_uid != os.geteuid():
                raise ZygoteError(f"{self._folder} belongs to user {found.st_uid}")
            if stat.S_IMODE(found.st_mode) & 0o077:
                raise ZygoteError(f"{self._folder} is open to other users")
            yield place
        finally:
            os.close(place)

    def _start(self, place: int, name: str, kind: Kind) -> socket.socket:
        """Start a zygote, unless somebody else was faster, and connect to it; it answers when it is ready."""
        descriptor = os.open(f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600, dir_fd=place)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            connection = _connect(place, name)
            if connection is not None:
                return connection
            with contextlib.suppress(FileNotFoundError):  # a zygote that was killed left it
                os.unlink(f"{name}.socket", dir_fd=place)
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
                # The name through the descriptor: an address has 107 bytes, a runtime folder may have more.
                listener.bind(f"/proc/self/fd/{place}/{name}.socket")
                os.chmod(f"{name}.socket", 0o600, dir_fd=place)
                listener.listen(_BACKLOG)
                self._launch(name, kind, listener.fileno())
                connection = _connect(place, name)
            if connection is None:
                raise ZygoteError("the zygote ended at once")
            return connection
        finally:
            os.close(descriptor)

    def _launch(self, name: str, kind: Kind, listener: int) -> None:
        env = {variable: value for variable, value in kind.env.items() if not variable.startswith(_OF_ONE_KERNEL)}
        command = [*kind.interpreter, "-m", f"{__package__}.zygote", "--listen", str(listener)]
        command += [
            "--path",
            str(self._folder.absolute() / f"{name}.socket"),
            "--idle",
            str(kind.idle_s),
            *kind.preload,
        ]
        log = os.open(self._folder / f"{name}.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        try:
            # It detaches itself at once: what is waited for is its first process only.
            done = subprocess.run(
                command, env=env, cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=[listener],
                start_new_session=True, check=False,
            )  # fmt: skip
        finally:
            os.close(log)
        if done.returncode:
            raise ZygoteError(f"the zygote ended with status {done.returncode}: {self.last_words(kind)}")


def _connect(place: int, name: str) -> socket.socket | None:
    """Return a connection to a living zygote, or None. Raises ZygoteError for another user's."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        connection.connect(f"/proc/self/fd/{place}/{name}.socket")
    except (FileNotFoundError, ConnectionRefusedError):
        connection.close()
        return None
    except BaseException:
        connection.close()
        raise
    _, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    if uid != os.geteuid():
        connection.close()
        raise ZygoteError(f"the zygote belongs to user {uid}")
    return connection


def _send(connection: socket.socket, request: bytes, stdio: Sequence[int]) -> None:
    """Send the request as a file: an environment may be larger than a socket takes in one piece."""
    file = os.memfd_create("kernelet-birth")
    try:
        written = 0
        while written < len(request):
            written += os.write(file, request[written:])
        socket.send_fds(connection, [b"kernel"], [file, *stdio])
    finally:
        os.close(file)
