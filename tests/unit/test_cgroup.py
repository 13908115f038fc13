"""What a control group allows: v1 and v2, nested, inside and outside of a container."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kernelet.runtime import cgroup
from kernelet.runtime.cgroup import Memory

MIB = 1 << 20


@pytest.fixture
def write(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str, object], None]:
    """Write a file below the root of a cgroup filesystem; `membership` is /proc/self/cgroup."""
    monkeypatch.setattr(cgroup, "ROOT", tmp_path)
    monkeypatch.setattr(cgroup, "MEMBERSHIP", tmp_path / "membership")

    def write(name: str, text: object) -> None:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")

    return write


def test_without_any_group_there_is_no_limit(write: Callable[[str, object], None]) -> None:
    assert cgroup.memory() is None
    assert cgroup.cpus() is None
    assert cgroup.whole_cpus(8) == 8


def test_v2_in_a_container(write: Callable[[str, object], None]) -> None:
    write("membership", "0::/")
    write("memory.max", 100 * MIB)
    write("memory.current", 60 * MIB)
    write("memory.stat", f"anon 1\ninactive_file {20 * MIB}\nactive_file 5")
    write("cpu.max", "150000 100000")
    assert cgroup.memory() == Memory(100 * MIB, 40 * MIB)
    assert cgroup.cpus() == 1.5
    assert cgroup.whole_cpus(8) == 2
    assert cgroup.whole_cpus(1) == 1


def test_v2_in_a_slice_where_a_level_above_has_the_lower_limit(write: Callable[[str, object], None]) -> None:
    write("membership", "0::/user.slice/session.scope")
    write("user.slice/memory.max", 50 * MIB)
    write("user.slice/memory.current", 10 * MIB)
    write("user.slice/session.scope/memory.max", "max")
    write("user.slice/session.scope/memory.current", 5 * MIB)
    write("user.slice/session.scope/cpu.max", "max 100000")
    assert cgroup.memory() == Memory(50 * MIB, 10 * MIB)
    assert cgroup.cpus() is None


def test_v1_with_its_own_path(write: Callable[[str, object], None]) -> None:
    write("membership", "9:name=systemd:/\n4:memory:/docker/abc\n1:cpu,cpuacct:/docker/abc\n0::/")
    write("memory/docker/abc/memory.limit_in_bytes", 200 * MIB)
    write("memory/docker/abc/memory.usage_in_bytes", 90 * MIB)
    write("memory/docker/abc/memory.stat", f"inactive_file 1\ntotal_inactive_file {30 * MIB}")
    write("memory/memory.limit_in_bytes", (1 << 63) - 4096)
    write("memory/memory.usage_in_bytes", 1000 * MIB)
    write("cpu/docker/abc/cpu.cfs_quota_us", 50000)
    write("cpu/docker/abc/cpu.cfs_period_us", 100000)
    assert cgroup.memory() == Memory(200 * MIB, 60 * MIB)
    assert cgroup.cpus() == 0.5
    assert cgroup.whole_cpus(4) == 1


def test_v1_in_a_container_that_cannot_see_its_path(write: Callable[[str, object], None]) -> None:
    write("membership", "4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc")
    write("memory/memory.limit_in_bytes", 200 * MIB)
    write("memory/memory.usage_in_bytes", 90 * MIB)
    write("cpu/cpu.cfs_quota_us", -1)
    write("cpu/cpu.cfs_period_us", 100000)
    assert cgroup.memory() == Memory(200 * MIB, 90 * MIB)
    assert cgroup.cpus() is None


@pytest.mark.parametrize("text", ["", "max", "many", "1 2 3", "\u00e9"])
def test_files_that_say_something_else_limit_nothing(write: Callable[[str, object], None], text: str) -> None:
    for name in ("membership", "memory.max", "memory.current", "memory.stat", "cpu.max"):
        write(name, text)
    assert cgroup.memory() is None
    assert cgroup.cpus() is None


def test_a_path_that_leads_out_of_the_filesystem_is_not_followed(write: Callable[[str, object], None]) -> None:
    write("membership", "0::/../../somewhere")
    write("memory.max", 10 * MIB)
    write("memory.current", 1 * MIB)
    assert cgroup.memory() == Memory(10 * MIB, MIB)
