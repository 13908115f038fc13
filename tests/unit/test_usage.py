"""What the kernel uses: itself and its children, and the host as the cgroup limits it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from kernelet.runtime import cgroup, usage
from kernelet.runtime.usage import Usage
from needs import OTHER_MACHINE

if sys.platform != "linux":
    pytest.skip(f"{OTHER_MACHINE}it has /proc", allow_module_level=True)

MIB = 1 << 20
HOLD = "import sys; held = b'x' * (64 << 20); print(flush=True); sys.stdin.read()"


def burn(cpu_s: float) -> None:
    end = time.process_time() + cpu_s
    while time.process_time() < end:
        pass


@pytest.fixture
def no_cgroup(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(cgroup, "ROOT", tmp_path)
    monkeypatch.setattr(cgroup, "MEMBERSHIP", tmp_path / "membership")
    return tmp_path


def test_the_kernel_says_who_and_where_it_is(no_cgroup: Path) -> None:
    told = Usage()()
    assert (told["hostname"], told["pid"]) == (socket.gethostname(), os.getpid())
    assert told["cpu_count"] == len(os.sched_getaffinity(0))


def test_memory_is_near_what_psutil_says() -> None:
    told, resident = Usage()()["kernel_memory"], psutil.Process().memory_info().rss
    assert resident / 4 < told < resident * 4


def test_the_memory_of_children_counts() -> None:
    usage_of = Usage()
    before = usage_of()["kernel_memory"]
    with subprocess.Popen([sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert usage_of()["kernel_memory"] > before + 32 * MIB


def test_memory_is_the_resident_size_where_the_share_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def hide(path: str, *args: object, **kwargs: object) -> object:
        if str(path).endswith("smaps_rollup"):
            raise PermissionError(path)
        return open(path, *args, **kwargs)  # type: ignore[call-overload]

    monkeypatch.setattr(usage, "open", hide, raising=False)
    assert Usage()()["kernel_memory"] > MIB


def test_cpu_is_what_was_used_since_the_last_call() -> None:
    usage_of = Usage()
    assert usage_of()["kernel_cpu"] >= 0
    burn(0.2)
    told = usage_of()
    assert 0 < told["kernel_cpu"] <= 110 * told["cpu_count"]
    assert 0 < told["host_cpu_percent"] <= 100


def test_a_child_that_ended_is_no_negative_use() -> None:
    usage_of = Usage()
    script = "import sys, time\nwhile time.process_time() < 0.3: pass\nprint(flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        usage_of()
    assert usage_of()["kernel_cpu"] >= 0


def test_the_memory_of_the_host_adds_up(no_cgroup: Path) -> None:
    told = Usage()()["host_virtual_memory"]
    assert told["total"] == psutil.virtual_memory().total
    assert told["used"] == told["total"] - told["available"]
    assert 0 <= told["free"] <= told["available"] <= told["total"]
    assert 0 <= told["percent"] <= 100
    assert 0 < told["active"] + told["inactive"] < told["total"]
    assert set(told) >= set(psutil.virtual_memory()._fields)


def test_the_limit_of_the_cgroup_is_the_memory_there_is(no_cgroup: Path) -> None:
    (no_cgroup / "memory.max").write_text(f"{100 * MIB}\n")
    (no_cgroup / "memory.current").write_text(f"{25 * MIB}\n")
    told = Usage()()["host_virtual_memory"]
    assert (told["total"], told["available"], told["used"]) == (100 * MIB, 75 * MIB, 25 * MIB)
    assert told["percent"] == 25.0


@pytest.mark.parametrize("limit", ["max\n", f"{1 << 60}\n", ""])
def test_a_cgroup_without_a_limit_changes_nothing(no_cgroup: Path, limit: str) -> None:
    (no_cgroup / "memory.max").write_text(limit)
    (no_cgroup / "memory.current").write_text("1\n")
    assert Usage()()["host_virtual_memory"]["total"] == psutil.virtual_memory().total


def test_a_process_that_ended_uses_nothing() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert usage._cpu_seconds(process.pid) == 0.0
    assert usage._memory(process.pid) == 0
