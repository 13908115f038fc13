"""The system calls behind isolation, with Python's errors: namespaces, mounts, capabilities (Linux only).

By ctypes: os.unshare came with Python 3.12, and nothing in the standard library mounts.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
import sys

CLONE_NEWNS = 0x00020000
CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000

_MS_NOSUID, _MS_NODEV, _MS_BIND, _MS_REC, _MS_PRIVATE = 0x2, 0x4, 0x1000, 0x4000, 0x40000
_SYS_MOUNT_SETATTR = 442  # the same number on every architecture
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000
_MOUNT_ATTR_RDONLY = 1
_PR_SET_NO_NEW_PRIVS, _PR_CAPBSET_DROP = 38, 24
_CAPABILITY_VERSION_3 = 0x20080522
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 0x1


def unshare(flags: int) -> None:
    """Move this process, which has one thread, into new namespaces."""
    _call("unshare", ctypes.c_int(flags))


def map_own_ids(uid: int, gid: int) -> None:
    """Be the same user in the new user namespace as outside; nobody else exists there.

    Args:
        uid, gid: as they were before the namespace was made.
    """
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        with open(f"/proc/self/{name}", "w", encoding="utf-8") as file:
            file.write(text)


def raise_loopback() -> None:
    """Bring `lo` up in a new network namespace, so that 127.0.0.1 is there and nothing else."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as anything:
        request = struct.pack("16sh14x", b"lo", 0)
        (flags,) = struct.unpack_from("h", fcntl.ioctl(anything, _SIOCGIFFLAGS, request), 16)
        fcntl.ioctl(anything, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | _IFF_UP))


def make_mounts_private() -> None:
    """See to it that no mount made from now on shows outside, nor one of outside here."""
    _mount(None, "/", None, _MS_REC | _MS_PRIVATE)


def mount_tmpfs(target: str, megabytes: int, mode: int = 0o1777) -> None:
    """Put an empty file system in memory onto `target`."""
    _mount("tmpfs", target, "tmpfs", _MS_NOSUID | _MS_NODEV, f"size={megabytes}m,mode={mode:o}")


def bind(source: str, target: str) -> None:
    """Show the folder or file `source`, with what is mounted in it, at `target`."""
    _mount(source, target, None, _MS_BIND | _MS_REC)


def set_read_only(target: str, read_only: bool) -> None:
    """Make everything mounted at `target` and below it read-only, or writable again."""
    on, off = (_MOUNT_ATTR_RDONLY, 0) if read_only else (0, _MOUNT_ATTR_RDONLY)
    attributes = struct.pack("QQQQ", on, off, 0, 0)
    _call(
        "syscall",
        ctypes.c_long(_SYS_MOUNT_SETATTR),
        ctypes.c_int(_AT_FDCWD),
        ctypes.c_char_p(os.fsencode(target)),
        ctypes.c_uint(_AT_RECURSIVE),
        ctypes.c_char_p(attributes),
        ctypes.c_size_t(len(attributes)),
    )


def drop_capabilities() -> None:
    """Give up every privilege in the namespaces for good: nothing can be unmounted or made writable any more."""
    with open("/proc/sys/kernel/cap_last_cap", encoding="utf-8") as file:
        last = int(file.read())
    for capability in range(last + 1):
        _call("prctl", ctypes.c_int(_PR_CAPBSET_DROP), *map(ctypes.c_ulong, (capability, 0, 0, 0)))
    _call("prctl", ctypes.c_int(_PR_SET_NO_NEW_PRIVS), *map(ctypes.c_ulong, (1, 0, 0, 0)))
    nothing = struct.pack("6I", 0, 0, 0, 0, 0, 0)
    _call("capset", ctypes.c_char_p(struct.pack("Ii", _CAPABILITY_VERSION_3, 0)), ctypes.c_char_p(nothing))


def _mount(source: str | None, target: str, kind: str | None, flags: int, options: str | None = None) -> None:
    texts = [None if text is None else os.fsencode(text) for text in (source, target, kind, options)]
    source_, target_, kind_, options_ = map(ctypes.c_char_p, texts)
    try:
        _call("mount", source_, target_, kind_, ctypes.c_ulong(flags), options_)
    except OSError as error:
        raise OSError(error.errno, error.strerror, target) from None


def _call(name: str, *arguments: object) -> None:
    """Call a function of libc that answers -1 for an error.

    Raises:
        OSError: what errno says.
    """
    if sys.platform != "linux":
        raise OSError(f"{name} needs Linux")
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments) == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
