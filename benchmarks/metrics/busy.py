"""What a kernel answers while its main thread computes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import zmq

from benchmarks.client import Fault
from benchmarks.flow import begin, cell, features, flow
from benchmarks.metrics.definition import Row, Samples, metric
from benchmarks.metrics.roundtrip import PASS, check_trips
from benchmarks.session import Session

_TRIP_DEADLINE_S = 3.0


@contextmanager
def computing(session: Session) -> Iterator[None]:
    """Keep the main thread at work; the kernel is ended with it."""
    begin(session, "while True: pass")
    try:
        yield
    finally:
        session.close()


@metric(
    "alone",
    Row("heartbeat_ms", "heartbeat idle p50", "ms", goal=0.06),
    Row("heartbeat_busy_ms", "heartbeat busy p50", "ms", goal=0.06),
    floor=False,
    rounds=2,
)
def heartbeat(session: Session) -> Samples:
    """Time, in ms, of a heartbeat there and back: with nothing to do, and while the main thread computes."""
    idle = beats(session)
    with computing(session):
        busy = beats(session)
    return {"heartbeat_ms": idle, "heartbeat_busy_ms": busy}


def beats(session: Session) -> list[float]:
    socket, times = session.client.heartbeat, []
    socket.rcvtimeo = int(_TRIP_DEADLINE_S * 1000)
    try:
        for _ in range(session.bench.count(100, 5) + 3):
            sent = time.perf_counter()
            socket.send(b"beat")
            socket.recv()
            times.append((time.perf_counter() - sent) * 1e3)
    except zmq.Again:
        raise Fault(f"no heartbeat in {_TRIP_DEADLINE_S:.0f} s") from None
    return times[3:]


@metric("alone", Row("control_busy_ms", "control kernel_info busy p50", "ms", goal=5.5), rounds=2)
def control_busy(session: Session) -> Samples:
    """Time, in ms, from sending a kernel_info_request on control until the reply, while the main thread computes."""
    client, times = session.client, []
    with computing(session):
        for _ in range(session.bench.count(40, 3)):
            request = client.request("kernel_info_request", {})
            came = flow(client, [request], socket=client.control, deadline_s=_TRIP_DEADLINE_S, settle=False)
            times.append((came.replied - came.sent) * 1e3)
            if client.decode(came.replies[0]).msg_type != "kernel_info_reply":
                raise Fault("no kernel_info_reply")
    return {"control_busy_ms": times}


@metric(
    "alone",
    Row("create_subshell_ms", "create_subshell", "ms", goal=2),
    Row("subshell_idle_ms", "subshell execute, main idle p50", "ms", goal=0.7),
    Row("subshell_busy_ms", "subshell execute, main busy p50", "ms", goal=11),
    rounds=2,
)
def subshell(session: Session) -> Samples:
    """Time, in ms, to create a subshell, and of `pass` in one until reply and idle: with main idle, and computing."""
    if "kernel subshells" not in features(session):
        raise Fault("no subshells")
    created, ids = [], []
    for _ in range(session.bench.count(5, 1)):
        subshell_id, took_s = _create_subshell(session)
        ids.append(subshell_id)
        created.append(took_s * 1e3)
    cell(session, "pass", subshell_id=ids[0])
    client = session.client
    requests = [client.request("execute_request", PASS, subshell_id=ids[0]) for _ in range(session.bench.count(40, 5))]
    trips = client.trips(client.shell, requests)  # as `execute`, so that the two can be compared
    check_trips(session, trips)
    idle = [(trip.settled - trip.sent) * 1e3 for trip in trips[2:]]
    with computing(session):
        try:
            busy = [
                cell(session, "pass", subshell_id=ids[0], deadline_s=_TRIP_DEADLINE_S).took_s * 1e3
                for _ in range(session.bench.count(20, 3))
            ]
        except Fault as fault:
            raise Fault(f"subshell blocked while main is busy ({fault})") from None
    return {"create_subshell_ms": created, "subshell_idle_ms": idle, "subshell_busy_ms": busy}


def new_subshell(session: Session) -> str:
    """Create a subshell and return its id. Raises Fault."""
    return _create_subshell(session)[0]


def _create_subshell(session: Session) -> tuple[str, float]:
    """Create a subshell; return its id, and the seconds until the reply. Raises Fault."""
    client = session.client
    asked = client.request("create_subshell_request", {})
    came = flow(client, [asked], socket=client.control, deadline_s=_TRIP_DEADLINE_S, settle=False)
    content = client.decode(came.replies[0]).content
    if content.get("status") != "ok" or not isinstance(content.get("subshell_id"), str):
        raise Fault(f"no subshell: {str(content)[:80]}")
    return str(content["subshell_id"]), came.replied - came.sent
