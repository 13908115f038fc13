"""The end of the kernel's child processes: found through /proc, asked to end, then killed. No psutil.

Any thread. A daemon that detached itself (its parent is no longer one of ours) is left alone, as it asked to be.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time


def descendants(pid: int) -> list[int]:
    """Return the living descendants of process `pid`, parents before children. Zombies do not count."""
    children: dict[int, list[int]] = {}
    for child, parent in _processes():
        children.setdefault(parent, []).append(child)
    found: list[int] = []
    queue = [pid]
    while queue:
        for child in children.get(queue.pop(0), []):
            found.append(child)
            queue.append(child)
    return found


def _processes() -> list[tuple[int, int]]:
    """Return (pid, parent's pid) of every process that is no zombie."""
    if sys.platform == "linux":
        return [entry for name in os.listdir("/proc") if name.isdigit() and (entry := _stat(name))]
    if sys.platform == "win32":
        return []
    listing = subprocess.run(["ps", "-axo", "pid=,ppid=,state="], capture_output=True, text=True, check=False).stdout
    rows = [line.split() for line in listing.splitlines()]
    return [(int(row[0]), int(row[1])) for row in rows if len(row) >= 3 and not row[2].startswith("Z")]


def _stat(name: str) -> tuple[int, int] | None:
    try:
        with open(f"/proc/{name}/stat", "rb") as file:
            # The command, in parentheses, may contain anything: split behind its last parenthesis.
            state, parent = file.read().rpartition(b")")[2].split()[:2]
    except (OSError, ValueError):  # it ended while we looked
        return None
    return None if state == b"Z" else (int(name), int(parent))


def end_children(grace_s: float) -> None:
    """Send SIGTERM to every descendant, wait at most `grace_s` for them, and SIGKILL the rest."""
    pids = descendants(os.getpid()) if _has_children() else []
    if not pids:
        return
    watched = _open_all(pids)
    for pid in pids:
        _kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + grace_s
    while watched and (left := deadline - time.monotonic()) > 0:
        for fd in select.select(watched, [], [], left)[0]:
            watched.remove(fd)
            os.close(fd)
    for fd in watched:
        os.close(fd)
    for pid in descendants(os.getpid()):
        _kill(pid, getattr(signal, "SIGKILL", signal.SIGTERM))


def _has_children() -> bool:
    """Whether this process has any, living or not yet waited for: most have none, and /proc is long."""
    if not hasattr(os, "waitid"):
        return True
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _open_all(pids: list[int]) -> list[int]:
    """Return pidfds of the processes that still live; none where the system has no pidfds."""
    fds: list[int] = []
    if hasattr(os, "pidfd_open"):
        for pid in pids:
            with contextlib.suppress(OSError):  # it ended meanwhile
                fds.append(os.pidfd_open(pid))
    return fds


def _kill(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # it ended meanwhile, or runs as another user
        os.kill(pid, number)
