"""Messages that nobody should send: dropped without a word, or answered with an error, and never harmful."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from frontend import RawClient
from rawkernel import DELIMITER

# -- messages that are dropped


def signed(client: RawClient, *parts: bytes) -> list[bytes]:
    return [DELIMITER, client.sign(parts), *parts]


def broken(client: RawClient) -> dict[str, list[bytes]]:
    """Return messages that no kernel can answer, by what is wrong with them."""
    good = client.frames(client.header("kernel_info_request"), {})
    return {
        "wrong signature": [DELIMITER, b"0" * 64, *good[2:]],
        "short signature": [DELIMITER, good[1][:-1], *good[2:]],
        "no signature": [DELIMITER, b"", *good[2:]],
        "signature that is not text": [DELIMITER, b"\xff\xfe", *good[2:]],
        "other content than signed": [*good[:5], b'{"changed": 1}'],
        "one frame": [b"hello"],
        "empty frame": [b""],
        "no delimiter": good[1:],
        "delimiter alone": [DELIMITER],
        "no frames after the signature": good[:2],
        "three frames of four": good[:5],
        "header is not JSON": signed(client, b"{not json", b"{}", b"{}", b"{}"),
        "header is not UTF-8": signed(client, b"\xff\xfe\x00", b"{}", b"{}", b"{}"),
        "header is a list": signed(client, b"[]", b"{}", b"{}", b"{}"),
        "header is null": signed(client, b"null", b"{}", b"{}", b"{}"),
        "header without type": signed(client, b'{"msg_id": "1"}', b"{}", b"{}", b"{}"),
        "header whose type is a number": signed(client, b'{"msg_id": "1", "msg_type": 7}', b"{}", b"{}", b"{}"),
        "header nested too deep": signed(client, b"[" * 100_000 + b"]" * 100_000, b"{}", b"{}", b"{}"),
        "a thousand frames": [b"x"] * 1000,
    }


BROKEN = (
    "wrong signature",
    "short signature",
    "no signature",
    "signature that is not text",
    "other content than signed",
    "one frame",
    "empty frame",
    "no delimiter",
    "delimiter alone",
    "no frames after the signature",
    "three frames of four",
    "header is not JSON",
    "header is not UTF-8",
    "header is a list",
    "header is null",
    "header without type",
    "header whose type is a number",
    "header nested too deep",
    "a thousand frames",
)
LEAKS = pytest.mark.better_than_ipykernel("a traceback of its own lands in the user's stderr, or it answers")


@LEAKS
@pytest.mark.parametrize("channel", ["shell", "control", "stdin"])
@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_message_is_dropped_without_a_word(client: RawClient, what: str, channel: str) -> None:
    client.send_frames(broken(client)[what], channel)
    client.assert_nothing_was_said("shell" if channel == "stdin" else channel)


@pytest.mark.parametrize("channel", ["shell", "control"])
@pytest.mark.parametrize("what", BROKEN[:5])
def test_a_message_with_a_bad_signature_is_dropped(client: RawClient, what: str, channel: str) -> None:
    client.send_frames(broken(client)[what], channel)
    client.assert_nothing_was_said(channel)


def test_a_bad_signature_runs_no_code(client: RawClient, tmp_path: Path) -> None:
    frames = client.frames(client.header("execute_request"), {"code": f"open({str(tmp_path / 'x')!r}, 'w')"})
    client.send_frames([frames[0], b"0" * 64, *frames[2:]])
    client.assert_nothing_was_said()
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("channel", ["shell", "control"])
def test_a_replayed_message_is_dropped(client: RawClient, channel: str) -> None:
    request = client.header("kernel_info_request")
    frames = client.frames(request, {})
    client.send_frames(frames, channel)
    client.reply(request, channel)
    client.until_idle(request)
    client.send_frames(frames, channel)
    client.assert_nothing_was_said(channel)


def test_a_replayed_cell_does_not_run_again(client: RawClient) -> None:
    request = client.header("execute_request")
    frames = client.frames(request, {"code": "replayed = globals().get('replayed', 0) + 1"})
    client.send_frames(frames)
    client.reply(request)
    client.until_idle(request)
    client.send_frames(frames)
    client.assert_nothing_was_said()
    check = client.execute("replayed")
    client.reply(check)
    assert [m["content"]["data"] for m in client.until_idle(check) if m["msg_type"] == "execute_result"] == [
        {"text/plain": "1"}
    ]


@LEAKS
def test_broken_messages_leave_no_trace_in_a_running_cell(client: RawClient) -> None:
    request = client.execute("input()\nprint('mine')", allow_stdin=True)
    client.recv("stdin")
    for frames in broken(client).values():
        client.send_frames(frames)
        client.send_frames(frames, "control")
    client.reply(client.send("kernel_info_request", channel="control"), "control")
    client.send("input_reply", {"value": ""}, channel="stdin")
    client.reply(request)
    texts = [m["content"] for m in client.until_idle(request) if m["msg_type"] == "stream"]
    assert texts == [{"name": "stdout", "text": "mine\n"}]


# -- messages that are answered with an error

NO_ANSWER = pytest.mark.better_than_ipykernel("leaves the client without an answer")


@NO_ANSWER
@pytest.mark.parametrize("channel", ["shell", "control"])
def test_an_unknown_request_is_answered_with_an_error(client: RawClient, channel: str) -> None:
    request = client.send("foo_request", {"a": 1}, channel=channel)
    reply = client.reply(request, channel)
    assert reply["msg_type"] == "foo_reply"
    assert reply["content"]["status"] == "error"
    assert reply["content"]["ename"]
    assert isinstance(reply["content"]["evalue"], str)
    assert isinstance(reply["content"]["traceback"], list)
    assert [m["content"] for m in client.until_idle(request)] == [
        {"execution_state": "busy"},
        {"execution_state": "idle"},
    ]


@pytest.mark.parametrize("msg_type", ["foo_request", "foo", "execute_reply", "status", ""])
def test_an_unknown_type_gets_its_status_pair_at_most(client: RawClient, msg_type: str) -> None:
    request = client.send(msg_type, {})
    barrier = client.send("kernel_info_request")
    while client.recv()["parent_header"]["msg_id"] != barrier["msg_id"]:
        pass
    mine = []
    while (message := client.recv("iopub"))["parent_header"].get("msg_id") != barrier["msg_id"]:
        mine.append(message)
    assert [m["content"].get("execution_state") for m in mine] in ([], ["busy", "idle"])
    assert all(m["parent_header"]["msg_id"] == request["msg_id"] for m in mine)


@NO_ANSWER
@pytest.mark.parametrize(
    ("msg_type", "content"),
    [
        ("execute_request", {}),
        ("execute_request", {"silent": False}),
        ("execute_request", {"code": 5}),
        ("execute_request", {"code": None}),
        ("execute_request", {"code": "1", "user_expressions": "not an object"}),
        ("execute_request", {"code": "1", "user_expressions": {"a": 1}}),
        ("execute_request", {"code": "1", "silent": "no"}),
        ("execute_request", {"code": "1", "store_history": []}),
        ("execute_request", {"code": "1", "allow_stdin": "yes"}),
        ("execute_request", {"code": "1", "stop_on_error": {}}),
        ("complete_request", {}),
        ("complete_request", {"code": "x", "cursor_pos": "1"}),
        ("complete_request", {"code": "x", "cursor_pos": 0.5}),
        ("complete_request", {"code": ["x"], "cursor_pos": 0}),
        ("inspect_request", {}),
        ("inspect_request", {"code": "x", "cursor_pos": [1]}),
        ("inspect_request", {"code": "x", "cursor_pos": 1, "detail_level": "1"}),
        ("inspect_request", {"code": "x", "cursor_pos": 1, "omit_sections": "type_name"}),
        ("is_complete_request", {}),
        ("is_complete_request", {"code": {"a": 1}}),
        ("history_request", {"hist_access_type": "range", "session": "x", "start": [], "output": False, "raw": True}),
        ("history_request", {}),
        ("history_request", {"hist_access_type": "head"}),
        ("history_request", {"hist_access_type": ["tail"]}),
        ("history_request", {"hist_access_type": "tail", "n": "3"}),
        ("history_request", {"hist_access_type": "search", "pattern": 3}),
        ("history_request", {"hist_access_type": "tail", "n": 1, "raw": "yes"}),
        ("comm_info_request", {"target_name": 3}),
        ("execute_request", [1, 2]),
        ("complete_request", None),
        ("kernel_info_request", "text"),
    ],
)
def test_a_request_with_a_wrong_or_missing_field_is_answered(client: RawClient, msg_type: str, content: Any) -> None:
    request = client.send(msg_type, json.dumps(content).encode())
    reply = client.reply(request)
    assert reply["msg_type"] == msg_type.replace("request", "reply")
    if msg_type == "kernel_info_request":  # it needs no content
        assert reply["content"]["status"] in ("ok", "error")
    else:
        assert reply["content"]["status"] == "error"
        assert reply["content"]["ename"]
        assert isinstance(reply["content"]["traceback"], list)
    messages = client.until_idle(request)
    assert messages[0]["content"] == {"execution_state": "busy"}
    assert "stream" not in [m["msg_type"] for m in messages]
    client.kernel_info()


@NO_ANSWER
@pytest.mark.parametrize("part", ["metadata", "content"])
def test_a_request_whose_metadata_or_content_is_not_json_is_answered(client: RawClient, part: str) -> None:
    header = client.header("execute_request")
    parts = {"metadata": b"{}", "content": b"{}", part: b"{not json"}
    client.send_frames(signed(client, json.dumps(header).encode(), b"{}", parts["metadata"], parts["content"]))
    reply = client.reply(header)
    assert reply["content"]["status"] == "error"
    assert "not JSON" in reply["content"]["evalue"]
    assert [m["content"] for m in client.until_idle(header)] == [
        {"execution_state": "busy"},
        {"execution_state": "idle"},
    ]


@NO_ANSWER
def test_a_request_without_a_field_does_not_abort_the_queue(client: RawClient) -> None:
    bad, good = client.send("execute_request", {}), client.execute("1 + 1")
    assert client.reply(bad)["content"]["status"] == "error"
    assert client.reply(good)["content"]["status"] in ("ok", "aborted")
    client.until_idle(good)


@pytest.mark.parametrize("subshell_id", ["", "unknown", 5, True, [], {}, {"id": "x"}])
def test_a_request_for_a_subshell_that_cannot_be_is_answered(client: RawClient, subshell_id: Any) -> None:
    request = client.send("execute_request", {"code": "1"}, subshell_id=subshell_id)
    content = client.reply(request)["content"]
    assert (content["status"], content["ename"]) == ("error", "UnknownSubshellError")
    assert [m["content"] for m in client.until_idle(request)] == [
        {"execution_state": "busy"},
        {"execution_state": "idle"},
    ]


@pytest.mark.better_than_ipykernel("it shuts down")
@pytest.mark.parametrize("restart", ["no", [], 0.5, {}])
def test_a_shutdown_that_says_something_strange_is_refused_and_the_kernel_stays(
    client: RawClient, restart: Any
) -> None:
    request = client.send("shutdown_request", {"restart": restart}, channel="control")
    reply = client.reply(request, "control")["content"]
    assert (reply["status"], reply["ename"]) == ("error", "InvalidField")
    assert "restart" in reply["evalue"]
    client.until_idle(request)
    client.kernel_info()


@NO_ANSWER
@pytest.mark.parametrize("msg_type", ["interrupt_request", "shutdown_request", "usage_request", "connect_request"])
@pytest.mark.parametrize("content", [b"[]", b"null", b'"text"', b"{broken"])
def test_a_control_request_whose_content_is_no_object_is_refused(
    client: RawClient, msg_type: str, content: bytes
) -> None:
    request = client.send(msg_type, content, channel="control")
    reply = client.reply(request, "control")
    assert reply["content"]["status"] == "error"
    client.until_idle(request)
    client.kernel_info()


@NO_ANSWER
@pytest.mark.parametrize("comm_id", [None, 5, [], {}])
@pytest.mark.parametrize("msg_type", ["comm_open", "comm_msg", "comm_close"])
def test_a_comm_message_without_its_id_harms_nothing(client: RawClient, msg_type: str, comm_id: Any) -> None:
    request = client.send(msg_type, {"comm_id": comm_id, "target_name": "t", "data": {}})
    assert [m["content"] for m in client.until_idle(request)] == [
        {"execution_state": "busy"},
        {"execution_state": "idle"},
    ]
    client.kernel_info()
