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
        found = _descendants(pid) | _marked(pid, kernel_id, since)
        if pid is not None:
            _signal_group(pid)
        for one in found:
            _signal(one)
        if not found or time.monotonic() > give_up:
            return
        time.sleep(0.005)


def _descendants(pid: int | None) -> set[int]:
    if pid is None:
        return set()
    try:
        root = psutil.Process(pid)
        family = [root, *root.children(recursive=True)]
        return {one.pid for one in family if one.status() != psutil.STATUS_ZOMBIE}
    except psutil.Error:
        return set()


def _marked(pid: int | None, kernel_id: str, since: int) -> set[int]:
    """Return the processes of the kernel's session, and those with its mark (Linux only)."""
    if sys.platform != "linux":
        return set()
    mark = f"\0{MARK}={kernel_id}\0".encode()
    found = set()
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
            state, session = fields[0], fields[3]
            if int(fields[19]) < since:
                continue
            with open(f"/proc/{name}/environ", "rb") as file:
                belongs = mark in b"\0" + file.read()
        except OSError:  # gone, or somebody else's
            continue
        if state not in (b"Z", b"X") and (belongs or int(session) == pid):
            found.add(int(name))
    return found


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
