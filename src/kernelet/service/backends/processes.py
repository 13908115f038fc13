"""The processes that a kernel leaves behind: found however they hid, and killed. Blocking: for a worker thread."""

from __future__ import annotations

import os
import signal
import sys
import time

import psutil

MARK = "KERNELET_KERNEL_ID"
"""In the environment of a kernel, and so of what it starts: a child that made a session of its own keeps it."""

_PATIENCE_S = 3.0


def started_at(pid: int | None) -> int:
    """Return when a process started, in clock ticks since the machine did; 0 when that is not known."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[19])
    except OSError:
        return 0


def kill_tree(pid: int | None, kernel_id: str, since: int = 0) -> None:
    """Kill the kernel `pid` with its descendants, its process group, its session, and all that bear its mark.

    `since` is when it started: nothing older is looked at.
    Repeated until none is left, since a process may fork while others are killed.
    """
    give_up = time.monotonic() + _PATIENCE_S
    while True:
        # Before the group is killed: a child that left it is found only while its parents live.
        found = _family(pid, kernel_id, since)
        if pid is not None:
            _signal_group(pid)
        for one in found:
            _signal(one)
        if not found or time.monotonic() > give_up:
            return
        time.sleep(0.005)


def _family(pid: int | None, kernel_id: str, since: int) -> set[int]:
    """Return what lives of the kernel, its descendants, its session, and those with its mark."""
    if sys.platform != "linux":
        return _descendants(pid)
    mark = f"\0{MARK}={kernel_id}\0".encode()
    found, children = set(), dict[int, list[int]]()
    for name in os.listdir("/proc"):  # once for all: there are hundreds
        if not name.isdigit() or (one := int(name)) == os.getpid():
            continue
        try:
            state, parent, _, session, *more = _read(f"/proc/{name}/stat").rpartition(b")")[2].split()
            if state in (b"Z", b"X") or int(more[15]) < since:
                continue
            children.setdefault(int(parent), []).append(one)
            if one == pid or int(session) == pid or mark in b"\0" + _read(f"/proc/{name}/environ"):
                found.add(one)
        except OSError:  # gone, or somebody else's
            continue
    parents = list(found) if pid is None else [*found, pid]
    while parents:
        born = [one for one in children.get(parents.pop(), ()) if one not in found]
        found.update(born)
        parents += born
    return found


def _descendants(pid: int | None) -> set[int]:
    if pid is None:
        return set()
    try:
        root = psutil.Process(pid)
        family = [root, *root.children(recursive=True)]
        return {one.pid for one in family if one.status() != psutil.STATUS_ZOMBIE}
    except psutil.Error:
        return set()


def _read(path: str) -> bytes:
    """Return what is in a file of /proc: half the time that Python's file objects take. Raises OSError."""
    file, pieces = os.open(path, os.O_RDONLY | os.O_CLOEXEC), []
    try:
        while piece := os.read(file, 1 << 16):
            pieces.append(piece)
        return b"".join(pieces)
    finally:
        os.close(file)


def _signal_group(pid: int) -> None:
    # Never our own group: a kernel that could not make one is in it.
    try:
        if os.getpgid(pid) != os.getpgrp():
            os.killpg(os.getpgid(pid), signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


def _signal(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
