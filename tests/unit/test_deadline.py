"""A time limit: interrupts when it runs out, again while that does nothing, and never after the end."""

from __future__ import annotations

import threading

import pytest

from kernelet.runtime import deadline
from kernelet.runtime.deadline import Deadline, interrupter
from kernelet.runtime.interrupt import Interrupts

WAIT_S = 30.0


def test_a_limit_that_runs_out_interrupts_and_says_so() -> None:
    limit, interrupted = Deadline(0.001), threading.Event()
    limit.start(interrupted.set)
    assert interrupted.wait(WAIT_S)
    assert limit.expired
    limit.stop()
    assert str(limit.error()) == "the cell did not end within its timeout of 0.001 s"


def test_a_cell_that_ends_in_time_is_not_interrupted() -> None:
    limit, calls = Deadline(1000.0), list[None]()
    limit.start(lambda: calls.append(None))
    limit.stop()
    assert not limit.expired
    assert calls == []


def test_a_cell_that_goes_on_is_interrupted_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadline, "AGAIN_S", 0.001)
    limit, times, thrice = Deadline(0.001), list[None](), threading.Event()

    def interrupt() -> None:
        times.append(None)
        if len(times) == 3:
            thrice.set()

    limit.start(interrupt)
    assert thrice.wait(WAIT_S)
    limit.stop()


def test_stop_waits_for_an_interrupt_that_is_under_way() -> None:
    """Else it would meet the next cell."""
    limit, begun, go_on = Deadline(0.001), threading.Event(), threading.Event()
    done = list[str]()

    def interrupt() -> None:
        begun.set()
        assert go_on.wait(WAIT_S)
        done.append("interrupted")

    def stop() -> None:
        limit.stop()
        done.append("stopped")

    limit.start(interrupt)
    assert begun.wait(WAIT_S)
    stopping = threading.Thread(target=stop)
    stopping.start()
    go_on.set()
    stopping.join(WAIT_S)
    assert done == ["interrupted", "stopped"]


def test_a_limit_of_a_thousand_years_can_be_waited_for() -> None:
    limit = Deadline(3e10)
    limit.start(lambda: None)
    limit.stop()


def test_a_thread_is_interrupted_without_a_signal() -> None:
    interrupts, found = Interrupts(), list[object]()
    thread = threading.Thread(target=lambda: found.append(interrupter(interrupts)))
    thread.start()
    thread.join(WAIT_S)
    assert found == [interrupts.interrupt_from_outside]
