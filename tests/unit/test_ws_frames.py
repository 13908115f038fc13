from __future__ import annotations

import json
import struct
from typing import Any

import pytest

from kernelet.service.backends.ws_frames import V1, FrameError, decode, encode

MESSAGE: dict[str, Any] = {
    "header": {"msg_id": "1", "msg_type": "stream"},
    "parent_header": {},
    "metadata": {"é": 1},
    "content": {"text": "ü" * 10},
    "buffers": [],
}


@pytest.mark.parametrize("subprotocol", [V1, None])
def test_a_message_comes_back_as_it_was(subprotocol: str | None) -> None:
    assert decode(encode("iopub", MESSAGE, subprotocol), subprotocol) == ("iopub", MESSAGE)


def test_buffers_of_the_old_framing_are_read() -> None:
    body = json.dumps({**MESSAGE, "channel": "iopub"}).encode()
    offsets = [12, 12 + len(body)]
    frame = struct.pack("!3I", 2, *offsets) + body + b"raw"
    assert decode(frame, None) == ("iopub", {**MESSAGE, "buffers": [b"raw"]})


def test_buffers_of_the_new_framing_are_read() -> None:
    parts = [b"iopub", *(json.dumps(MESSAGE[name]).encode() for name in list(MESSAGE)[:4]), b"raw"]
    offsets = [8 * (len(parts) + 2)]
    for part in parts:
        offsets.append(offsets[-1] + len(part))
    frame = struct.pack(f"<{len(offsets) + 1}Q", len(offsets), *offsets) + b"".join(parts)
    assert decode(frame, V1) == ("iopub", {**MESSAGE, "buffers": [b"raw"]})


@pytest.mark.parametrize("subprotocol", [V1, None])
@pytest.mark.parametrize("frame", [b"", b"x" * 40, "[]", "{}", "nonsense", encode("iopub", MESSAGE, V1)[:-30]])
def test_what_is_no_message_is_refused_by_one_exception(subprotocol: str | None, frame: bytes | str) -> None:
    with pytest.raises(FrameError):
        decode(frame, subprotocol)
