"""A request there and back, one at a time, and what it costs the kernel."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import zmq

from benchmarks import procfs
from benchmarks.client import Answer, Client, Fault, Request, Trip
from benchmarks.metrics.definition import Row, Samples, metric
from benchmarks.session import Session

PASS: dict[str, Any] = {
    "code": "pass",
    "silent": False,
    "store_history": True,
    "user_expressions": {},
    "allow_stdin": False,
    "stop_on_error": True,
}
SILENT = PASS | {"silent": True, "store_history": False}
WARM_UP = 10
"""Requests sent before the timed ones of a block; answered and checked like them."""


@metric(
    "together",
    Row("execute_reply_ms", "execute `pass` → reply", "ms", target=0.4, goal=0.55),
    Row("execute_ms", "execute `pass` → reply and idle", "ms", target=0.4, goal=0.60),
    Row("execute_cpu_us", "kernel CPU per execute", "µs", goal=420),
    floor=True,
)
def execute(session: Session) -> Samples:
    """Time, in ms, from sending an execute_request of `pass` until the reply, and until reply and idle, are read.

    With history stored, one request at a time. CPU, in µs, is what the kernel and the processes below it used over the
    block and a pause after it (history is written late), by the number of requests: one sample per block.
    """
    return block(session, PASS, "execute")


@metric(
    "together",
    Row("silent_reply_ms", "silent execute → reply", "ms"),
    Row("silent_ms", "silent execute → reply and idle", "ms", goal=0.52),
    Row("silent_cpu_us", "kernel CPU per silent execute", "µs", goal=340),
    floor=True,
)
def silent(session: Session) -> Samples:
    """As `execute`, with silent=True and store_history=False: no execute_input, no count, no history."""
    return block(session, SILENT, "silent")


@metric(
    "together",
    Row("kernel_info_ms", "kernel_info on shell → reply", "ms", goal=0.28),
    Row("kernel_info_cpu_us", "kernel CPU per kernel_info", "µs", goal=190),
    floor=True,
)
def kernel_info(session: Session) -> Samples:
    """Time, in ms, from sending a kernel_info_request on shell until the reply is read; the idle status is awaited too
    before the next one is sent, but does not count. CPU, in µs, as for `execute`."""
    return info_block(session, session.client.shell, "kernel_info", settle=True)


@metric("together", Row("control_info_ms", "kernel_info on control → reply", "ms", goal=0.26), floor=True)
def control_info(session: Session) -> Samples:
    """As `kernel_info`, on the control channel. The idle status is awaited only from a kernel that sends one there."""
    settle = tells_status(session.client, session.client.control)
    if not settle:
        session.fault("no busy and idle around a request on control")
    return {"control_info_ms": info_block(session, session.client.control, "info", settle=settle)["info_ms"]}


def tells_status(client: Client, socket: zmq.Socket[bytes]) -> bool:
    """Ask whether requests on this channel get a busy and an idle status; wait half a second for the latter."""
    [request] = client.requests(1, "kernel_info_request", {})
    client.trips(socket, [request], settle=False)
    while client.iopub.poll(500):
        answer = client.decode(client.iopub.recv_multipart())
        if answer.what == "idle" and answer.parent_id == request.token.decode():
            return True
    return False


def block(session: Session, content: dict[str, Any], name: str) -> Samples:
    """Time a block of execute requests."""
    client = session.client
    check_trips(session, client.trips(client.shell, client.requests(WARM_UP, "execute_request", content)))
    requests = client.requests(session.bench.size, "execute_request", content)
    with_cpu = Cpu(session)
    trips = client.trips(client.shell, requests)
    cpu = with_cpu.per_request_us(len(trips))
    check_trips(session, trips)
    return {
        f"{name}_reply_ms": [(trip.replied - trip.sent) * 1e3 for trip in trips],
        f"{name}_ms": [(trip.settled - trip.sent) * 1e3 for trip in trips],
        f"{name}_cpu_us": cpu,
    }


def info_block(session: Session, socket: zmq.Socket[bytes], name: str, *, settle: bool) -> dict[str, list[float]]:
    """Time a block of kernel_info requests."""
    client = session.client
    check_trips(session, client.trips(socket, client.requests(WARM_UP, "kernel_info_request", {}), settle=settle))
    requests = client.requests(session.bench.size, "kernel_info_request", {})
    with_cpu = Cpu(session)
    trips = client.trips(socket, requests, settle=settle)
    cpu = with_cpu.per_request_us(len(trips))
    check_trips(session, trips)
    return {f"{name}_ms": [(trip.replied - trip.sent) * 1e3 for trip in trips], f"{name}_cpu_us": cpu}


class Cpu:
    """The CPU a kernel and the processes below it use from here on."""

    def __init__(self, session: Session) -> None:
        self._pids = procfs.tree(session.process.pid) if procfs.available else []
        self._settle_s = session.bench.settle_s
        self._before = procfs.cpu_s(self._pids)

    def per_request_us(self, requests: int) -> list[float]:
        """Wait until the kernel has tidied up; return its CPU per request, in a list, empty if it cannot be known."""
        if not self._pids:
            return []
        time.sleep(self._settle_s)
        return [(procfs.cpu_s(self._pids) - self._before) * 1e6 / requests]


# -- is the answer right?


def check_execute(session: Session, answer: Answer, request: Request) -> None:
    if answer.msg_type != "execute_reply" or answer.parent_id != request.token.decode():
        raise Fault(f"{answer.msg_type} of another request instead of the execute_reply")
    if answer.content.get("status") != "ok":
        raise Fault(f"status {answer.content.get('status')!r} for `pass`")


def check_info(session: Session, answer: Answer, request: Request) -> None:
    if answer.msg_type != "kernel_info_reply" or answer.parent_id != request.token.decode():
        raise Fault(f"{answer.msg_type} of another request instead of the kernel_info_reply")
    if answer.content.get("language_info", {}).get("name") != "python":
        session.fault("kernel_info_reply without language_info")


def check_trips(session: Session, trips: Sequence[Trip]) -> None:
    """Check every reply, and what iopub told of each request: its busy first, its idle last, nothing of it later.

    Raises Fault for a wrong reply; notes a fault of the session for the rest.
    """
    count: int | None = None
    for trip in trips:
        answer = session.client.decode(trip.reply)
        if trip.request.msg_type == "kernel_info_request":
            check_info(session, answer, trip.request)
            expected = ["busy", "idle"]
        else:
            check_execute(session, answer, trip.request)
            is_silent = b'"silent": true' in trip.request.frames[-1]
            expected = ["busy", "idle"] if is_silent else ["busy", "execute_input", "idle"]
            now = answer.content.get("execution_count")
            if not is_silent and count is not None and now != count + 1:
                session.fault(f"execution_count {now} after {count}")
            count = now
        if trip.iopub:
            check_iopub(session, trip, expected)


def check_iopub(session: Session, trip: Trip, expected: list[str]) -> None:
    mine, token = [], trip.request.token.decode()
    for told in map(session.client.decode, trip.iopub):
        if told.parent_id == token:
            mine.append(told.what)
        elif told.parent_id:
            session.fault(f"{told.what} of a request after its idle")
    if mine != expected:
        session.fault(f"on iopub {', '.join(mine)} for {trip.request.msg_type}, not {', '.join(expected)}")
