"""Messages as values: what a request says about itself, and the small contents that we send."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kernelet.protocol.message import NO_PARENT, Message, Parent, error_content, reply_type


def request(header: dict[str, Any] | None = None, parent: bytes = b"{}") -> Message:
    header = {"msg_id": "1", "msg_type": "execute_request", "session": "s"} | (header or {})
    raw = json.dumps(header).encode()
    return Message("shell", (b"client",), header, raw, parent, b"{}", b"{}", (memoryview(b"b"),), json.loads)


def test_a_request_knows_its_type_and_its_subshell() -> None:
    assert request().msg_type == "execute_request"
    assert request().subshell_id is None
    assert request({"subshell_id": "two"}).subshell_id == "two"


def test_a_request_as_parent_echoes_its_header_as_it_came() -> None:
    message = request()
    parent = message.parent({"code": "1"}, {"tag": 1})
    assert parent.raw is message.header_raw
    assert (parent.header, parent.idents, parent.channel) == (message.header, (b"client",), "shell")


def test_get_parent_shows_the_whole_request() -> None:
    shown = request(parent=b'{"msg_id": "0"}').parent({"code": "1"}, {"tag": 1}).message
    assert shown["header"]["msg_id"] == shown["msg_id"] == "1"
    assert shown["msg_type"] == "execute_request"
    assert shown["parent_header"] == {"msg_id": "0"}
    assert (shown["content"], shown["metadata"]) == ({"code": "1"}, {"tag": 1})
    assert [bytes(buffer) for buffer in shown["buffers"]] == [b"b"]


@pytest.mark.parametrize(
    "content, allowed", [({}, True), ({"allow_stdin": True}, True), ({"allow_stdin": False}, False)]
)
def test_stdin_is_allowed_unless_the_request_says_no(content: dict[str, Any], allowed: bool) -> None:
    assert request().parent(content, {}).allow_stdin is allowed


def test_output_without_a_request_has_an_empty_parent_and_nobody_to_ask() -> None:
    assert (NO_PARENT.raw, NO_PARENT.header, NO_PARENT.idents) == (b"{}", {}, ())
    assert not NO_PARENT.allow_stdin


def test_requests_are_told_apart_by_identity() -> None:
    assert Parent() != Parent()
    one = request()
    assert one != request()
    assert len({one, request()}) == 2


@pytest.mark.parametrize(
    "asked, answer",
    [
        ("execute_request", "execute_reply"),
        ("kernel_info_request", "kernel_info_reply"),
        ("request_request", "request_reply"),
        ("something", "something_reply"),
    ],
)
def test_a_reply_is_named_after_its_request(asked: str, answer: str) -> None:
    assert reply_type(asked) == answer


def test_an_error_is_told_with_name_value_and_traceback() -> None:
    expected = {"status": "error", "ename": "KeyError", "evalue": "'x'", "traceback": ["line"]}
    assert error_content(KeyError("x"), ["line"]) == expected
    assert error_content(ValueError("bad")) == expected | {"ename": "ValueError", "evalue": "bad", "traceback": []}
