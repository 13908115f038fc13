"""A parked loop: every way to run asyncio works in a sync cell, and the guards of other threads are untouched."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable
from typing import Any

import pytest

from kernelet.runtime.parking import ParkedLoop
from needs import need_module


async def answer() -> int:
    await asyncio.sleep(0)
    return 42


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
