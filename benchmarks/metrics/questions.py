"""What a front end asks while the user types, and what a widget says."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from benchmarks.client import Fault, Request
from benchmarks.flow import cell
from benchmarks.metrics.definition import Row, Samples, metric
from benchmarks.session import Session

ECHO = """
from comm import get_comm_manager
def _opened(comm, message):
    comm.on_msg(lambda message: comm.send(message["content"]["data"], buffers=message.get("buffers") or []))
get_comm_manager().register_target("bench", _opened)
"""
MIB = 1 << 20
_DEADLINE_S = 5.0
_NO_IDLE = "no idle after a comm_msg"


@metric("alone", Row("is_complete_ms", "is_complete p50", "ms", goal=0.35), rounds=2)
def is_complete(session: Session) -> Samples:
    """Time, in ms, from sending an is_complete_request of `for i in x:` until the reply is read."""
    return {"is_complete_ms": block(session, "is_complete_request", {"code": "for i in x:"}, 50, "status")}


@metric(
    "new",
    Row("complete_import_first_ms", "complete `import o`, first", "ms", goal=30),
    Row("complete_import_ms", "complete `import o` p50", "ms", goal=2),
    Row("complete_dot_first_ms", "complete `x.`, first", "ms", goal=8),
    Row("complete_dot_ms", "complete `x.` p50", "ms", goal=1.5),
    rounds=2,
)
def complete(session: Session) -> Samples:
    """Time, in ms, from sending a complete_request until the reply is read; `os` and `x.upper` must be among the
    matches. The first one, in a kernel that has run one cell, and then the same again and again."""
    cell(session, "x = 'text'")
    imports = block(session, "complete_request", {"code": "import o", "cursor_pos": 8}, 20, "matches", _has("os"))
    dots = block(session, "complete_request", {"code": "x.", "cursor_pos": 2}, 20, "matches", _has("upper"))
    return {
        "complete_import_first_ms": imports[:1],
        "complete_import_ms": imports[1:],
        "complete_dot_first_ms": dots[:1],
        "complete_dot_ms": dots[1:],
    }


@metric(
    "new",
    Row("inspect_first_ms", "inspect `print`, first", "ms", goal=45),
    Row("inspect_ms", "inspect `print` p50", "ms", goal=1.2),
    rounds=2,
)
def inspect(session: Session) -> Samples:
    """Time, in ms, from sending an inspect_request until the reply is read, which must have found it."""
    cell(session, "pass")
    content = {"code": "print", "cursor_pos": 5, "detail_level": 0}
    times = block(session, "inspect_request", content, 30, "found", bool)
    return {"inspect_first_ms": times[:1], "inspect_ms": times[1:]}


@metric(
    "alone",
    Row("comm_ms", "comm echo, empty p50", "ms", goal=0.35),
    Row("comm_1mb_ms", "comm echo, 1 MB p50", "ms", goal=1.0),
    rounds=2,
)
def comm(session: Session) -> Samples:
    """Time, in ms, from sending a comm_msg until the comm_msg that a handler in the kernel answers with is read: with
    no buffer, and with one of 1 MiB both ways."""
    cell(session, ECHO)
    client = session.client
    opened = client.request("comm_open", {"comm_id": "bench", "target_name": "bench", "data": {}})
    client.shell.send_multipart(opened.frames)
    payload = os.urandom(MIB)
    samples: dict[str, list[float]] = {}
    for row, usual, buffers in (("comm_ms", 60, ()), ("comm_1mb_ms", 20, (payload,))):
        content = {"comm_id": "bench", "data": {"n": 1}}
        requests = [client.request("comm_msg", content, buffers=buffers) for _ in range(session.bench.count(usual, 3))]
        samples[row] = [_echo(session, request, buffers) * 1e3 for request in requests]
    return samples


def _echo(session: Session, request: Request, buffers: tuple[bytes, ...]) -> float:
    """Return the seconds until the echo; the idle status after it is waited for too, until one has been missed."""
    client = session.client
    begin = time.perf_counter()
    client.shell.send_multipart(request.frames)
    end, answered, idle = begin + _DEADLINE_S, 0.0, _NO_IDLE in session.faults
    while not (answered and idle):
        if not client.iopub.poll(max(0, end - time.perf_counter()) * 1000):
            if answered:
                session.fault(_NO_IDLE)
                break
            raise Fault(f"no comm echo in {_DEADLINE_S:.0f} s")
        frames = client.iopub.recv_multipart()
        now = time.perf_counter()
        if request.token not in b"".join(frames[3:5]):
            if b'"comm_msg"' not in b"".join(frames[2:4]):
                continue
            session.fault("the echo has another parent")
        answer = client.decode(frames)
        if answer.msg_type == "comm_msg":
            answered = now
            if answer.buffers != list(buffers):
                raise Fault("the echo has other buffers")
        idle = idle or answer.what == "idle"
    return answered - begin


def _has(name: str) -> Callable[[Any], bool]:
    return lambda matches: any(str(match).rpartition(".")[2].rstrip("(") == name for match in matches)


def block(
    session: Session,
    msg_type: str,
    content: dict[str, Any],
    usual: int,
    name: str,
    right: Callable[[Any], bool] = bool,
) -> list[float]:
    """Send one request after the other; return each one's time to the reply, in ms. `right` judges field `name`."""
    client = session.client
    requests = client.requests(session.bench.count(usual, 3), msg_type, content)
    trips = client.trips(client.shell, requests)
    for trip in trips:
        answer = client.decode(trip.reply)
        if answer.msg_type != msg_type.replace("request", "reply"):
            raise Fault(f"{answer.msg_type} for {msg_type}")
        if not right(answer.content.get(name)):
            raise Fault(f"{msg_type}: {name} is {str(answer.content.get(name))[:60]}")
    return [(trip.replied - trip.sent) * 1e3 for trip in trips]
