"""A light raw-ZMQ client: messages are made before the clock starts and checked after it stops.

jupyter_client costs more than what is measured here. Between sending a request and seeing its answer this client does
nothing but `send_multipart`, `recv_multipart` and two substring searches; JSON and HMAC come before and after. The
answers are checked all the same: nothing that was timed is taken on trust.
"""

from __future__ import annotations

import gc
import hashlib
import hmac
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any

import zmq

DELIMITER = b"<IDS|MSG>"
PROTOCOL_VERSION = "5.5"
REPLY_DEADLINE_S = 5.0
"""How long one answer may take in a timed block before it counts as lost."""


class Fault(Exception):
    """A kernel gave no answer, or a wrong one. The text is the footnote of the cell."""


@dataclass(frozen=True, slots=True)
class Request:
    """A signed request, ready to be sent. `token` is its msg_id as it appears in the parent header of an answer."""

    msg_type: str
    token: bytes
    frames: list[bytes]


@dataclass(frozen=True, slots=True)
class Answer:
    """A verified, decoded message from the kernel."""

    msg_type: str
    parent_id: str
    content: dict[str, Any]
    buffers: list[bytes] = field(default_factory=list)

    @property
    def what(self) -> str:
        """Name the message; a status message by its state."""
        return str(self.content.get("execution_state", "status")) if self.msg_type == "status" else self.msg_type


@dataclass(frozen=True, slots=True)
class Trip:
    """One request there and back, times in seconds of `perf_counter`; frames still raw.

    `replied` is when the reply was read; `settled` when both reply and idle status were (NaN if not waited for).
    """

    request: Request
    sent: float
    replied: float
    settled: float
    reply: list[bytes]
    iopub: list[list[bytes]]


class Client:
    """The front-end's end of shell, control and iopub. Use it in one thread; close it."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], connection: Mapping[str, Any]) -> None:
        self._digest = hmac.new(str(connection["key"]).encode(), digestmod=hashlib.sha256)
        self._session = f"bench{id(self):x}"
        self._number = count(1)
        self._sockets: list[zmq.Socket[bytes]] = []

        def connect(kind: int, port: str, retry_ms: int) -> zmq.Socket[bytes]:
            socket = context.socket(kind)
            self._sockets.append(socket)
            socket.linger = 0
            socket.rcvtimeo = int(REPLY_DEADLINE_S * 1000)
            socket.sndtimeo = int(REPLY_DEADLINE_S * 1000)
            socket.rcvhwm = socket.sndhwm = 0
            # The kernel is not there yet when the sockets connect: a slow retry would blur the time to the first reply.
            socket.reconnect_ivl = retry_ms
            if kind == zmq.SUB:
                socket.subscribe(b"")
            socket.connect(f"{connection['transport']}://{connection['ip']}:{connection[port]}")
            return socket

        self.shell = connect(zmq.DEALER, "shell_port", 1)
        self.control = connect(zmq.DEALER, "control_port", 10)
        self.iopub = connect(zmq.SUB, "iopub_port", 5)
        self._connect = connect
        self._heartbeat: zmq.Socket[bytes] | None = None

    @property
    def heartbeat(self) -> zmq.Socket[bytes]:
        """The heartbeat socket, connected when first asked for."""
        if self._heartbeat is None:
            self._heartbeat = self._connect(zmq.REQ, "hb_port", 10)
        return self._heartbeat

    def close(self) -> None:
        for socket in self._sockets:
            socket.close(0)

    # -- making and checking messages, never while a clock runs

    def request(
        self,
        msg_type: str,
        content: Mapping[str, Any],
        *,
        subshell_id: str | None = None,
        buffers: Sequence[bytes] = (),
    ) -> Request:
        """Make and sign a request, with a msg_id of its own."""
        msg_id = f"{self._session}-{next(self._number):08d}-of-the-benchmark"
        header = {
            "msg_id": msg_id,
            "msg_type": msg_type,
            "username": "bench",
            "session": self._session,
            "date": datetime.now(UTC).isoformat(),
            "version": PROTOCOL_VERSION,
        }
        if subshell_id is not None:
            header["subshell_id"] = subshell_id
        parts = [json.dumps(header).encode(), b"{}", b"{}", json.dumps(content).encode()]
        return Request(msg_type, msg_id.encode(), [DELIMITER, self._sign(parts), *parts, *buffers])

    def requests(self, number: int, msg_type: str, content: Mapping[str, Any]) -> list[Request]:
        return [self.request(msg_type, content) for _ in range(number)]

    def decode(self, frames: Sequence[bytes]) -> Answer:
        """Verify and decode a message. Raises Fault if it is malformed or its signature is wrong."""
        try:
            start = frames.index(DELIMITER) + 1
            parts = list(frames[start + 1 : start + 5])
            if not hmac.compare_digest(self._sign(parts), frames[start]):
                raise Fault("bad signature")
            header, parent, content = (json.loads(parts[index]) for index in (0, 1, 3))
            # Some kernels send null as the parent of what has none.
            return Answer(header["msg_type"], (parent or {}).get("msg_id", ""), content, list(frames[start + 5 :]))
        except (ValueError, LookupError, AttributeError, TypeError) as error:
            raise Fault(f"malformed message: {error!r}") from error

    def _sign(self, parts: Sequence[bytes]) -> bytes:
        digest = self._digest.copy()
        for part in parts:
            digest.update(part)
        return digest.hexdigest().encode()

    # -- the wire

    def drain(self) -> None:
        """Throw away what lies in the sockets."""
        for socket in self._sockets:
            while socket.poll(0):
                socket.recv_multipart()

    def trips(
        self, socket: zmq.Socket[bytes], requests: Sequence[Request], *, settle: bool = True, deadline_s: float = 60.0
    ) -> list[Trip]:
        """Send each request once the one before it is answered, and time it.

        With `settle` the idle status is waited for too, so that no request finds the kernel still at work on the last
        one. The garbage collector of this process is off meanwhile. Raises Fault when an answer does not come, or when
        the whole block takes longer than `deadline_s`.
        """
        self.drain()
        clock, shell, iopub = time.perf_counter, socket, self.iopub
        trips: list[Trip] = []
        gc.collect()
        gc.disable()
        end = clock() + deadline_s
        missing = "reply"
        try:
            for request in requests:
                token, told = request.token, []
                missing = "reply"
                sent = clock()
                shell.send_multipart(request.frames)
                reply = shell.recv_multipart()
                replied = clock()
                settled = float("nan")
                if settle:
                    missing = "idle status"
                    while True:
                        frames = iopub.recv_multipart()
                        told.append(frames)
                        if frames[-1].find(b'"idle"') >= 0 and frames[-3].find(token) >= 0:
                            break
                    settled = clock()
                trips.append(Trip(request, sent, replied, settled, reply, told))
                if settled > end or replied > end:
                    raise Fault(f"only {len(trips)} of {len(requests)} {request.msg_type}s in {deadline_s:.0f} s")
        except zmq.Again:
            lost = f"no {missing} for {requests[len(trips)].msg_type}"
            raise Fault(f"{lost} {len(trips) + 1} of {len(requests)} in {REPLY_DEADLINE_S:.0f} s") from None
        finally:
            gc.enable()
        return trips
