"""A lane: jobs in order, a broken one survived, no wake-up lost, comm messages served while a cell awaits."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from typing import Any

import pytest

from kernelet.protocol.message import Message
from kernelet.runtime.lane import FENCE, Lane
from kernelet.runtime.log import Log
from kernelet.runtime.plain_parking import PlainParking

DEADLINE_S = 30


def message(msg_id: str, msg_type: str = "execute_request") -> Message:
    header = {"msg_id": msg_id, "msg_type": msg_type, "session": "s"}
    return Message("shell", (), header, b"", b"{}", b"{}", b"{}", (), json.loads)


class StubParking(PlainParking):
    """Never waits: where a lane would, the next of `meanwhile` happens, and in the end the lane is ended."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []
        self.meanwhile: list[Callable[[], None]] = []

    def wait(self) -> None:
        self.calls.append("wait")
        self.meanwhile.pop(0)()

    def turn(self) -> None:
        self.calls.append("turn")

    def wake(self) -> None:
        self.calls.append("wake")

    def serve_soon(self) -> None:
        self.calls.append("serve_soon")


class Handled:
    """The lane under test on a stub, and the ids of what it handled."""

    def __init__(self, log: Log) -> None:
        self.ids: list[str] = []
        self.parking = StubParking()
        self.lane = Lane("test", self.parking, self.handle, log)
        self.parking.meanwhile.append(self.lane.end)

    def handle(self, lane: Lane, job: Message) -> None:
        assert lane is self.lane
        self.ids.append(str(job.header["msg_id"]))


@pytest.fixture
def handled(log: Log) -> Handled:
    return Handled(log)


def test_jobs_are_handled_in_order(handled: Handled) -> None:
    for job in (message("1"), lambda: handled.ids.append("call"), message("2")):
        handled.lane.post(job)
    handled.lane.run()
    assert handled.ids == ["1", "call", "2"]


def test_a_lane_with_a_queue_lets_others_advance_between_jobs(handled: Handled) -> None:
    handled.lane.post(message("1"))
    handled.lane.post(message("2"))
    handled.lane.run()
    assert handled.parking.calls[:3] == ["turn", "turn", "wait"]


def test_a_lane_without_a_job_waits_and_is_woken(handled: Handled) -> None:
    handled.parking.meanwhile.insert(0, lambda: handled.lane.post(message("late")))
    handled.lane.run()
    assert handled.ids == ["late"]
    assert handled.parking.calls[:2] == ["wait", "wake"]


def test_a_wait_may_end_for_nothing(handled: Handled) -> None:
    handled.parking.meanwhile.insert(0, lambda: None)
    handled.lane.run()
    assert handled.parking.calls.count("wait") == 2


def test_what_is_queued_behind_the_end_is_not_handled(handled: Handled) -> None:
    handled.lane.post(handled.lane.end)
    handled.lane.post(message("too late"))
    handled.lane.run()
    assert handled.ids == []


def test_the_fence_ends_the_abort(handled: Handled) -> None:
    handled.lane.aborting = True
    handled.lane.post(lambda: handled.ids.append(str(handled.lane.aborting)))
    handled.lane.post(FENCE)
    handled.lane.post(lambda: handled.ids.append(str(handled.lane.aborting)))
    handled.lane.run()
    assert handled.ids == ["True", "False"]


def test_a_job_that_breaks_is_logged_and_the_next_one_handled() -> None:
    reader, writer = os.pipe()
    handled = Handled(Log(writer))
    handled.lane.post(lambda: 1 / 0)
    handled.lane.post(message("next"))
    handled.lane.run()
    os.close(writer)
    with os.fdopen(reader) as told:
        assert "ZeroDivisionError" in told.read()
    assert handled.ids == ["next"]


@pytest.mark.parametrize("msg_type", ["comm_open", "comm_msg", "comm_close"])
def test_a_comm_message_asks_to_be_served_while_a_cell_awaits(handled: Handled, msg_type: str) -> None:
    handled.lane.post(message("1"))
    assert handled.parking.calls == []
    handled.lane.post(message("2", msg_type))
    assert handled.parking.calls == ["serve_soon"]


def test_serving_takes_comm_messages_in_order_and_leaves_the_rest(handled: Handled) -> None:
    for msg_id, msg_type in [
        ("1", "execute_request"),
        ("2", "comm_msg"),
        ("3", "comm_info_request"),
        ("4", "comm_close"),
    ]:
        handled.lane.post(message(msg_id, msg_type))
    handled.parking.serve()
    assert handled.ids == ["2", "4"]
    handled.lane.run()
    assert handled.ids == ["2", "4", "1", "3"]


def test_a_message_that_arrives_while_comm_messages_are_served_breaks_nothing(handled: Handled) -> None:
    """It may arrive at any bytecode, also while the inbox is searched."""

    class Slow(str):
        def __eq__(self, other: object) -> bool:
            if not posted:
                posted.append(True)
                handled.lane.post(message("3"))
            return super().__eq__(other)

        __hash__ = str.__hash__

    posted: list[bool] = []
    handled.lane.post(message(Slow("1")))
    handled.lane.post(message(Slow("2"), "comm_msg"))
    handled.parking.serve()
    assert handled.ids == ["2"]


def test_no_job_is_lost_or_reordered_between_threads(log: Log) -> None:
    per_thread, threads = 500, 4
    seen: list[tuple[int, int]] = []
    lane = Lane("test", PlainParking(), lambda *_: None, log)

    def job(thread: int, number: int) -> Callable[[], Any]:
        return lambda: seen.append((thread, number))

    def produce(thread: int) -> None:
        for number in range(per_thread):
            lane.post(job(thread, number))

    runner = threading.Thread(target=lane.run)
    runner.start()
    producers = [threading.Thread(target=produce, args=(thread,)) for thread in range(threads)]
    for producer in producers:
        producer.start()
    for producer in producers:
        producer.join()
    lane.post(lane.end)
    runner.join(DEADLINE_S)
    assert not runner.is_alive()
    for thread in range(threads):
        assert [number for who, number in seen if who == thread] == list(range(per_thread))


def test_a_thread_starts_with_the_first_job_and_once(log: Log) -> None:
    ran, done = list[str](), threading.Event()
    lane = Lane("lazy", PlainParking(), lambda lane, job: None, log)
    thread = threading.Thread(target=lane.run, daemon=True)
    lane.starts_with(thread.start)
    assert not thread.is_alive()
    lane.post(lambda: ran.append("first"))
    lane.post(done.set)
    assert done.wait(DEADLINE_S)
    lane.start()
    lane.end()
    thread.join(DEADLINE_S)
    assert (ran, thread.is_alive()) == (["first"], False)


def test_an_idle_lane_lets_its_caller_do_the_job(log: Log) -> None:
    threads = list[threading.Thread]()
    lane = Lane("idle", PlainParking(), lambda lane, job: threads.append(threading.current_thread()), log)
    assert not lane.run_here(message("too early"))
    lane.starts_with(lambda: None)
    assert lane.run_here(message("now"))
    assert threads == [threading.current_thread()]


def test_a_lane_at_work_or_with_a_queue_takes_no_job_from_its_caller(handled: Handled) -> None:
    lane, done = handled.lane, list[bool]()
    handled.parking.meanwhile.insert(0, lambda: done.append(lane.run_here(message("waiting"))))
    lane.post(lambda: done.append(lane.run_here(message("at work"))))
    lane.run()
    lane.post(message("queued"))
    assert not lane.run_here(message("behind it"))
    assert (done, handled.ids) == ([False, True], ["waiting"])
