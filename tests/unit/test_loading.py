"""Loading IPython behind a crowd."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from kernelet.kernel import loading
from kernelet.kernel.loading import Loading, is_crowded

DEADLINE_S = 30


@pytest.mark.parametrize(("runnable", "crowded"), [(1, False), (3, False), (4, True), (400, True)])
def test_a_crowd_is_more_than_three_threads_for_each_cpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runnable: int, crowded: bool
) -> None:
    told = tmp_path / "loadavg"
    told.write_text(f"9.99 0.50 0.25 {runnable}/1234 5678\n")
    monkeypatch.setattr(loading, "_LOADAVG", str(told))
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    assert is_crowded() is crowded


@pytest.mark.parametrize("text", ["", "1 2 3", "1 2 3 x/y 4"])
def test_a_system_that_tells_something_else_has_no_crowds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    told = tmp_path / "loadavg"
    monkeypatch.setattr(loading, "_LOADAVG", str(told))
    assert not is_crowded()  # no such file
    told.write_text(text)
    assert not is_crowded()


def test_without_a_crowd_nothing_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "is_crowded", lambda: False)
    Loading().wait()


def test_behind_a_crowd_a_request_that_waits_ends_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = threading.Event()

    def is_crowded() -> bool:
        asked.set()
        return True

    monkeypatch.setattr(loading, "is_crowded", is_crowded)
    monkeypatch.setattr(loading, "_AT_LAST_S", float("inf"))
    one = Loading()
    thread = threading.Thread(target=one.wait, daemon=True)
    thread.start()
    assert asked.wait(DEADLINE_S)
    assert thread.is_alive()
    one.hurry()
    thread.join(DEADLINE_S)
    assert not thread.is_alive()


def test_a_crowd_that_never_goes_is_not_waited_for_longer_than_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[None] = []
    now = [0.0]

    def is_crowded() -> bool:
        looks.append(None)
        now[0] += 0.3
        return True

    monkeypatch.setattr(loading, "is_crowded", is_crowded)
    monkeypatch.setattr(loading, "monotonic", lambda: now[0])
    Loading().wait()
    assert len(looks) == 4
