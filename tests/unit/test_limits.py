"""Resource limits: their values. What they do to a process is in tests/service/test_limits.py."""

from __future__ import annotations

import pytest

from kernelet.launch.limits import LimitError, Limits


def test_limits_survive_the_way_through_json() -> None:
    limits = Limits(memory_mb=4096, cpu_seconds=10, nproc=256, fsize_mb=1024, nofile=1024, threads=2)
    assert Limits.from_config(limits.as_config()) == limits
    assert Limits.from_config({}) == Limits()


@pytest.mark.parametrize("value", [-1, 1.5, "many", True, None])
def test_a_limit_that_is_no_whole_number_is_refused(value: object) -> None:
    with pytest.raises(LimitError, match="nofile"):
        Limits.from_config({"nofile": value})


def test_an_unknown_limit_is_named_with_those_that_there_are() -> None:
    with pytest.raises(LimitError, match=r"Unknown limit memory; there are memory_mb, cpu_seconds"):
        Limits.from_config({"memory": 1})


def test_threads_become_the_variables_of_numeric_libraries() -> None:
    assert Limits(threads=3).environment()["OMP_NUM_THREADS"] == "3"
    assert Limits().environment() == {}
