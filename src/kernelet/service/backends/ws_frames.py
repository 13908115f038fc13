"""Kernel messages on a WebSocket: Jupyter's two framings, to bytes or text and back. Pure.

Source: jupyter-server documentation, "WebSocket kernel wire protocols".
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from itertools import pairwise

from kernelet.service.backends.backend import Message

V1 = "v1.kernel.websocket.jupyter.org"
"""The subprotocol whose frames are those of ZeroMQ, with their offsets before them."""

_U64 = struct.Struct("<Q")
_PARTS = ("header", "parent_header", "metadata", "content")


class FrameError(ValueError):
    """A frame that is no message."""


def encode(channel: str, message: Message, subprotocol: str | None) -> bytes | str:
    """Return the frame of a message without buffers, in the subprotocol that was agreed on; None is the old one."""
    if subprotocol != V1:
        return json.dumps({**message, "channel": channel})
    parts = [channel.encode(), *(json.dumps(message[name]).encode() for name in _PARTS)]
    offsets = [8 * (len(parts) + 2)]
    for part in parts:
        offsets.append(offsets[-1] + len(part))
    return b"".join([_U64.pack(len(offsets)), *map(_U64.pack, offsets), *parts])


def decode(frame: bytes | str, subprotocol: str | None) -> tuple[str, Message]:
    """Return the channel and the message of a frame.

    Raises:
        FrameError: it has another shape.
    """
    try:
        if subprotocol == V1:
            return _decode_v1(frame if isinstance(frame, bytes) else frame.encode())
        message, buffers = _decode_old(frame)
        channel = message.pop("channel")
        return channel, {**message, "buffers": buffers}
    except (ValueError, KeyError, IndexError, struct.error, TypeError) as error:
        raise FrameError(f"a frame that is no Jupyter message: {error!r}") from error


def _decode_v1(frame: bytes) -> tuple[str, Message]:
    (number,) = _U64.unpack_from(frame)
    offsets = [_U64.unpack_from(frame, 8 * (1 + index))[0] for index in range(number)]
    parts = _cut(frame, offsets)
    channel, *bodies = parts[:5]
    if len(bodies) < len(_PARTS):
        raise FrameError(f"{len(bodies)} parts")
    message: Message = {name: json.loads(body) for name, body in zip(_PARTS, bodies, strict=True)}
    return channel.decode(), {**message, "buffers": parts[5:]}


def _decode_old(frame: bytes | str) -> tuple[Message, list[bytes]]:
    if isinstance(frame, str):
        message: Message = json.loads(frame)
        return message, []
    # A message with buffers: big-endian 32-bit numbers, how many and where each begins, the JSON first.
    (number,) = struct.unpack_from("!I", frame)
    offsets = [*struct.unpack_from(f"!{number}I", frame, 4), len(frame)]
    body, *buffers = _cut(frame, offsets)
    message = json.loads(body)
    return message, buffers


def _cut(frame: bytes, offsets: Sequence[int]) -> list[bytes]:
    return [frame[start:end] for start, end in pairwise(offsets)]
