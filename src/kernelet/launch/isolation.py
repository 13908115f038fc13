"""What a new kernel process is cut off from: nothing, the network, or the network and the file system.

Containment of honest code, no boundary against a hostile tenant: the kernel keeps the user's id and sees all processes.
`enter` runs in the new process before it has threads, in a zygote's child as well as before an exec.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

if sys.platform == "linux":
    from . import namespaces

MASKED = ("/tmp", "/dev/shm")
"""What gets an empty file system of its own in `full`."""


class IsolationLevel(StrEnum):
    """How far a kernel is cut off."""

    NONE = "none"
    NET = "net"
    """A network of its own, with nothing in it but 127.0.0.1. The kernel's channels must be ipc."""
    FULL = "full"
    """NET, and everything is read-only but `output_dir` and `writable`; /tmp and /dev/shm are private and of a size."""


class IsolationError(Exception):
    """Why a kernel cannot be isolated as asked; it must not start then. The message is one or two sentences."""


@dataclass(frozen=True, slots=True)
class Isolation:
    """How one kernel is cut off; folders are absolute paths."""

    level: IsolationLevel = IsolationLevel.NONE
    upload_dir: str | None = None
    """Read-only whatever else says that it is writable."""
    output_dir: str | None = None
    writable: tuple[str, ...] = ()
    """More folders that stay writable in `full`: the one of the kernel's sockets must be among them."""
    readable: tuple[str, ...] = ()
    """Files and folders below /tmp or /dev/shm that stay visible in `full`: the connection file, if it is there."""
    tmp_mb: int = 1024
    shm_mb: int = 64

    @property
    def needs_ipc(self) -> bool:
        """Whether the channels must be sockets in the file system, since the network is another."""
        return self.level is not IsolationLevel.NONE

    @classmethod
    def from_config(cls, config: Mapping[str, object]) -> Self:
        """Return the isolation that a kernelspec or a request describes, with `level` as text.

        Raises:
            IsolationError: an unknown name, level or kind of value.
        """
        known = {"level", "upload_dir", "output_dir", "writable", "readable", "tmp_mb", "shm_mb"}
        if unknown := set(config) - known:
            raise IsolationError(f"Unknown in isolation: {', '.join(sorted(unknown))}.")
        try:
            level = IsolationLevel(str(config.get("level", "none")))
        except ValueError:
            raise IsolationError(f"isolation is none, net or full, not {config['level']!r}.") from None
        return cls(
            level,
            upload_dir=_folder(config, "upload_dir"),
            output_dir=_folder(config, "output_dir"),
            writable=_paths(config, "writable"),
            readable=_paths(config, "readable"),
            tmp_mb=_megabytes(config, "tmp_mb", 1024),
            shm_mb=_megabytes(config, "shm_mb", 64),
        )

    def as_config(self) -> dict[str, object]:
        """Return what `from_config` takes, as JSON has it."""
        return {
            "level": self.level.value,
            "upload_dir": self.upload_dir,
            "output_dir": self.output_dir,
            "writable": list(self.writable),
            "readable": list(self.readable),
            "tmp_mb": self.tmp_mb,
            "shm_mb": self.shm_mb,
        }

    def enter(self, cwd: str | None = None) -> None:
        """Cut this process off, for good. It must have one thread.

        Args:
            cwd: where it works afterwards; None leaves it where it is.

        Raises:
            IsolationError: the system does not allow it. The process is in an unknown state then and must end.
        """
        if self.level is IsolationLevel.NONE:
            if cwd is not None:
                os.chdir(cwd)
            return
        if sys.platform != "linux":
            raise IsolationError(f"isolation={self.level} needs Linux; this is {sys.platform}.")
        flags = namespaces.CLONE_NEWUSER | namespaces.CLONE_NEWNET
        if self.level is IsolationLevel.FULL:
            flags |= namespaces.CLONE_NEWNS
        cwd = os.getcwd() if cwd is None else os.path.abspath(cwd)
        step = "a user namespace"
        try:
            uid, gid = os.geteuid(), os.getegid()
            namespaces.unshare(flags)
            namespaces.map_own_ids(uid, gid)
            step = "a network of its own"
            namespaces.raise_loopback()
            if self.level is IsolationLevel.FULL:
                step = "a view of the file system"
                self._arrange_files(cwd)
            step = "dropping privileges"
            namespaces.drop_capabilities()
        except OSError as error:
            raise IsolationError(
                f"isolation={self.level}: this machine does not allow {step}: {error}. "
                "It needs Linux 5.12 or newer with unprivileged user namespaces; isolation=none starts without."
            ) from error
        try:
            os.chdir(cwd)
        except OSError as error:
            raise IsolationError(f"isolation={self.level}: the working directory cannot be entered: {error}") from error

    def _arrange_files(self, cwd: str) -> None:
        namespaces.make_mounts_private()
        # Handles first: a folder below /tmp is out of reach by name once something is mounted there.
        writable = {path: _handle(path) for path in dict.fromkeys((*self.writable, *_some(self.output_dir)))}
        read_only = {
            path: _handle(path)
            for path in dict.fromkeys((*_some(self.upload_dir), cwd, *self.readable, *_python_folders()))
            if path not in writable and (_masked(path) or path == self.upload_dir)
        }
        namespaces.set_read_only("/", True)
        for folder, size in zip(MASKED, (self.tmp_mb, self.shm_mb), strict=True):
            if os.path.isdir(folder):
                namespaces.mount_tmpfs(folder, size)
        # Parents before children, so that none covers another.
        for path, handle in sorted({**writable, **read_only}.items()):
            if _masked(path):
                _make_place(path, handle)
            namespaces.bind(f"/proc/self/fd/{handle}", path)
            namespaces.set_read_only(path, path in read_only)
            os.close(handle)


def _folder(config: Mapping[str, object], name: str) -> str | None:
    value = config.get(name)
    if not value:
        return None
    if not isinstance(value, str | os.PathLike):
        raise IsolationError(f"{name} is {value!r}; it takes a path.")
    return os.path.abspath(os.fsdecode(value))


def _paths(config: Mapping[str, object], name: str) -> tuple[str, ...]:
    value = config.get(name, ())
    if not isinstance(value, list | tuple) or not all(isinstance(path, str | os.PathLike) for path in value):
        raise IsolationError(f"{name} is {value!r}; it takes a list of paths.")
    return tuple(map(os.path.abspath, value))


def _megabytes(config: Mapping[str, object], name: str, default: int) -> int:
    value = config.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise IsolationError(f"{name} is {value!r}; it takes megabytes.")
    return value


def _some(path: str | None) -> tuple[str, ...]:
    return () if path is None else (path,)


def _handle(path: str) -> int:
    return os.open(path, os.O_PATH | os.O_CLOEXEC)


def _masked(path: str) -> bool:
    return any(path == folder or path.startswith(folder + "/") for folder in MASKED)


def _make_place(path: str, handle: int) -> None:
    """Make what a folder or a file behind `handle` can be mounted on."""
    if os.path.isdir(f"/proc/self/fd/{handle}"):
        os.makedirs(path, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "a", encoding="utf-8"):
            pass


def _python_folders() -> Iterator[str]:
    """Yield where this Python and the modules that it can import are."""
    for path in (sys.prefix, sys.base_prefix, *sys.path):
        path = os.path.abspath(path)
        if os.path.exists(path) and path not in MASKED:
            yield path
