"""What Linux tells about the processes of a kernel: CPU, memory, threads, context switches."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
available = (PROC / "self" / "smaps_rollup").exists()
"""Whether these readings can be had on this system."""

_GONE = (FileNotFoundError, ProcessLookupError)


@dataclass(frozen=True, slots=True)
class Memory:
    """In MiB. `pss` shares a common page out among those who map it, `uss` counts private pages only."""

    rss: float
    pss: float
    uss: float


def tree(pid: int) -> list[int]:
    """List `pid` and all processes below it."""
    parents: dict[int, int] = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(*_GONE):
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    found = [pid]
    for parent in found:
        found.extend(child for child, its_parent in parents.items() if its_parent == parent)
    return found


def cpu_s(pids: Iterable[int]) -> float:
    """CPU seconds used so far, to the nanosecond, finished threads included.

    `/proc/<pid>/stat` counts in ticks of 10 ms. This is the clock that clock_getcpuclockid(3) gives: the id is made by
    MAKE_PROCESS_CPUCLOCK(pid, CPUCLOCK_SCHED) of <linux/posix-timers.h>, part of the kernel's ABI.
    """
    return sum(time.clock_gettime((~pid << 3) | 2) for pid in pids)


def memory(pids: Iterable[int]) -> Memory:
    """Add up `smaps_rollup`."""
    kilobytes = {"Rss:": 0, "Pss:": 0, "Private_Clean:": 0, "Private_Dirty:": 0}
    for pid in pids:
        for line in (PROC / str(pid) / "smaps_rollup").read_text().splitlines()[1:]:
            name, amount = line.split()[:2]
            if name in kilobytes:
                kilobytes[name] += int(amount)
    rss, pss, *private = (value / 1024 for value in kilobytes.values())
    return Memory(rss, pss, sum(private))


def _threads(pids: Iterable[int]) -> Iterator[Path]:
    for pid in pids:
        yield from (PROC / str(pid) / "task").iterdir()


def threads(pids: Iterable[int]) -> int:
    return sum(1 for _ in _threads(pids))


def switches(pids: Iterable[int]) -> dict[str, int]:
    """Count the context switches, voluntary or not, of each thread since it started."""
    counts: dict[str, int] = {}
    for thread in _threads(pids):
        with contextlib.suppress(*_GONE):
            lines = (thread / "status").read_text().splitlines()
            counts[thread.name] = sum(int(line.split()[1]) for line in lines if "ctxt_switches" in line)
    return counts


def load() -> tuple[float, float, float]:
    """Load averages of 1, 5 and 15 minutes."""
    return os.getloadavg()


def cpu_model() -> str:
    with contextlib.suppress(OSError):
        for line in (PROC / "cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return "unknown"


def filesystem(path: Path) -> str:
    """Name the kind of filesystem `path` is on: a history that commits per cell is cheap on tmpfs, dear on a disk."""
    best, kind = "", "unknown"
    with contextlib.suppress(OSError):
        for line in (PROC / "mounts").read_text().splitlines():
            _, where, this_kind = line.split()[:3]
            if path.resolve().is_relative_to(where) and len(where) >= len(best):
                best, kind = where, this_kind
    return kind
