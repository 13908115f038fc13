"""Insisting on an interrupt: it is sent again until something is done about it, and never once more than that."""

from __future__ import annotations

import select
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest

from kernelet.runtime.insist import Insistence
from kernelet.runtime.interrupt import Interrupts
from kernelet.runtime.presses import SAME_WISH_S, Presses
from kernelet.runtime.swallowed import repeat_swallowed
from kernelet.runtime.wire import Wire


class FakeWire:
    """A wire whose time the test lets pass."""

    def __init__(self) -> None:
        self.watched: dict[int, Callable[[], None]] = {}
        self.timers: list[tuple[float, Callable[[], None]]] = []

    def watch(self, fd: int, ready: Callable[[], None]) -> None:
        self.watched[fd] = ready

    def unwatch(self, fd: int) -> None:
        self.watched.pop(fd, None)

    def call_later(self, delay_s: float, call: Callable[[], None]) -> None:
        self.timers.append((delay_s, call))

    def turn(self) -> float | None:
        """Let the wire see what is readable, or its next timer come; return how long that one waited."""
        for fd in select.select(list(self.watched), [], [], 0)[0]:
            self.watched[fd]()
        if self.timers:
            delay_s, call = self.timers.pop(0)
            in_a_thread(call)
            return delay_s
        return None


def in_a_thread(call: Callable[[], None]) -> None:
    thread = threading.Thread(target=call)
    thread.start()
    thread.join()


class Rig:
    """Interrupts with an insistence on a fake wire; `presses` are what the kernel was told to do."""

    def __init__(self) -> None:
        self.wire = FakeWire()
        self.interrupts = Interrupts()
        self.interrupts.install()
        self.insistence = Insistence(cast("Wire", self.wire), self.interrupts)
        self.presses: list[int] = []
        self.interrupts.escalate = lambda press, running: self.presses.append(press)

    def run(self, function: Callable[[], None]) -> int:
        """Run `function` as user code that goes on after an interrupt; return how many it got."""
        count = 0
        self.interrupts.begin_request()
        while True:
            try:
                self.interrupts.run_user_code(function)
            except KeyboardInterrupt:
                count += 1
            else:
                self.interrupts.end_request()
                return count


@pytest.fixture
def rig() -> Iterator[Rig]:
    before = signal.getsignal(signal.SIGINT)
    hook = sys.unraisablehook
    rig = Rig()
    yield rig
    rig.insistence.close()
    signal.signal(signal.SIGINT, before)
    sys.unraisablehook = hook


def once(function: Callable[[], None]) -> Callable[[], None]:
    """Call `function` the first time only."""
    calls = [function]
    return lambda: calls.pop()() if calls else None


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


def shielded(function: Callable[[], None]) -> Callable[[], None]:
    module: dict[str, Any] = {"__name__": "kernelet.runtime.outlet", "function": function}
    exec("def call():\n    function()", module)
    call: Callable[[], None] = module["call"]
    return call


def test_an_interrupt_that_is_acted_on_is_not_sent_again(rig: Rig) -> None:
    assert rig.run(once(interrupt)) == 1
    while rig.wire.turn() is not None:
        pass
    assert rig.run(lambda: None) == 0


def test_an_interrupt_in_shielded_code_is_sent_again(rig: Rig) -> None:
    def cell() -> None:
        shielded(interrupt)()
        rig.wire.turn()

    assert rig.run(once(cell)) == 1
    assert rig.presses == [1]


def test_a_press_that_main_notes_while_the_wire_looks_spares_nobody_later(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wire has seen it, main acts on it, and only then does the wire keep when it was made: for no other press."""
    other, cancelled = Interrupts(), []
    other.cancel = lambda: cancelled.append(True)
    rig.interrupts.others.append(other)
    unread = rig.insistence._unread

    def look() -> int:
        seen = unread()
        monkeypatch.setattr(rig.insistence, "_unread", unread)
        rig.interrupts.handler(signal.SIGINT, None)
        return seen

    monkeypatch.setattr(rig.insistence, "_unread", look)
    rig.insistence._writer.send(bytes([signal.SIGINT]))  # as C's handler does, before Python's
    rig.wire.turn()
    assert cancelled == [True]
    other.begin_request()
    interrupt()
    assert cancelled == [True, True]


def test_it_is_sent_again_later_and_later(rig: Rig) -> None:
    waits: list[float] = []

    def cell() -> None:
        rig.interrupts.forking = True  # nothing may be raised
        interrupt()
        waits.extend(rig.wire.turn() or 0 for _ in range(8))
        rig.interrupts.forking = False

    rig.run(once(cell))
    assert waits[0] == 0.005
    assert waits == sorted(waits)
    assert waits[-1] == 0.1


def test_main_is_made_to_look_after_a_signal_of_the_users(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python may have looked for signals just before it came, and have blocked since."""
    sent: list[int] = []
    monkeypatch.setattr(signal, "pthread_kill", lambda thread, number: sent.append(number))
    before = signal.signal(signal.SIGUSR2, lambda *_: None)
    signal.raise_signal(signal.SIGUSR2)
    signal.signal(signal.SIGUSR2, before)
    while rig.wire.turn() is not None:
        pass
    assert sent == [signal.SIGURG]
    signal.raise_signal(signal.SIGURG)
    while rig.wire.turn() is not None:
        pass
    assert sent == [signal.SIGURG]


def test_a_press_that_was_sent_again_just_as_it_was_acted_on_interrupts_once(rig: Rig) -> None:
    """The wire has decided to signal again; before it does, the cell is interrupted."""
    steps = [rig.insistence.resend, interrupt]
    assert rig.run(lambda: steps.pop()() if steps else None) == 1
    assert rig.presses == [1]


def test_what_was_sent_again_too_late_does_not_hit_the_next_cell(rig: Rig) -> None:
    assert rig.run(once(interrupt)) == 1
    assert rig.run(rig.insistence.resend) == 0
    assert rig.run(once(interrupt)) == 1


def test_a_signal_that_another_thread_takes_is_counted_though_it_is_written_late(rig: Rig) -> None:
    """The system may give it to any thread: C's handler trips main, and main looks before that handler has written."""
    number = rig.insistence._writer

    def cell() -> None:
        number.send(bytes([signal.SIGINT]))
        rig.wire.turn()

    assert rig.run(once(cell)) == 1


def test_presses_are_told_apart_from_what_is_sent_again(rig: Rig) -> None:
    def press_thrice() -> None:
        for _ in range(3):
            shielded(interrupt)()
            rig.wire.turn()

    assert rig.run(once(press_thrice)) == 1
    assert rig.presses == [1]
    rig.presses.clear()
    pressing = [interrupt, interrupt, interrupt]
    assert rig.run(lambda: pressing.pop()() if pressing else None) == 3
    assert rig.presses == [1, 2, 3]


def test_presses_for_the_last_cell_do_not_count_for_this_one(rig: Rig) -> None:
    rig.run(once(interrupt))
    rig.run(once(interrupt))
    assert rig.presses == [1, 1]


def test_an_interrupt_that_comes_too_late_is_forgotten(rig: Rig) -> None:
    def ends_shielded() -> None:
        interrupt()

    assert rig.run(shielded(ends_shielded)) == 0
    rig.wire.turn()
    assert rig.run(lambda: [rig.wire.turn() for _ in range(3)] and None) == 0


def test_the_wire_passes_an_interrupt_on_while_main_does_not_come_to_it(rig: Rig) -> None:
    passed = rig.presses

    def inside() -> None:
        interrupt()
        rig.wire.turn()
        assert passed == [1]

    rig.run(once(shielded(inside)))
    assert passed == [1]


def test_a_handler_of_the_users_gets_each_signal_once(rig: Rig) -> None:
    mine: list[int] = []

    def cell() -> None:
        signal.signal(signal.SIGINT, lambda number, frame: mine.append(number))
        interrupt()
        rig.wire.turn()
        interrupt()

    assert rig.run(cell) == 0
    rig.interrupts.install()
    rig.wire.turn()
    assert rig.run(lambda: rig.wire.turn() and None) == 0
    assert len(mine) == 2


def test_without_the_wakeup_descriptor_interrupts_arrive_all_the_same(rig: Rig) -> None:
    """asyncio takes it for a loop with signal handlers."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)

    def cell() -> None:
        signal.set_wakeup_fd(theirs.fileno())
        interrupt()

    def shielded_cell() -> None:
        interrupt()

    assert rig.run(once(cell)) == 1
    waiting = threading.Event()

    def wait() -> None:
        shielded(shielded_cell)()
        waiting.wait(30)

    assert rig.run(once(wait)) == 1
    assert not waiting.is_set()
    signal.set_wakeup_fd(-1)
    assert rig.run(once(interrupt)) == 1
    assert rig.insistence.hold()
    ours.close()
    theirs.close()


class Careless:
    """An object whose finalizer is interrupted."""

    def __del__(self) -> None:
        interrupt()


def test_an_interrupt_that_hits_a_finalizer_is_not_lost(rig: Rig) -> None:
    repeat_swallowed(rig.interrupts)
    waiting = threading.Lock()

    def cell() -> None:
        Careless()
        with waiting:
            waiting.acquire(timeout=30)

    assert rig.run(once(cell)) == 1
    assert rig.presses == [1]


def test_other_errors_in_finalizers_go_where_they_went(rig: Rig) -> None:
    seen: list[Any] = []
    sys.unraisablehook = seen.append
    repeat_swallowed(rig.interrupts)

    class Broken:
        def __del__(self) -> None:
            raise ValueError("broken")

    Broken()
    assert [str(one.exc_value) for one in seen] == ["broken"]


def test_presses_far_apart_do_not_add_up() -> None:
    presses = Presses()
    assert presses.arrived()
    presses.acted()
    presses._last -= SAME_WISH_S + 1
    assert presses.arrived()
    assert presses.pressed - presses.before == 1


def test_a_nudge_without_an_interrupt_does_nothing(rig: Rig) -> None:
    assert rig.run(once(lambda: signal.raise_signal(signal.SIGURG))) == 0


def test_an_interrupt_that_was_held_back_before_the_cell_is_raised_in_it(rig: Rig) -> None:
    rig.interrupts.begin_request()
    rig.interrupts.forking = True
    interrupt()  # held back: no KeyboardInterrupt in os.fork's hooks
    rig.interrupts.forking = False
    with pytest.raises(KeyboardInterrupt):
        rig.interrupts.run_user_code(lambda: (rig.wire.turn(), rig.wire.turn()))


def test_a_users_sigurg_handler_is_left_alone(rig: Rig) -> None:
    heard: list[int] = []
    signal.signal(signal.SIGURG, lambda number, frame: heard.append(number))

    def cell() -> None:
        shielded(interrupt)()
        rig.wire.turn()

    assert rig.run(once(cell)) == 1
    assert rig.presses == [1]
    assert heard == []


def test_a_signal_for_this_cell_alone_is_no_press(rig: Rig) -> None:
    """A time limit ran out."""

    def limit() -> None:
        rig.interrupts.alone = True
        interrupt()

    steps = [interrupt, limit]
    assert rig.run(lambda: steps.pop()() if steps else None) == 2
    assert rig.presses == [1]
