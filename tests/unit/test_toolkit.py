"""The toolkit that runs where an asyncio loop would sleep, tried with toolkits of a few lines."""

from __future__ import annotations

import asyncio
import select
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kernelet.runtime.interrupt import Interrupts
from kernelet.runtime.toolkit import Toolkit, Waiting

Install = Callable[..., Toolkit]


@pytest.fixture
def install(loop: asyncio.AbstractEventLoop) -> Iterator[Install]:
    """Install a toolkit that runs a function; `failures` of it hears of errors."""
    made: list[Toolkit] = []

    def install(run: Callable[[Waiting], None], into: Any = None, interrupts: Interrupts | None = None) -> Toolkit:
        failures: list[BaseException] = []
        toolkit = Toolkit(run, interrupts or Interrupts(), failures.append)
        toolkit.failures = failures  # type: ignore[attr-defined]
        toolkit.install(into or loop)
        made.append(toolkit)
        return toolkit

    yield install
    for toolkit in made:
        toolkit.remove()


def block(waiting: Waiting) -> None:
    """A toolkit that waits for as long as it may."""
    select.select([waiting.fileno()], [], [], 60)


def test_toolkit_that_waits_keeps_no_timer_from_ringing(loop: asyncio.AbstractEventLoop, install: Install) -> None:
    install(block)
    loop.run_until_complete(asyncio.wait_for(asyncio.sleep(0.01), 30))


def test_toolkit_that_waits_gives_way_to_other_threads(loop: asyncio.AbstractEventLoop, install: Install) -> None:
    inside = threading.Event()

    def run(waiting: Waiting) -> None:
        inside.set()
        block(waiting)

    install(run)

    def stop() -> None:
        assert inside.wait(30)
        loop.call_soon_threadsafe(loop.stop)

    thread = threading.Thread(target=stop)
    thread.start()
    loop.run_forever()
    thread.join()


def test_toolkit_gets_turns_beside_a_loop_that_never_sleeps(loop: asyncio.AbstractEventLoop, install: Install) -> None:
    turns: list[bool] = []

    def run(waiting: Waiting) -> None:
        while not waiting.input_is_ready():
            turns.append(True)

    install(run)

    async def spin() -> None:
        while len(turns) < 3:  # noqa: ASYNC110  # a loop that never sleeps is what is tested
            await asyncio.sleep(0)

    loop.run_until_complete(asyncio.wait_for(spin(), 30))


def test_toolkit_that_comes_back_at_once_does_not_spin(loop: asyncio.AbstractEventLoop, install: Install) -> None:
    turns: list[float] = []
    install(lambda waiting: turns.append(time.monotonic()))
    loop.run_until_complete(asyncio.sleep(0.1))
    assert 1 <= len(turns) <= 15


def test_callback_of_a_toolkit_may_start_tasks(loop: asyncio.AbstractEventLoop, install: Install) -> None:
    started: list[asyncio.Task[str]] = []

    async def task() -> str:
        await asyncio.sleep(0)
        loop.stop()
        return "done"

    def run(waiting: Waiting) -> None:
        if not started:
            started.append(asyncio.get_running_loop().create_task(task()))
        block(waiting)

    install(run)
    loop.run_forever()
    assert started[0].result() == "done"


def test_callback_of_a_toolkit_may_set_a_timer(loop: asyncio.AbstractEventLoop, install: Install) -> None:
    asked: list[asyncio.TimerHandle] = []

    def run(waiting: Waiting) -> None:
        if not asked:
            asked.append(loop.call_later(0.001, loop.stop))
        block(waiting)

    install(run)
    loop.run_forever()
    assert asked


def test_toolkit_that_fails_is_told_of_and_the_loop_goes_on(loop: asyncio.AbstractEventLoop, install: Install) -> None:
    toolkit = install(lambda waiting: 1 // 0)
    loop.run_until_complete(asyncio.sleep(0.001))
    assert isinstance(toolkit.failures[0], ZeroDivisionError)  # type: ignore[attr-defined]


def test_removed_toolkit_runs_no_more(loop: asyncio.AbstractEventLoop, install: Install) -> None:
    turns: list[bool] = []
    toolkit = install(lambda waiting: turns.append(True))
    toolkit.remove()
    loop.run_until_complete(asyncio.sleep(0.001))
    assert turns == []


def test_toolkit_may_remove_itself_in_a_callback(loop: asyncio.AbstractEventLoop, install: Install) -> None:
    turns: list[bool] = []

    def run(waiting: Waiting) -> None:
        turns.append(True)
        toolkit.remove()

    toolkit = install(run)
    loop.run_until_complete(asyncio.sleep(0.001))
    assert turns == [True]


class Hidden:
    """A loop that does not show its selector, as uvloop and that of Windows."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.call_later = loop.call_later
        self.call_soon_threadsafe = loop.call_soon_threadsafe


def test_loop_without_a_selector_gives_the_toolkit_turns(loop: asyncio.AbstractEventLoop, install: Install) -> None:
    turns: list[bool] = []

    def run(waiting: Waiting) -> None:
        assert not waiting.input_is_ready()
        turns.append(True)
        assert waiting.input_is_ready()

    toolkit = install(run, Hidden(loop))

    async def wait() -> None:
        while len(turns) < 3:  # noqa: ASYNC110  # a timer is what is tested
            await asyncio.sleep(0.001)

    loop.run_until_complete(asyncio.wait_for(wait(), 30))
    assert toolkit.failures == []  # type: ignore[attr-defined]


def test_only_a_long_callback_is_interrupted(loop: asyncio.AbstractEventLoop, install: Install) -> None:
    cancelled: list[bool] = []
    seen: list[str] = []
    interrupts = Interrupts()
    interrupts.cancel = lambda: cancelled.append(True)

    def run(waiting: Waiting) -> None:
        assert interrupts.interrupt_callback is not None
        interrupts.interrupt_callback()
        seen.append("left alone")
        try:
            interrupts.interrupt_callback()
        except KeyboardInterrupt:
            seen.append("interrupted")
        toolkit.remove()

    toolkit = install(run, None, interrupts)
    loop.run_until_complete(asyncio.sleep(0.001))
    assert (seen, cancelled) == (["left alone", "interrupted"], [True])
    assert (interrupts.interrupt_callback, interrupts.wake) == (None, None)
