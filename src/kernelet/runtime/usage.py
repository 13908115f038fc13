"""What the kernel and its host use: read from /proc and the cgroup, without psutil.

Control lane. Source: JupyterLab's kernel usage panel (jupyter-resource-usage) and ipykernel's usage_request.
"""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from typing import Any

from . import cgroup
from .children import descendants

# What else psutil tells of the memory: always the host's, since a cgroup counts in other ways.
_OF_THE_HOST = {
    "active": "Active",
    "inactive": "Inactive",
    "buffers": "Buffers",
    "cached": "Cached",
    "shared": "Shmem",
    "slab": "Slab",
}


class Usage:
    """Call it for the content of a usage_reply. CPU percentages are since the last call (first: since the start)."""

    def __init__(self) -> None:
        self._host = socket.gethostname()
        self._last_kernel: tuple[float, float] | None = None
        self._last_host: tuple[float, float] | None = None

    def __call__(self) -> dict[str, Any]:
        """Return hostname, pid, cpu_count and, where the system tells: kernel_cpu and host_cpu_percent (percent),
        kernel_memory (bytes), host_virtual_memory (bytes; the cgroup's limit where it is lower)."""
        pids = [os.getpid(), *descendants(os.getpid())]
        content: dict[str, Any] = {
            "hostname": self._host,
            "pid": os.getpid(),
            "cpu_count": _cpu_count(),
        }
        if Path("/proc/self/stat").exists():
            content["kernel_cpu"] = self._kernel_cpu(pids)
            content["kernel_memory"] = sum(map(_memory, pids))
            content["host_cpu_percent"] = self._host_cpu()
            content["host_virtual_memory"] = _host_memory()
        return content

    def _kernel_cpu(self, pids: list[int]) -> float:
        now, used = time.monotonic(), sum(map(_cpu_seconds, pids))
        then, before = self._last_kernel or (now - _age(os.getpid()), 0.0)
        self._last_kernel = (now, used)
        return round(max(0.0, 100 * (used - before) / max(now - then, 1e-3)), 1)

    def _host_cpu(self) -> float:
        with open("/proc/stat", encoding="ascii") as file:
            fields = [float(field) for field in file.readline().split()[1:9]]
        total, idle = sum(fields), fields[3] + fields[4]
        last_total, last_idle = self._last_host or (0.0, 0.0)
        self._last_host = (total, idle)
        return round(max(0.0, 100 * (1 - (idle - last_idle) / max(total - last_total, 1e-3))), 1)


def _cpu_count() -> int:
    """Return how many CPUs this process may keep busy."""
    return cgroup.whole_cpus(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat behind the command, or [] when the process has ended."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()
    except OSError:
        return []


def _cpu_seconds(pid: int) -> float:
    fields = _stat(pid)
    return sum(map(float, fields[11:13])) / os.sysconf("SC_CLK_TCK") if fields else 0.0


def _age(pid: int) -> float:
    """Return how long ago a process started, in seconds."""
    fields = _stat(pid)
    with open("/proc/uptime", encoding="ascii") as file:
        uptime = float(file.read().split()[0])
    return uptime - float(fields[19]) / os.sysconf("SC_CLK_TCK") if fields else 0.0


def _memory(pid: int) -> int:
    """Return a process's memory in bytes: its proportional share (PSS), or its resident size where that is hidden."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii", errors="replace") as file:
            for line in file:
                if line.startswith("Pss:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    fields = _stat(pid)
    return int(fields[21]) * os.sysconf("SC_PAGE_SIZE") if fields else 0


def _host_memory() -> dict[str, float]:
    """Return what psutil's virtual_memory() has, in bytes, with the cgroup's limit in the place of the host's."""
    with open("/proc/meminfo", encoding="ascii") as file:
        rows = dict(line.split(":", 1) for line in file)
    sizes = {name: int(value.split()[0]) * 1024 for name, value in rows.items()}
    total, available = sizes["MemTotal"], sizes.get("MemAvailable", sizes["MemFree"])
    group = cgroup.memory()
    if group is not None and group.limit < total:
        total, available = group.limit, max(0, group.limit - group.used)
    used = total - available
    told = {
        "total": total,
        "available": available,
        "percent": round(100 * used / total, 1),
        "used": used,
        "free": min(sizes["MemFree"], available),
    }
    return told | {name: sizes[row] for name, row in _OF_THE_HOST.items() if row in sizes}
