"""Where a lane waits: no wake-up is lost, and the parked loop lets every way to run asyncio work in a cell."""

from __future__ import annotations

import asyncio
import contextvars
import importlib
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from needs import need_module

from kernelet.runtime.interrupt import Interrupts
from kernelet.runtime.log import Log
from kernelet.runtime.parking import ParkedLoop, PlainParking

DEADLINE_S = 30


@pytest.fixture
def errors() -> list[dict[str, Any]]:
    return []


@pytest.fixture
def parking(log: Log, errors: list[dict[str, Any]]) -> Iterator[ParkedLoop]:
    """A parked loop of the main thread, which takes SIGINT."""
    before = signal.getsignal(signal.SIGINT)
    interrupts = Interrupts()
    parking = ParkedLoop(interrupts, log, errors.append)
    interrupts.install()
    yield parking
    signal.signal(signal.SIGINT, before)
    parking.close()
    asyncio.set_event_loop(None)


async def answer() -> int:
    await asyncio.sleep(0)
    return 42


def in_background(function: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=function)
    thread.start()
    return thread


# -- a plain lock ------------------------------------------------------------------------------------------------------


def test_a_plain_place_remembers_a_wake_before_the_wait() -> None:
    place = PlainParking()
    place.wake()
    place.wake()
    place.wait()
    in_background(place.wake).join()
    place.wait()


def test_a_plain_place_runs_code_as_it_is() -> None:
    place = PlainParking()
    assert place.call(divmod, 7, 2) == (3, 1)
    place.turn()
    place.serve()
    place.serve_soon()
    place.close()


# -- waiting and waking ------------------------------------------------------------------------------------------------


def test_a_wake_before_the_wait_is_not_lost(parking: ParkedLoop) -> None:
    parking.wake()
    parking.wait()


def test_a_wait_lets_tasks_advance_until_it_is_woken(parking: ParkedLoop) -> None:
    async def task() -> None:
        await answer()
        in_background(parking.wake).join()

    made = parking.call(asyncio.create_task, task())
    while not made.done():
        parking.wait()


def test_no_wake_is_lost_among_many_threads(parking: ParkedLoop) -> None:
    wakes, threads = 200, 8
    done: list[int] = []

    def produce() -> None:
        for number in range(wakes):
            done.append(number)
            parking.wake()

    producers = [in_background(produce) for _ in range(threads)]
    while len(done) < wakes * threads:
        parking.wait()  # a lost wake-up would leave us here
    for producer in producers:
        producer.join()


def test_a_turn_runs_what_is_ready_and_does_not_wait(parking: ParkedLoop) -> None:
    ran: list[str] = []
    parking.turn()
    parking.loop.call_soon(ran.append, "ready")
    parking.loop.call_later(1000, ran.append, "later")
    parking.turn()
    assert ran == ["ready"]


def test_a_turn_runs_a_timer_that_is_due(parking: ParkedLoop) -> None:
    ran: list[str] = []
    parking.loop.call_at(parking.loop.time() - 1, ran.append, "due")
    parking.turn()
    assert ran == ["due"]


def test_a_late_wake_does_not_stop_the_loop_of_a_cell(parking: ParkedLoop) -> None:
    parking.wake()
    assert parking.call(lambda: asyncio.get_running_loop().run_until_complete(answer())) == 42


def test_a_turn_does_not_stop_the_loop_of_a_cell(parking: ParkedLoop) -> None:
    parking.loop.call_soon(lambda: None)
    parking.turn()
    assert parking.call(lambda: asyncio.get_running_loop().run_until_complete(answer())) == 42


def test_call_later_runs_on_the_loop(parking: ParkedLoop) -> None:
    ran: list[bool] = []
    parking.call_later(0.001, lambda: (ran.append(True), parking.wake())[0])
    while not ran:
        parking.wait()


def test_an_error_in_a_background_task_is_told_and_the_wait_goes_on(
    parking: ParkedLoop, errors: list[dict[str, Any]]
) -> None:
    parking.loop.call_soon(lambda: 1 / 0)
    parking.wake()
    while not errors:
        parking.wait()
    assert isinstance(errors[0]["exception"], ZeroDivisionError)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_a_background_callback_cannot_end_the_lane(
    parking: ParkedLoop, errors: list[dict[str, Any]], error: type[BaseException]
) -> None:
    def end() -> None:
        raise error

    parking.loop.call_soon(end)
    while not errors:
        parking.wait()
    assert isinstance(errors[0]["exception"], error)
    assert not parking.interrupts.idle


# -- sync cells --------------------------------------------------------------------------------------------------------


def run_with_runner() -> int:
    with asyncio.Runner() as runner:
        return runner.run(answer())


def run_on_a_new_loop() -> int:
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(answer())
    finally:
        loop.close()


def run_with_anyio() -> Any:
    need_module("anyio")
    return importlib.import_module("anyio").run(answer)


@pytest.mark.parametrize(
    "run",
    [
        lambda: asyncio.run(answer()),
        lambda: asyncio.get_running_loop().run_until_complete(answer()),
        run_with_runner,
        run_on_a_new_loop,
        run_with_anyio,
    ],
    ids=["asyncio.run", "run_until_complete", "Runner", "new loop", "anyio.run"],
)
def test_every_way_to_run_asyncio_works_in_a_sync_cell(parking: ParkedLoop, run: Callable[[], int]) -> None:
    for _ in range(2):
        assert parking.call(run) == 42
        # And what was run has left the parked loop in its place.
        assert parking.call(asyncio.get_running_loop) is parking.loop


def test_a_task_made_in_a_sync_cell_runs_later(parking: ParkedLoop) -> None:
    task = parking.call(lambda: asyncio.create_task(answer()))
    task.add_done_callback(lambda _: parking.wake())
    while not task.done():
        parking.wait()
    assert task.result() == 42


def test_a_sync_cell_returns_its_value_and_raises_its_error(parking: ParkedLoop) -> None:
    assert parking.call(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        parking.call(divmod, 1, 0)


def test_after_a_sync_cell_no_loop_runs(parking: ParkedLoop) -> None:
    parking.call(lambda: None)
    with pytest.raises(RuntimeError, match="no running event loop"):
        asyncio.get_running_loop()


def test_asyncio_run_is_still_refused_inside_a_running_loop(parking: ParkedLoop) -> None:
    async def nested() -> None:
        coroutine = answer()
        try:
            asyncio.run(coroutine)
        finally:
            coroutine.close()

    with pytest.raises(RuntimeError, match=r"cannot be called from a running event loop"):
        asyncio.run(nested())
    with pytest.raises(RuntimeError, match=r"cannot be called from a running event loop"):
        parking.run(nested())


def test_other_threads_see_their_own_loops_only(
    parking: ParkedLoop, in_thread: Callable[[Callable[[], None]], None]
) -> None:
    def other() -> None:
        with pytest.raises(RuntimeError, match="no running event loop"):
            asyncio.get_running_loop()
        assert asyncio.run(answer()) == 42
        with pytest.raises(RuntimeError, match="no running event loop"):
            asyncio.get_running_loop()

    parking.call(in_thread, other)


def test_a_loop_that_user_code_closes_is_replaced(parking: ParkedLoop) -> None:
    old = parking.loop
    parking.call(lambda: asyncio.get_running_loop().close())
    assert old.is_closed()
    in_background(parking.wake).join()
    parking.wait()
    assert parking.loop is not old
    assert parking.run(answer()) == 42
    assert parking.call(lambda: asyncio.run(answer())) == 42


def test_a_wake_through_a_closed_loop_is_not_lost(parking: ParkedLoop) -> None:
    parking.loop.close()
    parking.wake()
    parking.serve_soon()
    parking.wait()


# -- cells that await --------------------------------------------------------------------------------------------------


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
    async def cell() -> str:
        asyncio.get_running_loop().call_soon(in_background, lambda: signal.raise_signal(signal.SIGINT))
        try:
            await asyncio.sleep(DEADLINE_S)
        except KeyboardInterrupt:
            return "interrupted here"
        return "not interrupted"

    assert parking.run(cell()) == "interrupted here"


def test_an_interrupted_cell_can_await_on_and_is_not_cancelled(parking: ParkedLoop) -> None:
    async def cell() -> tuple[int, int]:
        parking.interrupts.cancel and parking.interrupts.cancel()
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


def test_a_cell_that_ignores_its_interrupt_is_left_at_the_second(parking: ParkedLoop) -> None:
    async def cell() -> None:
        assert parking.interrupts.cancel is not None
        parking.interrupts.cancel()
        parking.interrupts.cancel()
        await asyncio.sleep(DEADLINE_S)

    with pytest.raises(KeyboardInterrupt):
        parking.run(cell())
    assert parking.run(answer()) == 42


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
    served: list[str] = []
    parking.serve_soon()  # no cell: nothing to do
    parking.serve = lambda: served.append("served")

    async def cell() -> int:
        await asyncio.sleep(0)
        before = len(served)
        in_background(parking.serve_soon).join()
        while len(served) == before:
            await asyncio.sleep(0)
        return before

    assert parking.run(cell()) == 1
    assert served == ["served"] * 2
