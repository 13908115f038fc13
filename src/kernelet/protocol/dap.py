"""The Debug Adapter Protocol as values: frames, and which response belongs to which request. Knows no socket.

Source: https://microsoft.github.io/debug-adapter-protocol/overview (base protocol).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

DapMessage = dict[str, Any]
_END_OF_HEADERS = b"\r\n\r\n"
_LENGTH = b"content-length:"


class MalformedFrame(ValueError):
    """Bytes that are no DAP message; the connection they came from is of no more use."""


def encode(message: DapMessage) -> bytes:
    """Return a message with its header. Raises ValueError and TypeError for what JSON cannot say."""
    body = json.dumps(message, allow_nan=False).encode("ascii")  # escaped: a lone surrogate passes, too
    return b"Content-Length: %d%s%s" % (len(body), _END_OF_HEADERS, body)


class Frames:
    """Cuts a stream of bytes, in pieces of any size, into messages."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[DapMessage]:
        """Yield the messages that are whole now. Raises MalformedFrame."""
        self._rest += data
        while True:
            headers, found, body = self._rest.partition(_END_OF_HEADERS)
            if not found:
                return
            length = _content_length(headers)
            if len(body) < length:
                return
            self._rest = body[length:]
            yield _decode(body[:length])


def _content_length(headers: bytes) -> int:
    for line in headers.split(b"\r\n"):
        if line.lower().startswith(_LENGTH):
            number = line[len(_LENGTH) :].strip()
            if number.isdigit():
                return int(number)
    raise MalformedFrame(f"no Content-Length in {headers[:200]!r}")


def _decode(body: bytes) -> DapMessage:
    try:
        message = json.loads(body)
    except ValueError as error:
        raise MalformedFrame(f"not JSON: {error}") from None
    if not isinstance(message, dict):
        raise MalformedFrame(f"not an object: {body[:200]!r}")
    return message


@dataclass(frozen=True, slots=True)
class Response:
    """What the other side answered to our request `seq`."""

    seq: int
    message: DapMessage


@dataclass(frozen=True, slots=True)
class Event:
    """What the other side tells by itself."""

    name: str
    message: DapMessage


@dataclass(frozen=True, slots=True)
class ReverseRequest:
    """What the other side asks of us."""

    message: DapMessage


class Conversation:
    """One client's side of a connection: numbers its requests, and tells what each message that comes is."""

    def __init__(self) -> None:
        self._frames = Frames()
        self._seq = 0
        self._waiting: set[int] = set()

    def request(self, command: str, arguments: Any) -> tuple[int, bytes]:
        """Return the number and the bytes of a request; `arguments` None leaves them out."""
        self._seq += 1
        message: DapMessage = {"seq": self._seq, "type": "request", "command": command}
        if arguments is not None:
            message["arguments"] = arguments
        raw = encode(message)
        self._waiting.add(self._seq)
        return self._seq, raw

    def refuse(self, request: ReverseRequest) -> bytes:
        """Return the bytes of the answer to a request that nobody here can fulfil."""
        self._seq += 1
        return encode(
            {
                "seq": self._seq,
                "type": "response",
                "request_seq": request.message.get("seq"),
                "success": False,
                "command": request.message.get("command", ""),
                "message": "not supported",
            }
        )

    def receive(self, data: bytes) -> Iterator[Response | Event | ReverseRequest]:
        """Yield what came; responses to nothing that is waited for are dropped. Raises MalformedFrame."""
        for message in self._frames.feed(data):
            match message:
                case {"type": "response", "request_seq": int(seq)}:
                    if seq in self._waiting:
                        self._waiting.remove(seq)
                        yield Response(seq, message)
                case {"type": "event", "event": str(name)}:
                    yield Event(name, message)
                case {"type": "request"}:
                    yield ReverseRequest(message)
                case _:
                    raise MalformedFrame(f"neither response, event nor request: {str(message)[:200]}")
