"""What a control group lets this process have: memory and CPUs, of cgroups v2 and v1. Linux; the control lane.

A limit may stand at any level between our group and the root, and the lowest one counts. In a container our own path
is often that of the host and not to be found: then what is mounted as the root is our group.

Source: https://docs.kernel.org/admin-guide/cgroup-v2.html, https://docs.kernel.org/admin-guide/cgroup-v1/memory.html
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")


@dataclass(frozen=True, slots=True)
class Memory:
    """In bytes. `used` leaves out what is only cached and would be given back."""

    limit: int
    used: int


def memory() -> Memory | None:
    """Return the lowest limit of memory there is, with what is used of it; None where nothing limits it."""
    found = [*_memory("", "memory.max", "memory.current", "inactive_file")]
    found += _memory("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
    return min(found, key=lambda one: one.limit, default=None)


def cpus() -> float | None:
    """Return how many CPUs' time the group may use; None where nothing limits it."""
    found = []
    for group in _groups(""):
        quota, _, period = _text(group / "cpu.max").partition(" ")
        if quota.isdigit() and period.strip().isdigit():
            found.append(int(quota) / int(period))
    for group in _groups("cpu"):
        quota_us, period_us = _number(group / "cpu.cfs_quota_us"), _number(group / "cpu.cfs_period_us")
        if quota_us is not None and quota_us > 0 and period_us:
            found.append(quota_us / period_us)
    return min(found, default=None)


def whole_cpus(there_are: int) -> int:
    """Return how many of the CPUs that there are can be busy at once."""
    limit = cpus()
    return there_are if limit is None else max(1, min(there_are, math.ceil(limit)))


def _memory(controller: str, limit_name: str, used_name: str, cached_name: str) -> Iterator[Memory]:
    for group in _groups(controller):
        limit, used = _number(group / limit_name), _number(group / used_name)
        if limit is None or used is None:
            continue
        cached = 0
        for line in _text(group / "memory.stat").splitlines():
            name, _, value = line.partition(" ")
            if name == cached_name and value.isdigit():
                cached = int(value)
        yield Memory(limit, max(0, used - cached))


def _groups(controller: str) -> Iterator[Path]:
    """Yield the directories of our group and those above it; `controller` is "" for v2."""
    mounted = ROOT / controller
    for line in _text(MEMBERSHIP).splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if (controller in controllers.split(",")) if controller else not controllers:
            below = mounted / path.lstrip("/")
            while below != mounted and mounted in below.parents:
                yield below
                below = below.parent
    yield mounted


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return ""


def _number(path: Path) -> int | None:
    """Return the number in a file; None when it is absent or says `max`."""
    try:
        return int(_text(path))
    except ValueError:
        return None
