"""SIGINT: what it does depends only on what the main thread is doing when it comes."""

from __future__ import annotations

import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import kernelet.runtime.interrupt
from kernelet.runtime.frames import interruptible
from kernelet.runtime.interrupt import Interrupts

DEADLINE_S = 30


@pytest.fixture
def interrupts() -> Iterator[Interrupts]:
    before = signal.getsignal(signal.SIGINT)
    interrupts = Interrupts()
    interrupts.install()
    yield interrupts
    signal.signal(signal.SIGINT, before)


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


def in_module(name: str, source: str = "def call(function): function()") -> Callable[..., Any]:
    """Return the function `call` of a module of another name."""
    module: dict[str, Any] = {"__name__": name}
    exec(source, module)
    function: Callable[..., Any] = module["call"]
    return function


def raised_in_user_code(interrupts: Interrupts, function: Callable[..., Any], *args: Any) -> bool:
    try:
        interrupts.run_user_code(function, *args)
    except KeyboardInterrupt:
        return True
    return False


def test_a_stray_interrupt_is_ignored(interrupts: Interrupts) -> None:
    interrupt()
    assert not raised_in_user_code(interrupts, lambda: None)


def test_an_interrupt_raises_in_user_code(interrupts: Interrupts) -> None:
    with pytest.raises(KeyboardInterrupt):
        interrupts.run_user_code(interrupt)
    interrupt()  # and user code is over


def test_an_interrupt_from_another_thread_raises_in_user_code_that_waits(interrupts: Interrupts) -> None:
    def wait() -> None:
        thread = threading.Thread(target=lambda: signal.pthread_kill(main, signal.SIGINT))
        thread.start()
        threading.Event().wait(DEADLINE_S)

    main = threading.get_ident()
    assert raised_in_user_code(interrupts, wait)


def test_user_code_returns_its_value_and_raises_its_error(interrupts: Interrupts) -> None:
    assert interrupts.run_user_code(int, "11", base=2) == 3
    with pytest.raises(ZeroDivisionError):
        interrupts.run_user_code(divmod, 1, 0)


def test_user_code_inside_user_code_leaves_the_outer_one_interruptible(interrupts: Interrupts) -> None:
    def outer() -> None:
        interrupts.run_user_code(lambda: None)
        interrupt()

    assert raised_in_user_code(interrupts, outer)


def test_an_interrupt_before_the_user_code_of_a_request_waits_for_it(interrupts: Interrupts) -> None:
    ran: list[bool] = []
    interrupts.begin_request()
    interrupt()
    assert raised_in_user_code(interrupts, ran.append, True)
    assert ran == []
    assert not raised_in_user_code(interrupts, ran.append, True)  # once
    interrupts.end_request()


def test_an_interrupt_that_came_too_late_is_forgotten(interrupts: Interrupts) -> None:
    interrupts.begin_request()
    interrupt()
    interrupts.end_request()
    interrupts.begin_request()
    assert not raised_in_user_code(interrupts, lambda: None)
    interrupts.end_request()


def test_a_cell_whose_loop_sleeps_is_cancelled(interrupts: Interrupts) -> None:
    cancelled: list[bool] = []
    interrupts.cancel = lambda: cancelled.append(True)
    for module in ("asyncio.base_events", "selectors", "kernelet.runtime.parking", "uvloop"):
        in_module(module, "import signal\ndef call(): signal.raise_signal(signal.SIGINT)")()
    assert len(cancelled) == 4


def test_a_cell_whose_code_runs_is_not_cancelled_but_raised_in(interrupts: Interrupts) -> None:
    interrupts.cancel = lambda: pytest.fail("cancelled")
    with pytest.raises(KeyboardInterrupt):
        in_module("asyncio.base_events")(interrupt)


def test_a_background_task_that_runs_while_the_kernel_is_idle_is_interrupted(interrupts: Interrupts) -> None:
    interrupts.idle = True
    with pytest.raises(KeyboardInterrupt):
        in_module("asyncio.events")(interrupt)


def test_an_idle_kernel_whose_loop_sleeps_is_not_interrupted(interrupts: Interrupts) -> None:
    interrupts.idle = True
    in_module("selectors", "import signal\ndef call(): signal.raise_signal(signal.SIGINT)")()


@pytest.mark.parametrize(
    "module",
    ["kernelet.protocol.outbox", "kernelet.runtime.wire", "kernelet.runtime.capture", "kernelet.runtime.outlet"],
)
def test_locked_code_of_ours_is_finished_before_the_interrupt_arrives(interrupts: Interrupts, module: str) -> None:
    done: list[str] = []
    source = "import signal\ndef call(append):\n signal.raise_signal(signal.SIGINT)\n append('whole')"

    def cell() -> None:
        in_module(module, source)(done.append)
        threading.Event().wait(DEADLINE_S)
        done.append("not interrupted")

    assert raised_in_user_code(interrupts, cell)
    assert done == ["whole"]


def test_a_press_while_the_last_words_on_a_cell_are_sent_does_not_wait_for_the_next_cell(
    interrupts: Interrupts,
) -> None:
    send = in_module("kernelet.runtime.sending", "import signal\ndef call(): signal.raise_signal(signal.SIGINT)")
    in_module("kernelet.runtime.outlet", "def conclude(send): send()\ncall = conclude")(send)
    assert not interrupts.presses.waiting
    time.sleep(0.02)  # long enough for a second look, were there one
    assert interrupts.run_user_code(divmod, 7, 2) == (3, 1)


def test_a_press_while_the_first_words_on_a_cell_are_sent_is_for_the_cell(interrupts: Interrupts) -> None:
    send = in_module("kernelet.runtime.sending", "import signal\ndef call(): signal.raise_signal(signal.SIGINT)")
    in_module("kernelet.runtime.outlet", "def publish(send): send()\ncall = publish")(send)
    interrupts.begin_request()
    assert raised_in_user_code(interrupts, lambda: threading.Event().wait(DEADLINE_S))


def test_what_fork_calls_around_itself_is_finished_before_the_interrupt_arrives(interrupts: Interrupts) -> None:
    done: list[str] = []

    def _after_at_fork_child_reinit_locks() -> None:  # as logging names it
        signal.raise_signal(signal.SIGINT)
        done.append("whole")

    def cell() -> None:
        _after_at_fork_child_reinit_locks()
        threading.Event().wait(DEADLINE_S)
        done.append("not interrupted")

    assert raised_in_user_code(interrupts, cell)
    assert done == ["whole"]


def test_a_shielded_function_that_waits_can_be_interrupted(interrupts: Interrupts) -> None:
    source = "import signal\ndef call(): signal.raise_signal(signal.SIGINT)"
    waiting = interruptible(in_module("kernelet.runtime.wire", source))
    assert raised_in_user_code(interrupts, waiting)


def test_the_handler_is_taken_back_after_user_code_took_it(interrupts: Interrupts) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    interrupts.install()
    assert raised_in_user_code(interrupts, interrupt)


def test_installing_outside_the_main_thread_does_nothing(
    interrupts: Interrupts, in_thread: Callable[[Callable[[], None]], None]
) -> None:
    in_thread(Interrupts().install)
    assert raised_in_user_code(interrupts, interrupt)


# -- threads that no signal reaches ------------------------------------------------------------------------------------


def test_an_interrupt_is_passed_on_to_a_cell_of_another_thread(interrupts: Interrupts) -> None:
    other, started, ended = Interrupts(), threading.Event(), threading.Event()

    def busy() -> None:
        started.set()
        while True:
            ended.wait(0.001)

    def lane() -> None:
        if raised_in_user_code(other, busy):
            ended.set()

    interrupts.others.append(other)
    thread = threading.Thread(target=lane, daemon=True)
    thread.start()
    assert started.wait(DEADLINE_S)
    interrupt()
    assert ended.wait(DEADLINE_S)
    thread.join(DEADLINE_S)
    assert not thread.is_alive()


def test_an_interrupt_is_passed_on_to_a_cell_of_another_thread_that_awaits(interrupts: Interrupts) -> None:
    other, cancelled = Interrupts(), []
    other.cancel = lambda: cancelled.append(True)
    interrupts.others.append(other)
    interrupt()
    assert cancelled == [True]


def test_an_interrupt_leaves_a_cell_that_began_after_it_was_asked_for(interrupts: Interrupts) -> None:
    before, after, cancelled = Interrupts(), Interrupts(), []
    before.cancel = lambda: cancelled.append("before")
    after.cancel = lambda: cancelled.append("after")
    interrupts.others += [before, after]
    before.begin_request()
    interrupts.presses.asked()  # the request is answered, and its client sends a cell, before main takes the signal
    after.begin_request()
    interrupt()
    assert cancelled == ["before"]
    interrupt()
    assert cancelled == ["before", "before", "after"]


def test_a_signal_that_is_noted_late_does_not_hit_what_began_after_both(interrupts: Interrupts) -> None:
    after, cancelled = Interrupts(), []
    after.cancel = lambda: cancelled.append(True)
    interrupts.others.append(after)
    interrupts.presses.asked()
    interrupts.presses._arrived += 1  # of another process, sent before: main was not scheduled yet
    after.begin_request()
    interrupt()
    assert not cancelled


def test_an_interrupt_that_was_asked_for_and_never_came_spares_nobody_later(interrupts: Interrupts) -> None:
    other, cancelled = Interrupts(), []
    other.cancel = lambda: cancelled.append(True)
    interrupts.others.append(other)
    interrupts.presses.asked()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # user code's wish: the signal is lost
    interrupt()
    interrupts.install()
    other.begin_request()
    interrupt()
    assert cancelled == [True]


class Lane:
    """The thread of a subshell, which does one thing after the other, as the test says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.interrupts = Interrupts()
        # What is to be done a moment later, which the test does in its own time.
        self.later: list[Callable[[], object]] = []
        monkeypatch.setattr(
            kernelet.runtime.interrupt, "start_new_thread", lambda call, args: self.later.append(lambda: call(*args))
        )
        self._jobs: queue.Queue[Callable[[], object] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        self.do(lambda: self.interrupts.run_user_code(int))

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()

    def do(self, job: Callable[[], object]) -> None:
        """Do something, to its end."""
        done = threading.Event()
        self._jobs.put(lambda: (job(), done.set()))
        assert done.wait(DEADLINE_S)

    def interrupt_in(self, function: str, module: str = "kernelet.runtime.outlet") -> None:
        """Interrupt it while it sends, in a function of ours with that name."""
        there, leave = threading.Event(), threading.Event()
        ours = in_module(module, f"def {function}(there, leave): there(), leave()\ncall = {function}")
        self._jobs.put(lambda: ours(there.set, leave.wait))
        assert there.wait(DEADLINE_S)
        self.interrupts.interrupt_from_outside()
        leave.set()
        self.do(int)

    def cell(self, meanwhile: Callable[[], object]) -> bool:
        """Run a cell that ends after `meanwhile`, which this thread calls; whether it was interrupted."""
        began, over, raised = threading.Event(), threading.Event(), []

        def busy() -> None:
            began.set()
            while not over.is_set():
                pass

        def run() -> None:
            self.interrupts.begin_request()
            raised.append(raised_in_user_code(self.interrupts, busy))
            self.interrupts.end_request()

        self._jobs.put(run)
        assert began.wait(DEADLINE_S)
        meanwhile()
        over.set()
        self.do(int)
        return raised == [True]

    def look_again(self) -> None:
        for call in self.later:
            call()
        self.later.clear()

    def close(self) -> None:
        self._jobs.put(None)
        self._thread.join(DEADLINE_S)
        assert not self._thread.is_alive()


@pytest.fixture
def lane(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lane]:
    lane = Lane(monkeypatch)
    yield lane
    lane.close()


def test_an_interrupt_of_a_subshell_that_says_its_last_words_does_not_wait_for_its_next_cell(lane: Lane) -> None:
    lane.interrupt_in("conclude")
    assert not lane.cell(lane.look_again)


def test_an_interrupt_of_a_subshell_that_says_its_first_words_is_for_that_cell(lane: Lane) -> None:
    lane.interrupt_in("publish")
    assert lane.cell(lane.look_again)


def test_an_interrupt_of_a_subshell_that_says_its_first_words_is_not_for_the_cell_behind_that(lane: Lane) -> None:
    lane.interrupt_in("publish")
    assert not lane.cell(int)
    assert not lane.cell(lane.look_again)


def test_an_interrupt_that_waits_for_locked_code_is_raised_once(lane: Lane) -> None:
    """By the thread itself as it leaves that code, or by who looks again: not by both."""
    raised = []

    def cell() -> None:
        for _ in range(2):
            try:
                lane.interrupts.take_due()
            except KeyboardInterrupt:
                raised.append("here")

    lane.interrupts.due = True
    lane.do(lambda: lane.interrupts.run_user_code(cell))
    assert raised == ["here"]
    assert not lane.interrupts.due


def test_another_thread_that_runs_no_cell_is_left_alone(interrupts: Interrupts) -> None:
    interrupts.others.append(Interrupts())
    interrupt()
