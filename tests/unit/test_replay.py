"""What iopub said lately: what is kept, what makes room, and what is told of it."""

from __future__ import annotations

import json

from kernelet.protocol.codec import DELIMITER, Codec
from kernelet.protocol.message import Buffer
from kernelet.runtime.replay import _DROPPED_AT_MOST, _OVERHEAD_BYTES, Recent, signed

CODEC = Codec(b"key", "hmac-sha256", "kernel", lambda: "2026-01-01T00:00:00Z")


def frames(parent: str, text: str = "x", msg_type: str = "stream", buffers: tuple[bytes, ...] = ()) -> list[Buffer]:
    raw = json.dumps({"msg_id": parent} if parent else {}).encode()
    return [f"kernel.1.{msg_type}".encode(), *CODEC.encode(msg_type, {"text": text}, raw, {"m": 1}, buffers)]


def keep(recent: Recent, *messages: list[Buffer]) -> None:
    for message in messages:
        recent.keep(message, sum(map(len, message)))


def texts(recent: Recent, msg_ids: list[str] | None = None, after: str | None = None) -> list[str]:
    return [json.loads(bytes(message[3]))["text"] for message in recent.again(msg_ids, after, "mark").messages]


def header(message: list[Buffer]) -> str:
    return str(json.loads(bytes(message[3]))["msg_id"])


def test_messages_come_again_in_order_and_by_request() -> None:
    recent = Recent()
    keep(recent, frames("a", "1"), frames("b", "2"), frames("a", "3"))
    assert texts(recent) == ["1", "2", "3"]
    assert texts(recent, ["a"]) == ["1", "3"]
    assert recent.again(["a", "c"], None, "mark").requests == {
        "a": {"messages": 2, "complete": True},
        "c": {"messages": 0, "complete": True},
    }


def test_messages_after_one_that_was_seen() -> None:
    recent = Recent()
    first, second, third = frames("a", "1"), frames("b", "2"), frames("a", "3")
    keep(recent, first, second, third)
    assert texts(recent, None, header(first)) == ["2", "3"]
    assert texts(recent, ["a"], header(second)) == ["3"]
    assert texts(recent, None, header(third)) == []


def test_a_message_that_is_not_there_any_more_is_no_limit_and_it_is_said() -> None:
    recent = Recent()
    keep(recent, frames("a", "1"))
    found = recent.again(None, "unknown", "mark")
    assert len(found.messages) == 1
    assert not found.after_found
    assert recent.again(None, None, "mark").after_found


def test_statuses_and_inputs_take_no_room() -> None:
    recent = Recent()
    keep(recent, *(frames("a", msg_type=msg_type) for msg_type in ("status", "execute_input", "iopub_welcome")))
    assert recent.size_bytes == 0


def test_the_oldest_make_room_and_their_request_is_no_longer_complete() -> None:
    recent = Recent(limit_bytes=20 * _OVERHEAD_BYTES)
    keep(recent, frames("old", "0"), *(frames("new", str(number)) for number in range(100)))
    assert recent.size_bytes <= recent.limit_bytes
    found = recent.again(["old", "new", "never seen"], None, "mark").requests
    assert found["old"] == {"messages": 0, "complete": False}
    assert found["new"]["messages"] > 5
    assert not found["new"]["complete"]
    assert found["never seen"]["complete"]
    assert set(recent.again(None, None, "mark").requests) == {"old", "new"}


def test_a_message_that_would_push_out_everything_else_is_not_kept() -> None:
    recent = Recent(limit_bytes=100_000)
    keep(recent, frames("a", "small"), frames("a", "x" * 50_000), frames("b", "small too"))
    assert texts(recent) == ["small", "small too"]
    assert recent.again(None, None, "mark").requests == {
        "a": {"messages": 1, "complete": False},
        "b": {"messages": 1, "complete": True},
    }


def test_after_very_many_losses_nothing_is_called_complete_that_is_not_known_to_be() -> None:
    recent = Recent(limit_bytes=2000)
    keep(recent, *(frames(f"request {number}") for number in range(_DROPPED_AT_MOST + 10)))
    assert not recent.again(["request 0"], None, "mark").requests["request 0"]["complete"]


def test_a_limit_of_nothing_keeps_nothing() -> None:
    recent = Recent(limit_bytes=0)
    keep(recent, frames("a"))
    assert texts(recent) == []


def test_buffers_are_copied_when_they_are_kept() -> None:
    recent, memory = Recent(), bytearray(b"then")
    message = frames("a", msg_type="comm_msg")
    keep(recent, [*message, memoryview(memory)])
    memory[:] = b"now!"
    [again] = recent.again(None, None, "mark").messages
    assert again[4:] == [b"then"]


def test_frames_that_are_no_message_are_not_kept() -> None:
    recent = Recent()
    recent.keep([b"topic", b"something of the user's own"], 30)
    assert texts(recent) == []


def test_a_message_again_is_itself_with_a_mark_and_a_signature_of_its_own() -> None:
    recent, message = Recent(), frames("a", buffers=(b"buffer",))
    keep(recent, message)
    [again] = recent.again(None, None, "mark").messages
    sent = signed(again, [b"client"], CODEC.sign)
    assert sent[:2] == [b"client", DELIMITER]
    assert sent[2] == CODEC.sign(again[:4]) != message[2]
    assert [sent[3], sent[4], sent[6], sent[7]] == [message[3], message[4], message[6], b"buffer"]
    assert json.loads(bytes(sent[5])) == {"m": 1, "replay": "mark"}


def test_what_has_no_parent_comes_again_when_all_is_asked_for() -> None:
    recent = Recent()
    keep(recent, frames("", "orphan"))
    assert texts(recent) == ["orphan"]
    assert recent.again(None, None, "mark").requests == {}
    assert texts(recent, ["a"]) == []
