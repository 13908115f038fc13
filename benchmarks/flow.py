"""Requests sent without waiting, and all that comes back: counted while the clock runs, read after it has stopped."""

from __future__ import annotations

import gc
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import zmq

from benchmarks.client import Answer, Client, Fault, Request
from benchmarks.session import Session

QUIET_S = 5.0
"""When nothing at all comes for so long, nothing will."""
_LARGEST_STATUS = 300

CELL: dict[str, Any] = {
    "silent": False,
    "store_history": True,
    "user_expressions": {},
    "allow_stdin": False,
    "stop_on_error": True,
}


@dataclass(slots=True)
class Flow:
    """What came back: times in seconds of `perf_counter`, frames still raw."""

    sent: float
    replies: list[list[bytes]] = field(default_factory=list)
    iopub: list[list[bytes]] = field(default_factory=list)
    replied: float = 0.0
    """When the last reply was read."""
    settled: float = 0.0
    """When the last idle was read."""
    idles: int = 0

    @property
    def took_s(self) -> float:
        """From the first request until the last reply and the last idle."""
        return max(self.replied, self.settled) - self.sent

    def of_type(self, client: Client, *msg_types: str) -> list[Answer]:
        """Decode and return what iopub said of these types."""
        marks = [f'"{msg_type}"'.encode() for msg_type in msg_types]
        # The header is the third of the frames from the delimiter on.
        found = [frames for frames in self.iopub if any(mark in b"".join(frames[2:4]) for mark in marks)]
        return [answer for answer in map(client.decode, found) if answer.msg_type in msg_types]

    def text(self, client: Client, name: str = "stdout") -> str:
        told = self.of_type(client, "stream")
        return "".join(answer.content["text"] for answer in told if answer.content["name"] == name)


def flow(
    client: Client,
    requests: Sequence[Request],
    *,
    socket: zmq.Socket[bytes] | None = None,
    deadline_s: float = 30.0,
    settle: bool = True,
) -> Flow:
    """Send all requests at once; return when each has its reply and (with `settle`) its idle.

    Raises Fault when that does not happen within `deadline_s`, or when the kernel falls silent before.
    """
    shell, iopub, number = socket or client.shell, client.iopub, len(requests)
    client.drain()
    poller = zmq.Poller()
    poller.register(shell, zmq.POLLIN)
    poller.register(iopub, zmq.POLLIN)
    clock = time.perf_counter
    gc.collect()
    gc.disable()
    came = Flow(clock())
    try:
        for request in requests:
            shell.send_multipart(request.frames, copy=len(request.frames) == 6)
        heard = clock()
        while len(came.replies) < number or (settle and came.idles < number):
            now = clock()
            left_s = min(came.sent + deadline_s, heard + QUIET_S) - now
            if left_s <= 0:
                raise Fault(_lost(came, number, settle, now - came.sent))
            for ready, _ in poller.poll(left_s * 1000):
                _take(came, ready, ready is shell)
                heard = clock()
    finally:
        gc.enable()
    return came


def _take(came: Flow, socket: Any, is_shell: bool) -> None:
    """Receive all that a socket holds, for a while: the other one must not starve."""
    try:
        for _ in range(1000):
            frames = socket.recv_multipart(zmq.NOBLOCK)
            if is_shell:
                came.replies.append(frames)
                came.replied = time.perf_counter()
                continue
            came.iopub.append(frames)
            if len(frames[-1]) < _LARGEST_STATUS and b'"execution_state"' in frames[-1] and b'"idle"' in frames[-1]:
                came.idles += 1
                came.settled = time.perf_counter()
    except zmq.Again:
        return


def _lost(came: Flow, number: int, settle: bool, after_s: float) -> str:
    idles = f", {came.idles}/{number} idles" if settle else ""
    return f"stuck: {len(came.replies)}/{number} replies{idles} after {after_s:.0f} s, {len(came.iopub)} msgs"


def cell(session: Session, code: str, *, deadline_s: float = 30.0, subshell_id: str | None = None) -> Flow:
    """Run one cell to its end. Raises Fault when it fails."""
    client = session.client
    request = client.request("execute_request", CELL | {"code": code}, subshell_id=subshell_id)
    came = flow(client, [request], deadline_s=deadline_s)
    check_ok(client, came)
    return came


def check_ok(client: Client, came: Flow) -> list[Answer]:
    """Return the decoded replies. Raises Fault when one says anything but ok."""
    answers = [client.decode(frames) for frames in came.replies]
    for answer in answers:
        if answer.content.get("status") != "ok":
            told = str(answer.content.get("evalue", ""))[:80]
            raise Fault(f"{answer.msg_type}: {answer.content.get('status')}: {answer.content.get('ename')}: {told}")
    return answers


def ask(session: Session, msg_type: str, content: dict[str, Any], deadline_s: float = 5.0) -> Answer:
    """Send one request on control; return its reply, whatever it says."""
    client = session.client
    request = client.request(msg_type, content)
    came = flow(client, [request], socket=client.control, deadline_s=deadline_s, settle=False)
    return client.decode(came.replies[0])


def features(session: Session) -> list[str]:
    """Return what the kernel says that it can, asked on shell: not every kernel tells it on control."""
    client = session.client
    came = flow(client, [client.request("kernel_info_request", {})], deadline_s=5.0, settle=False)
    told = client.decode(came.replies[0]).content.get("supported_features")
    return told if isinstance(told, list) else []


def begin(session: Session, code: str, deadline_s: float = 5.0) -> Request:
    """Start a cell, and return its request once the code runs. Raises Fault."""
    client = session.client
    client.drain()
    request = client.request("execute_request", CELL | {"code": f"print('begun', flush=True)\n{code}"})
    client.shell.send_multipart(request.frames)
    end = time.perf_counter() + deadline_s
    while client.iopub.poll(max(0, end - time.perf_counter()) * 1000):
        frames = client.iopub.recv_multipart()
        if b"begun" in frames[-1] and b'"stream"' in frames[-4]:
            return request
    raise Fault(f"a cell does not begin in {deadline_s:.0f} s")
