"""Much at once and slow readers: nothing is lost, nothing changes its place, for any subscriber."""

from __future__ import annotations

import pytest

from protocol.echo import buffer
from protocol.harness import NARROW, EchoProcess, assert_paired, connect_again, hear, meanwhile, text_of
from rawkernel import DELIMITER, RawClient
from sandbox import Json


@pytest.fixture
def other(echo: EchoProcess, client: RawClient) -> RawClient:
    """A second client that listens with the first one."""
    return echo.client().ready()


@pytest.fixture
def narrow(echo: EchoProcess, client: RawClient) -> RawClient:
    """A subscriber that has been welcomed, and holds next to nothing."""
    one = echo.client()
    connect_again(one, "iopub", **NARROW)
    return one.ready()


def buffers_of(heard: list[Json]) -> list[list[bytes]]:
    return [message["buffers"] for message in heard if message["msg_type"] == "comm_msg"]


def quiet(client: RawClient, *others: RawClient) -> None:
    """Let a last request pass, so that everybody has read everything, and close the others."""
    request = client.send("kernel_info_request")
    client.reply(request)
    for one in (client, *others):
        hear(one, request)
    for one in others:
        one.close()


def test_5000_pipelined_cells_are_answered_in_order_with_a_subscriber_that_reads_slowly(
    client: RawClient, narrow: RawClient
) -> None:
    headers = [client.header("execute_request") for _ in range(5000)]
    heard, heard_slowly = meanwhile(hear, client, headers[-1]), meanwhile(hear, narrow, headers[-1])
    for n, header in enumerate(headers):
        client.send_frames(client.frames(header, {"code": f"cell {n}"}))
    contents = [client.reply(header)["content"] for header in headers]
    assert {content["status"] for content in contents} == {"ok"}
    first = contents[0]["execution_count"]
    assert [content["execution_count"] for content in contents] == list(range(first, first + 5000))
    for messages in (heard.result(), heard_slowly.result()):
        assert_paired(messages, headers)
        assert [m["content"]["text"] for m in messages if m["msg_type"] == "stream"] == [
            f"cell {n}" for n in range(5000)
        ]
    quiet(client, narrow)


def test_100000_small_texts_arrive_whole_at_two_subscribers(client: RawClient, other: RawClient) -> None:
    request = client.execute("texts 100000")
    heard = [meanwhile(hear, one, request) for one in (client, other)]
    assert client.reply(request)["content"]["status"] == "ok"
    for messages in heard:
        assert text_of(messages.result()) == "".join(f"{n}\n" for n in range(100000))
        assert_paired(messages.result(), [request])
    quiet(client, other)


def test_200_large_buffers_arrive_whole_and_in_order_at_two_subscribers(client: RawClient, other: RawClient) -> None:
    request = client.execute("buffers 200 400000")
    heard = [meanwhile(hear, one, request) for one in (client, other)]
    assert client.reply(request)["content"]["status"] == "ok"
    for messages in heard:
        assert buffers_of(messages.result()) == [[buffer(n, 400000), b""] for n in range(200)]
        assert_paired(messages.result(), [request])
    quiet(client, other)


def test_output_resumes_when_a_subscriber_that_had_stopped_reads_again(client: RawClient, narrow: RawClient) -> None:
    request = client.execute("buffers 2000 30000")
    first = [client.recv("iopub") for _ in range(150)]
    assert client.heartbeat() == b"ping"
    assert client.silent("shell")  # 60 MB do not fit into what lies between the kernel and one who does not read
    heard, heard_late = meanwhile(hear, client, request), meanwhile(hear, narrow, request)
    assert client.reply(request)["content"]["status"] == "ok"
    for messages in ([*first, *heard.result()], heard_late.result()):
        assert buffers_of(messages) == [[buffer(n, 30000), b""] for n in range(2000)]
        assert_paired(messages, [request])
    quiet(client, narrow)


def test_output_resumes_when_a_subscriber_that_had_stopped_leaves(client: RawClient, narrow: RawClient) -> None:
    request = client.execute("buffers 2000 30000")
    first = [client.recv("iopub") for _ in range(150)]
    assert client.silent("shell")
    narrow.close()
    messages = [*first, *hear(client, request)]
    assert client.reply(request)["content"]["status"] == "ok"
    assert buffers_of(messages) == [[buffer(n, 30000), b""] for n in range(2000)]
    quiet(client)


def test_a_subscriber_that_comes_late_is_welcomed_first_and_loses_nothing_from_then_on(
    echo: EchoProcess, client: RawClient
) -> None:
    header = client.header("execute_request")
    flood = client.execute(f"wait {header['msg_id']}")
    late = echo.client()
    welcome = late.recv("iopub")
    assert (welcome["msg_type"], welcome["content"]) == ("iopub_welcome", {"subscription": ""})
    assert welcome["parent_header"] == {}
    client.send_frames(client.frames(header, {"code": "texts 50000"}))
    assert client.reply(flood)["content"]["status"] == "ok"
    heard = [meanwhile(hear, one, header) for one in (client, late)]
    assert client.reply(header)["content"]["status"] == "ok"
    for messages in heard:
        assert text_of(messages.result()) == "".join(f"{n}\n" for n in range(50000))
    quiet(client, late)


def test_subscribers_that_come_in_the_middle_of_a_flood_are_welcomed_and_hear_the_end(
    echo: EchoProcess, client: RawClient
) -> None:
    request = client.execute("texts 200000")
    heard = meanwhile(hear, client, request)
    late = [echo.client() for _ in range(5)]
    for one in late:
        frames = one.recv_frames("iopub")
        assert frames[frames.index(DELIMITER) + 2].find(b"iopub_welcome") > 0
    assert client.reply(request)["content"]["status"] == "ok"
    last = client.send("kernel_info_request")
    client.reply(last)
    assert text_of(heard.result()) == "".join(f"{n}\n" for n in range(200000))
    for one in (client, *late):
        text = text_of(hear(one, last))
        assert "".join(f"{n}\n" for n in range(200000)).endswith(text)
        if one is not client:
            one.close()
