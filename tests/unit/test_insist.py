"""A SIGINT that waits for its answer is brought to main again, and one that was answered is not."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from typing import cast

import pytest

from kernelet.runtime.insist import Insistence
from kernelet.runtime.interrupt import Interrupts
from kernelet.runtime.wire import Wire

DEADLINE_S = 30


class LookedAt:
    """Stands for the wire, which looks when its thread comes to it: here, when the test says so."""

    def __init__(self) -> None:
        self.readable: Callable[[], None] | None = None
        self.later: list[Callable[[], None]] = []

    def watch(self, fd: int, call: Callable[[], None]) -> None:
        self.readable = call

    def unwatch(self, fd: int) -> None:
        self.readable = None

    def call_later(self, delay_s: float, call: Callable[[], None]) -> None:
        self.later.append(call)

    def look(self) -> None:
        """Do what the wire's thread would do when the socket is readable, and a moment later."""
        if self.readable is not None:
            self.readable()
        waiting, self.later = self.later, []
        for call in waiting:
            call()


@pytest.fixture
def interrupts() -> Iterator[Interrupts]:
    before = signal.getsignal(signal.SIGINT)
    interrupts = Interrupts()
    interrupts.install()
    yield interrupts
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def wire(interrupts: Interrupts) -> Iterator[LookedAt]:
    wire = LookedAt()
    insistence = Insistence(cast(Wire, wire), interrupts)
    yield wire
    insistence.close()
    signal.signal(signal.SIGURG, signal.SIG_DFL)


def test_a_nudge_without_an_interrupt_does_nothing(interrupts: Interrupts, wire: LookedAt) -> None:
    interrupts.run_user_code(signal.raise_signal, signal.SIGURG)


def test_an_answered_interrupt_is_not_raised_a_second_time(interrupts: Interrupts, wire: LookedAt) -> None:
    def cell() -> None:
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            wire.look()
            wire.look()
            signal.raise_signal(signal.SIGURG)  # decided by the wire just before the interrupt was answered

    interrupts.run_user_code(cell)


def test_an_interrupt_that_nothing_was_done_about_is_raised_when_the_wire_looks(
    interrupts: Interrupts, wire: LookedAt
) -> None:
    interrupts.forking = True
    signal.raise_signal(signal.SIGINT)  # held back: no KeyboardInterrupt in os.fork's hooks
    interrupts.forking = False

    def cell() -> None:
        end = time.monotonic() + DEADLINE_S
        while time.monotonic() < end:
            wire.look()

    with pytest.raises(KeyboardInterrupt):
        interrupts.run_user_code(cell)


def test_a_users_sigurg_handler_is_left_alone(interrupts: Interrupts, wire: LookedAt) -> None:
    heard: list[int] = []
    signal.signal(signal.SIGURG, lambda number, frame: heard.append(number))
    interrupts.forking = True
    signal.raise_signal(signal.SIGINT)
    interrupts.forking = False
    with pytest.raises(KeyboardInterrupt):
        interrupts.run_user_code(lambda: (wire.look(), wire.look(), time.sleep(0)))
    assert heard == []
