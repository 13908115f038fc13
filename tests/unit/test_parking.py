"""Where a lane waits: no wake-up is lost, and the loop turns only while nothing else is to do."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from kernelet.runtime.parking import ParkedLoop
from kernelet.runtime.plain_parking import PlainParking

DEADLINE_S = 30


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


# -- without a loop, in processes of their own: this one has imported asyncio ------------------------------------------

WITHOUT_A_LOOP = """
import sys, threading
from kernelet.runtime.interrupt import Interrupts
from kernelet.runtime.log import Log
from kernelet.runtime.parking import ParkedLoop

parking = ParkedLoop(Interrupts(), Log(2), print, late=True)

def in_a_thread(function, *args):
    threading.Thread(target=function, args=args).start()

def imports():
    import asyncio

def running():
    return sys.modules["asyncio"].get_running_loop() is parking.loop

"""
LATER = {
    "it waits and is woken": """
for _ in range(3):
    in_a_thread(parking.wake)
    parking.wait()
assert "asyncio" not in sys.modules
""",
    "a wake before the wait": "parking.wake(); parking.wake(); parking.wait()",
    "another thread asks for the loop": """
told = []
in_a_thread(lambda: parking.loop.call_soon_threadsafe(lambda: (told.append(1), parking.wake())))
while not told:
    parking.wait()
""",
    "another thread asks for it while the lane is woken": """
told = []
def asks():
    parking.wake()
    parking.loop.call_soon_threadsafe(lambda: (told.append(1), parking.wake()))
in_a_thread(asks)
while not told:
    parking.wait()
""",
    "user code imports asyncio": """
def cell():
    import asyncio
    return running(), asyncio.run(asyncio.sleep(0, "ran")), running()
assert parking.call(cell) == (True, "ran", True)
parking.wake()
parking.wait()
assert parking.call(running)
""",
    "a thread imports asyncio": """
thread = threading.Thread(target=imports)
parking.call(thread.start)
thread.join()
assert parking.call(running)
assert sys.modules["asyncio"].get_event_loop_policy().get_event_loop() is parking.loop
""",
}


@pytest.mark.parametrize("code", LATER.values(), ids=LATER)
def test_a_place_without_asyncio_waits_on_a_lock_until_somebody_imports_it(code: str) -> None:
    run = subprocess.run(
        [sys.executable, "-Wignore::DeprecationWarning", "-c", WITHOUT_A_LOOP + code],
        stderr=subprocess.PIPE,
        text=True,
        timeout=2 * DEADLINE_S,
    )
    assert run.returncode == 0, run.stderr
