"""What a cell took: when, how long, the CPU and the memory of the process meanwhile. For the metadata of its reply.

The thread of the cell. CPU and memory are the whole process's, since a cell may use many threads: cells that run at the
same time are charged for each other. A few microseconds a cell.
"""

from __future__ import annotations

import contextlib
import functools
import sys
import time
from collections.abc import Callable
from typing import Any, Final

from ..protocol.message import Content
from ..runtime.deadline import Deadline

try:
    from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
except ImportError:  # Windows
    getrusage = None  # type: ignore[assignment]

# ru_maxrss is in KiB, on macOS in bytes.
_MAXRSS_UNIT: Final = 1 if sys.platform == "darwin" else 1024
_RESET_PEAK: Final = b"5"


def _own_peak_bytes() -> int | None:
    """Return the peak of this process's memory, None where /proc does not tell it."""
    try:
        with open("/proc/self/status", "rb") as status:
            return next((int(line.split()[1]) * 1024 for line in status if line.startswith(b"VmHWM:")), None)
    except OSError:
        return None


@functools.cache
def _inherits_a_peak() -> bool:
    """Whether ru_maxrss began at the size of the program that started us: Linux keeps it over exec.

    A kernel whose Jupyter server had 500 MB would be said to have had them. Asked once; /proc is slower to ask.
    """
    own = _own_peak_bytes()
    # The two are not counted in the same way to the page.
    return own is not None and getrusage(RUSAGE_SELF).ru_maxrss * _MAXRSS_UNIT > own * 1.05


def _peak_bytes(usage: Any) -> int:
    own = _own_peak_bytes() if _inherits_a_peak() else None
    return int(usage.ru_maxrss * _MAXRSS_UNIT) if own is None else own


def _to_us(seconds: float) -> float:
    """Return what `round(seconds, 6)` does, in a quarter of the time: that one writes the number out and reads it."""
    return round(seconds * 1e6) / 1e6


class Measure:
    """Begins when it is made."""

    __slots__ = ("_children", "_clock", "_peak_bytes", "_self", "_since", "started")

    def __init__(self, clock: Callable[[], str], own_peak: bool = False) -> None:
        """`own_peak`: let the peak of memory begin anew, so that it is this cell's alone (Linux).

        Not for every cell: what user code reads as ru_maxrss begins anew as well.
        """
        if own_peak:
            with contextlib.suppress(OSError), open("/proc/self/clear_refs", "wb", buffering=0) as file:
                file.write(_RESET_PEAK)
        self._clock = clock
        self.started = clock()
        if getrusage is not None:
            self._self, self._children = getrusage(RUSAGE_SELF), getrusage(RUSAGE_CHILDREN)
            self._peak_bytes = _peak_bytes(self._self)
        self._since = time.perf_counter()

    def taken(self) -> dict[str, Any]:
        """Return what it took until now: seconds, and bytes."""
        wall_s = time.perf_counter() - self._since
        if getrusage is None:
            return {"wall_s": _to_us(wall_s)}
        before, children_before = self._self, self._children
        now, children = getrusage(RUSAGE_SELF), getrusage(RUSAGE_CHILDREN)
        peak_bytes = _peak_bytes(now)
        return {
            "wall_s": _to_us(wall_s),
            "cpu_user_s": _to_us(now.ru_utime - before.ru_utime),
            "cpu_system_s": _to_us(now.ru_stime - before.ru_stime),
            "children_cpu_s": _to_us(
                children.ru_utime + children.ru_stime - children_before.ru_utime - children_before.ru_stime
            ),
            "peak_memory_bytes": peak_bytes,
            "peak_memory_growth_bytes": peak_bytes - self._peak_bytes,
        }

    def metadata(self) -> dict[str, Any]:
        """Return the fields of an execute_reply's metadata."""
        return {"started": self.started, "completed": self._clock(), "resources": self.taken()}


def reply_metadata(
    engine: str, measure: Measure | None, reply: Content | None, deadline: Deadline | None
) -> dict[str, Any] | None:
    """Return what clients (JupyterLab's timing, ipyparallel) read beside an execute_reply, and what the cell took."""
    if measure is None or reply is None:
        return None
    metadata = {**measure.metadata(), "dependencies_met": True, "engine": engine, "status": reply["status"]}
    if deadline is not None:
        metadata["timed_out"] = deadline.expired
    return metadata
