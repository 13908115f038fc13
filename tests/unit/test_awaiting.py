"""A cell that awaits: an interrupt arrives where it awaits, and nothing but its own cancellation cancels it."""

from __future__ import annotations

import asyncio
import contextvars
import signal
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from kernelet.runtime.parking import ParkedLoop

DEADLINE_S = 30


async def answer() -> int:
    await asyncio.sleep(0)
    return 42


def in_background(function: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=function)
    thread.start()
    return thread


def uninterrupted(parking: ParkedLoop, coroutine: Coroutine[Any, Any, int]) -> int:
    """Run a cell, and fail (rather than end pytest) when it is interrupted."""
    try:
        result: int = parking.run(coroutine)
    except KeyboardInterrupt:
        pytest.fail("the cell was interrupted")
    return result


def test_a_cell_that_awaits_returns_its_value_and_raises_its_error(parking: ParkedLoop) -> None:
    async def fail() -> None:
        await answer()
        raise ZeroDivisionError

    assert parking.run(answer()) == 42
    with pytest.raises(ZeroDivisionError):
        parking.run(fail())


def test_a_cell_that_awaits_keeps_its_context(parking: ParkedLoop) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")

    async def cell() -> str:
        before = variable.get()
        await asyncio.sleep(0)
        variable.set("inside")
        return before

    context = contextvars.copy_context()
    context.run(variable.set, "outside")
    assert parking.run(cell(), context) == "outside"
    assert context.run(variable.get) == "inside"
    assert variable.get() == "unset"


def test_a_cell_that_awaits_may_run_inside_a_sync_cell(parking: ParkedLoop) -> None:
    assert parking.call(parking.run, answer()) == 42

    def cell() -> tuple[int, bool]:
        return parking.run(answer()), asyncio.get_running_loop() is parking.loop

    assert parking.call(cell) == (42, True)


def test_an_interrupt_arrives_where_a_cell_awaits(parking: ParkedLoop) -> None:
    main = threading.get_ident()

    async def cell() -> str:
        asyncio.get_running_loop().call_soon(in_background, lambda: signal.pthread_kill(main, signal.SIGINT))
        try:
            await asyncio.sleep(DEADLINE_S)
        except KeyboardInterrupt:
            return "interrupted here"
        return "not interrupted"

    assert parking.run(cell()) == "interrupted here"


def test_an_interrupted_cell_can_await_on_and_is_not_cancelled(parking: ParkedLoop) -> None:
    async def cell() -> tuple[int, int]:
        assert parking.interrupts.cancel is not None
        parking.interrupts.cancel()
        try:
            await asyncio.sleep(DEADLINE_S)
        except KeyboardInterrupt:
            value = await answer()
        task = asyncio.current_task()
        assert task is not None
        return value, task.cancelling()

    assert parking.run(cell()) == (42, 0)


def test_an_interrupt_that_nobody_catches_ends_the_cell(parking: ParkedLoop) -> None:
    async def cell() -> None:
        assert parking.interrupts.cancel is not None
        parking.interrupts.cancel()
        await asyncio.sleep(DEADLINE_S)

    with pytest.raises(KeyboardInterrupt):
        parking.run(cell())
    assert parking.interrupts.cancel is None
    assert parking.run(answer()) == 42


def test_a_cell_that_does_not_react_is_left_at_the_second_interrupt(parking: ParkedLoop) -> None:
    with pytest.raises(KeyboardInterrupt):
        parking.run(interrupted_twice_at_once(parking))
    assert parking.interrupts.cancel is None


def test_a_cell_that_was_left_does_not_interrupt_the_next_one(parking: ParkedLoop) -> None:
    with pytest.raises(KeyboardInterrupt):
        parking.run(interrupted_twice_at_once(parking))
    assert uninterrupted(parking, answer()) == 42


def test_a_cell_that_was_left_does_not_interrupt_a_later_one_when_it_ends(parking: ParkedLoop) -> None:
    release = asyncio.Event()

    async def slow_to_end() -> None:
        try:
            await asyncio.sleep(DEADLINE_S)
        finally:
            await release.wait()

    async def cell() -> None:
        task = asyncio.create_task(slow_to_end())
        await asyncio.sleep(0)
        assert parking.interrupts.cancel is not None
        asyncio.get_running_loop().call_soon(parking.interrupts.cancel)
        asyncio.get_running_loop().call_later(0.001, parking.interrupts.cancel)
        await task

    async def later_cell() -> int:
        release.set()
        for _ in range(5):
            await asyncio.sleep(0)
        return await answer()

    with pytest.raises(KeyboardInterrupt):
        parking.run(cell())
    assert uninterrupted(parking, later_cell()) == 42


async def interrupted_twice_at_once(parking: ParkedLoop) -> None:
    assert parking.interrupts.cancel is not None
    parking.interrupts.cancel()
    parking.interrupts.cancel()
    await asyncio.sleep(DEADLINE_S)


def test_an_interrupt_before_the_first_step_of_a_cell_is_a_keyboard_interrupt(parking: ParkedLoop) -> None:
    parking.loop.call_soon(signal.raise_signal, signal.SIGINT)  # a background callback is on the stack
    coroutine = answer()
    try:
        with pytest.raises(KeyboardInterrupt):
            parking.run(coroutine)
    finally:
        coroutine.close()


def test_a_cancellation_of_the_users_own_stays_one(parking: ParkedLoop) -> None:
    async def cell() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(DEADLINE_S)

    with pytest.raises(asyncio.CancelledError):
        parking.run(cell())


def test_a_signal_in_a_task_that_a_cell_waits_for_ends_both(parking: ParkedLoop) -> None:
    ended: list[str] = []

    async def busy() -> None:
        signal.raise_signal(signal.SIGINT)

    async def cell() -> None:
        try:
            await asyncio.gather(busy(), asyncio.sleep(DEADLINE_S))
        finally:
            ended.append("cell")

    with pytest.raises(KeyboardInterrupt):
        parking.run(cell())
    assert ended == ["cell"]


def test_a_cell_that_stops_its_loop_runs_on(parking: ParkedLoop) -> None:
    async def cell() -> int:
        asyncio.get_running_loop().stop()
        return await answer()

    assert parking.run(cell()) == 42


def test_what_waits_is_served_while_a_cell_awaits(parking: ParkedLoop) -> None:
    served = asyncio.Event()
    parking.serve = served.set
    parking.serve_soon()  # no cell: nothing to do

    async def cell() -> int:
        await served.wait()  # what came before the cell was known to await
        served.clear()
        in_background(parking.serve_soon).join()
        await served.wait()
        return await answer()

    assert parking.run(cell()) == 42
