"""The Debug Adapter Protocol's frames and pairing, cut anywhere."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelet.protocol.dap import Conversation, Event, Frames, MalformedFrame, Response, ReverseRequest, encode

MESSAGES = [{"seq": 1, "type": "event", "event": "naïve \ud800"}, {"seq": 2, "text": "\r\n\r\nContent-Length: 3"}, {}]


@given(st.lists(st.integers(min_value=1, max_value=60)))
def test_messages_are_whole_however_the_bytes_are_cut(sizes: list[int]) -> None:
    raw, frames, found = b"".join(map(encode, MESSAGES)), Frames(), []
    for size in sizes:
        found += frames.feed(raw[:size])
        raw = raw[size:]
    found += frames.feed(raw)
    assert found == MESSAGES


def test_other_headers_and_other_cases_are_fine() -> None:
    raw = b"Content-Type: application/json\r\ncontent-length:2\r\n\r\n{}"
    assert list(Frames().feed(raw)) == [{}]


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"Content-Length: many\r\n\r\n",
        b"Content-Length: -2\r\n\r\n{}",
        b"Content-Length: 2\r\n\r\n{]",
        b"Content-Length: 2\r\n\r\n[]",
        b"Content-Length: 1\r\n\r\n\xff",
    ],
)
def test_what_is_no_message_is_refused(raw: bytes) -> None:
    with pytest.raises(MalformedFrame):
        list(Frames().feed(raw))


def test_numbers_that_json_does_not_have_are_refused_before_anything_is_sent() -> None:
    conversation = Conversation()
    with pytest.raises(ValueError):
        conversation.request("evaluate", {"x": float("nan")})


def decoded(raw: bytes) -> dict[str, object]:
    (message,) = Frames().feed(raw)
    return message


def test_responses_belong_to_requests_and_each_is_taken_once() -> None:
    conversation = Conversation()
    first, raw = conversation.request("threads", None)
    assert decoded(raw) == {"seq": first, "type": "request", "command": "threads"}
    second, raw = conversation.request("next", {"threadId": 1})
    assert decoded(raw)["arguments"] == {"threadId": 1}
    replies = [{"type": "response", "request_seq": seq, "success": True} for seq in (second, first, first, 99)]
    event = {"type": "event", "event": "stopped", "body": {}}
    came = list(conversation.receive(b"".join(map(encode, [*replies[:1], event, *replies[1:]]))))
    assert came == [Response(second, replies[0]), Event("stopped", event), Response(first, replies[1])]


def test_request_of_the_other_side_is_refused_by_its_number() -> None:
    conversation = Conversation()
    request = {"seq": 7, "type": "request", "command": "runInTerminal"}
    (asked,) = conversation.receive(encode(request))
    assert asked == ReverseRequest(request)
    refusal = decoded(conversation.refuse(ReverseRequest(request)))
    assert (refusal["request_seq"], refusal["success"], refusal["command"]) == (7, False, "runInTerminal")


def test_message_of_no_known_kind_is_refused() -> None:
    with pytest.raises(MalformedFrame, match="neither"):
        list(Conversation().receive(encode({"type": "shout"})))


def test_encoded_is_ascii_json_behind_its_length() -> None:
    headers, _, body = encode({"é": 1}).partition(b"\r\n\r\n")
    assert headers == b"Content-Length: %d" % len(body)
    assert json.loads(body) == {"é": 1}
