"""The abort fence is exact: what had arrived when a cell failed is aborted, what was sent after its reply never is."""

from __future__ import annotations

import random

from protocol.harness import EchoProcess, assert_paired, hear, replies
from rawkernel import RawClient
from sandbox import Json

OTHERS: dict[str, Json] = {
    "complete_request": {"code": "x", "cursor_pos": 1},
    "is_complete_request": {"code": "x"},
    "comm_info_request": {},
    "kernel_info_request": {},
}


def execute(client: RawClient, code: str) -> Json:
    return client.send("execute_request", {"code": code})


def fail_after(client: RawClient, last: Json) -> Json:
    """Send a cell that fails once the message with header `last` (not sent yet) is in the lane's inbox."""
    return execute(client, f"fail {last['msg_id']}")


def test_exactly_the_queued_cells_are_aborted_and_the_rest_answered(client: RawClient) -> None:
    choose = random.Random(2)
    for _ in range(200):
        types = [choose.choice(["execute_request", *OTHERS]) for _ in range(choose.randint(0, 12))]
        headers = [client.header(msg_type) for msg_type in [*types, "execute_request"]]
        failing = fail_after(client, headers[-1])
        for header in headers:
            client.send_frames(client.frames(header, OTHERS.get(header["msg_type"], {"code": "never"})))
        assert client.reply(failing)["content"]["ename"] == "Failure"
        after = execute(client, "after")
        for header, reply in zip([*headers, after], replies(client, [*headers, after]), strict=True):
            if header is after:
                assert reply["content"]["status"] == "ok"
            elif header["msg_type"] == "execute_request":
                assert reply["content"] == {"status": "aborted"}
                assert reply["metadata"]["status"] == "aborted"
            else:
                assert reply["content"]["status"] in ("ok", "complete")
        heard = hear(client, after)
        assert_paired(heard, [failing, *headers, after])
        assert [m["content"]["text"] for m in heard if m["msg_type"] == "stream"] == ["after"]


def test_a_cell_sent_when_the_reply_was_seen_is_never_aborted(client: RawClient) -> None:
    for n in range(500):
        failing = execute(client, "fail")
        assert client.reply(failing)["content"]["status"] == "error"
        after = execute(client, f"{n}")
        assert client.reply(after)["content"]["status"] == "ok"
        assert_paired(hear(client, after), [failing, after])


def test_of_cells_sent_without_waiting_the_first_ones_are_aborted_and_none_behind_them(client: RawClient) -> None:
    for n in range(200):
        requests = [execute(client, code) for code in ["fail", *(n % 20 + 1) * ["x"]]]
        statuses = [client.reply(request)["content"]["status"] for request in requests]
        ran = statuses.count("ok")
        assert statuses == ["error", *(len(statuses) - 1 - ran) * ["aborted"], *ran * ["ok"]]
        hear(client, requests[-1])


def test_a_queued_cell_of_another_client_is_aborted_too(client: RawClient) -> None:
    assert client.kernel
    other = client.kernel.client().ready()
    header = other.header("execute_request")
    failing = fail_after(client, header)
    begun: list[Json] = []
    while not begun or begun[-1]["msg_type"] != "execute_input":  # the messages of two clients have no order
        begun.append(client.recv("iopub"))
    other.send_frames(other.frames(header, {"code": "never"}))
    assert client.reply(failing)["content"]["status"] == "error"
    assert other.reply(header)["content"] == {"status": "aborted"}
    assert_paired([*begun, *hear(client, header)], [failing, header])
    other.close()


def test_a_failing_cell_on_control_aborts_nothing_on_shell(client: RawClient) -> None:
    last = client.header("execute_request")
    waiting = execute(client, f"wait {last['msg_id']}")
    queued = execute(client, "queued")
    failing = client.send("execute_request", {"code": "fail"}, channel="control")
    assert client.reply(failing, "control")["content"]["status"] == "error"
    client.send_frames(client.frames(last, {"code": "last"}))
    for request in (waiting, queued, last):
        assert client.reply(request)["content"]["status"] == "ok"
    assert_paired(hear(client, last), [waiting, queued, failing, last])


def test_without_stop_on_error_nothing_is_aborted(client: RawClient) -> None:
    last = client.header("execute_request")
    content = {"code": f"fail {last['msg_id']}", "stop_on_error": False}
    failing = client.send("execute_request", content)
    queued = [execute(client, "queued") for _ in range(5)]
    client.send_frames(client.frames(last, {"code": "last"}))
    assert client.reply(failing)["content"]["status"] == "error"
    for request in [*queued, last]:
        assert client.reply(request)["content"]["status"] == "ok"
    hear(client, last)


def test_a_failing_cell_is_answered_while_others_never_stop_sending() -> None:
    with EchoProcess(key="") as echo:  # without a key, a message may be sent twice
        client, sending = echo.deaf_client(), echo.deaf_client()
        last = client.header("kernel_info_request")
        failing = fail_after(client, last)
        frames = sending.frames(sending.header("unheard_of"), {})
        for _ in range(5_000):
            sending.send_frames(frames)
        client.send_frames(client.frames(last, {}), "control")
        for _ in range(40_000):  # faster than the kernel takes them
            sending.send_frames(frames)
            if not client.silent("shell"):
                break
        assert not client.silent("shell"), "the reply waited for the end of what others send"
        assert client.reply(failing)["content"]["status"] == "error"
