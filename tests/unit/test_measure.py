"""What a cell took."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from kernelet.kernel import measure
from kernelet.kernel.measure import Measure
from needs import OTHER_MACHINE

MIB = 1 << 20


def clock() -> str:
    return "now"


def burn(cpu_s: float) -> None:
    end = time.process_time() + cpu_s
    while time.process_time() < end:
        pass


def test_times_of_the_beginning_and_the_end() -> None:
    ticks = iter(["first", "second"])
    told = Measure(lambda: next(ticks)).metadata()
    assert (told["started"], told["completed"]) == ("first", "second")


def test_wall_and_cpu_seconds() -> None:
    one = Measure(clock)
    burn(0.1)
    taken = one.taken()
    assert taken["wall_s"] >= 0.09
    assert taken["cpu_user_s"] + taken["cpu_system_s"] >= 0.09
    assert taken["children_cpu_s"] == 0


def test_the_cpu_of_children_that_have_ended() -> None:
    one = Measure(clock)
    subprocess.run([sys.executable, "-c", "import time\nwhile time.process_time() < 0.1: pass"], check=True)
    taken = one.taken()
    assert taken["children_cpu_s"] >= 0.09


def test_a_new_peak_of_memory_is_told_with_its_growth() -> None:
    one = Measure(clock)
    before = one.taken()["peak_memory_bytes"]
    held = bytearray(before + 64 * MIB)
    taken = one.taken()
    assert taken["peak_memory_bytes"] >= len(held)
    assert taken["peak_memory_growth_bytes"] >= 32 * MIB


def test_the_peak_may_begin_anew() -> None:
    if sys.platform != "linux":
        pytest.skip(f"{OTHER_MACHINE}it has /proc/self/clear_refs")
    held = bytearray(128 * MIB)
    high = Measure(clock).taken()["peak_memory_bytes"]
    del held
    assert Measure(clock).taken()["peak_memory_bytes"] == high
    assert Measure(clock, own_peak=True).taken()["peak_memory_bytes"] < high - 64 * MIB


def test_where_the_system_counts_nothing_the_time_remains(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "getrusage", None)
    assert set(Measure(clock).taken()) == {"wall_s"}
