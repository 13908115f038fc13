"""Every request on both channels: busy, its reply, idle, with the parent verbatim, whatever goes wrong."""

from __future__ import annotations

import json
import random

import pytest

from kernelet.kernel.handlers import HANDLERS
from protocol.harness import assert_paired, hear, replies
from rawkernel import DELIMITER, RawClient
from sandbox import Json

CELL = {"code": "hello"}
COMM = {"comm_id": "c", "target_name": "t", "data": {}}
REQUESTS: dict[str, Json] = {
    "execute_request": CELL,
    "complete_request": {"code": "x", "cursor_pos": 1},
    "inspect_request": {"code": "x", "cursor_pos": 1},
    "is_complete_request": {"code": "x"},
    "history_request": {"hist_access_type": "tail", "n": 1},
    "comm_info_request": {},
    "kernel_info_request": {},
    "connect_request": {},
    "usage_request": {},
    "interrupt_request": {},
    "create_subshell_request": {},
    "list_subshell_request": {},
    "replay_request": {"msg_ids": []},
    "debug_request": {"status": "ok"},
}
TOLD: dict[str, Json] = {"comm_open": COMM, "comm_msg": COMM, "comm_close": COMM}
FORKS = ("branch_request", "checkpoint_request", "restore_request")
"""Need a language that knows what a fork takes over."""
CHANNELS = pytest.mark.parametrize("channel", ["shell", "control"])


def test_these_are_all_the_requests_there_are() -> None:
    assert {*REQUESTS, *TOLD, *FORKS, "delete_subshell_request", "shutdown_request"} == set(HANDLERS)


@CHANNELS
@pytest.mark.parametrize("msg_type", REQUESTS)
def test_every_request_gets_busy_its_reply_and_idle(client: RawClient, msg_type: str, channel: str) -> None:
    request = client.send(msg_type, REQUESTS[msg_type], channel=channel)
    reply = client.reply(request, channel)
    assert reply["msg_type"] == msg_type.removesuffix("_request") + "_reply"
    assert reply["content"]["status"] in ("ok", "complete")
    heard = hear(client, request)
    assert_paired(heard, [request])
    assert {message["raw"][1] for message in [reply, *heard]} == {json.dumps(request).encode()}
    output = [message["msg_type"] for message in heard[1:-1]]
    assert output == (["execute_input", "stream"] if msg_type == "execute_request" else [])
    assert client.silent("shell", "control", "stdin", "iopub")


@CHANNELS
@pytest.mark.parametrize("msg_type", FORKS)
def test_what_needs_a_fork_is_refused_where_it_cannot_be(client: RawClient, msg_type: str, channel: str) -> None:
    request = client.send(msg_type, {}, channel=channel)
    content = client.reply(request, channel)["content"]
    assert (content["status"], content["ename"]) == ("error", "BranchRefused")
    assert_paired(hear(client, request), [request])


@CHANNELS
@pytest.mark.parametrize("msg_type", [*TOLD, "unheard_of"])
def test_what_is_told_gets_busy_and_idle_and_no_reply(client: RawClient, msg_type: str, channel: str) -> None:
    request = client.send(msg_type, TOLD.get(msg_type, {}), channel=channel)
    assert_paired(heard := hear(client, request), [request])
    assert len(heard) == 2
    client.kernel_info(channel)


@CHANNELS
@pytest.mark.parametrize(
    "msg_type",
    ["complete_request", "inspect_request", "is_complete_request", "history_request", "comm_info_request"],
)
def test_an_exception_in_a_handler_becomes_an_error_reply_and_idle(
    client: RawClient, msg_type: str, channel: str
) -> None:
    request = client.send(msg_type, {**REQUESTS[msg_type], "crash": True}, channel=channel)
    error = {"status": "error", "ename": "ZeroDivisionError", "evalue": "crash", "traceback": []}
    assert client.reply(request, channel)["content"] == error
    assert_paired(heard := hear(client, request), [request])
    assert len(heard) == 2
    client.kernel_info(channel)


@CHANNELS
def test_an_exception_in_execute_itself_becomes_an_error_reply_and_idle(client: RawClient, channel: str) -> None:
    request = client.send("execute_request", {"code": "crash"}, channel=channel)
    content = client.reply(request, channel)["content"]
    assert (content["status"], content["ename"]) == ("error", "ZeroDivisionError")
    assert_paired(hear(client, request), [request])


@CHANNELS
@pytest.mark.parametrize("msg_type", TOLD)
def test_an_exception_in_a_comm_handler_is_answered_by_idle_alone(
    client: RawClient, msg_type: str, channel: str
) -> None:
    request = client.send(msg_type, {**COMM, "crash": True}, channel=channel)
    assert_paired(hear(client, request), [request])
    client.kernel_info(channel)


@CHANNELS
@pytest.mark.parametrize(
    "msg_type, content",
    [
        ("no_such_request", b"{}"),
        ("execute_request", b"{}"),
        ("execute_request", b'{"code": 3}'),
        ("complete_request", b"[]"),
        ("inspect_request", b'{"code'),
        ("comm_info_request", b"null"),
    ],
)
def test_a_bad_request_gets_an_error_reply_and_idle(
    client: RawClient, msg_type: str, content: bytes, channel: str
) -> None:
    request = client.send(msg_type, content, channel=channel)
    reply = client.reply(request, channel)
    assert reply["msg_type"] == msg_type.removesuffix("_request") + "_reply"
    assert reply["content"]["status"] == "error"
    assert_paired(heard := hear(client, request), [request])
    assert len(heard) == 2
    client.kernel_info(channel)


@CHANNELS
def test_the_parent_is_echoed_byte_for_byte(client: RawClient, channel: str) -> None:
    header = client.header("execute_request", number=1.5, date="no date at all", big=10**30, subshell_id=None)
    text = json.dumps(header, indent=3, ensure_ascii=False).replace("1.5,", "1.50e0 ,").encode()
    parts = [text, b"{ }", b"{}", json.dumps(CELL).encode()]
    client.send_frames([DELIMITER, client.sign(parts), *parts], channel)
    assert client.reply(header, channel)["raw"][1] == text
    assert {message["raw"][1] for message in hear(client, header)} == {text}


@CHANNELS
def test_a_subshell_is_deleted_with_busy_a_reply_and_idle(client: RawClient, channel: str) -> None:
    created = client.send("create_subshell_request", channel="control")
    subshell = {"subshell_id": client.reply(created, "control")["content"]["subshell_id"]}
    for status in ("ok", "error"):  # the second time it is gone
        request = client.send("delete_subshell_request", subshell, channel=channel)
        assert client.reply(request, channel)["content"]["status"] == status
        assert_paired(hear(client, request), [request])


def test_many_requests_of_every_type_are_all_answered_and_idle_is_the_last_of_each(client: RawClient) -> None:
    choose = random.Random(1)
    types = [choose.choice([*REQUESTS]) for _ in range(300)]
    types = [msg_type for msg_type in types if msg_type != "create_subshell_request"]
    requests = [client.send(msg_type, REQUESTS[msg_type]) for msg_type in [*types, "execute_request"]]
    for reply in replies(client, requests):
        assert reply["content"]["status"] in ("ok", "complete")
    assert_paired(hear(client, requests[-1]), requests)


def test_cells_are_run_one_after_the_other(client: RawClient) -> None:
    requests = [client.execute(f"cell {n}") for n in range(300)]
    replies(client, requests)
    ids = [message["parent_header"]["msg_id"] for message in hear(client, requests[-1])]
    assert ids == [request["msg_id"] for request in requests for _ in range(4)]
