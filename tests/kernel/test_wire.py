"""The wire, frame by frame: headers, identities, topics, welcome, heartbeat, keys and schemes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest
import zmq

from frontend import Json, RawClient, RawKernel, connection
from rawkernel import DELIMITER

# -- headers and topics


def test_every_header_has_its_fields_and_one_session(client: RawClient) -> None:
    request = client.execute("print('a'); 'b'")
    messages = [client.reply(request), *client.until_idle(request), client.kernel_info("control")]
    for message in messages:
        header = message["header"]
        assert set(header) >= {"msg_id", "msg_type", "session", "username", "date", "version"}
        assert all(isinstance(header[name], str) for name in ("msg_id", "msg_type", "session", "username", "date"))
        assert header["version"].startswith("5.")
        assert datetime.fromisoformat(header["date"]).tzinfo is not None
    assert len({message["header"]["session"] for message in messages}) == 1
    assert len({message["header"]["version"] for message in messages}) == 1
    assert len({message["header"]["msg_id"] for message in messages}) == len(messages)


def test_the_parent_header_is_the_request_header_with_its_foreign_keys(client: RawClient) -> None:
    foreign = {"foreign": {"a": [1, None, 2.5]}, "subshell_id": None, "é": "😀"}
    request = client.send("execute_request", {"code": "print('a')"}, **foreign)
    for message in (client.reply(request), *client.until_idle(request)):
        assert message["parent_header"] == request


@pytest.mark.better_than_ipykernel("parses the header and writes it anew")
def test_the_parent_header_is_echoed_byte_for_byte(client: RawClient) -> None:
    header = client.header("execute_request", number=1.50, date="2024-01-01 no date at all", big=10**30)
    text = json.dumps(header, indent=3, ensure_ascii=False).replace("1.5,", "1.50 ,").encode()
    parts = [text, b"{ }", b"{}", json.dumps({"code": "print(1)"}).encode()]
    client.send_frames([DELIMITER, client.sign(parts), *parts])
    assert client.reply(header)["raw"][1] == text
    for message in client.until_idle(header):
        assert message["raw"][1] == text


def test_topics_name_the_type(client: RawClient) -> None:
    request = client.execute("print('a')\nimport sys; print('b', file=sys.stderr)\ndisplay(1)\n2")
    client.reply(request)
    prefixes = set()
    for message in client.until_idle(request):
        (topic,) = (ident.decode() for ident in message["idents"])
        if message["msg_type"] == "stream":
            assert topic == f"stream.{message['content']['name']}"
        else:
            prefix, _, last = topic.rpartition(".")
            assert last == message["msg_type"]
            prefixes.add(prefix)
    (prefix,) = prefixes - {""}  # ipykernel's displays have their bare type for a topic
    assert prefix.startswith("kernel.")


def test_a_comm_topic_has_the_comm_id(client: RawClient) -> None:
    request = client.execute("from comm import create_comm\nc = create_comm(target_name='t')\nc.send({})")
    client.reply(request)
    for message in client.until_idle(request):
        if message["msg_type"].startswith("comm_"):
            assert message["idents"] == [f"comm-{message['content']['comm_id']}".encode()]


def test_all_identities_come_back_in_order(client: RawClient) -> None:
    header = client.header("kernel_info_request")
    client.send_frames([b"route-1", b"", b"route-2", *client.frames(header, {})])
    reply = client.reply(header)
    assert reply["idents"] == [b"route-1", b"", b"route-2"]


def test_replies_go_to_the_client_that_asked(raw: RawKernel) -> None:
    one, other = raw.client().ready(), raw.client().ready()
    requests = [(who, who.execute(f"'{n}'")) for n, who in enumerate([one, other, other, one])]
    for who, request in requests:
        assert who.reply(request)["content"]["status"] == "ok"
    assert one.silent("shell")
    assert other.silent("shell")
    heard = [m["parent_header"]["session"] for m in one.until_idle(requests[-1][1])]
    assert set(heard) == {one.session}
    one.close()
    other.close()


def test_both_clients_hear_what_one_of_them_runs(raw: RawKernel) -> None:
    one, other = raw.client().ready(), raw.client().ready()
    request = one.execute("print('for both')")
    one.reply(request)
    texts = [[m["content"] for m in who.until_idle(request) if m["msg_type"] == "stream"] for who in (one, other)]
    assert texts[0] == texts[1] == [{"name": "stdout", "text": "for both\n"}]
    one.close()
    other.close()


# -- iopub: welcome and starting


@pytest.mark.better_than_ipykernel("welcomes the first subscriber only")
@pytest.mark.parametrize("subscription", [b"", b"stream", b"kernel."])
def test_every_subscriber_is_welcomed(raw: RawKernel, subscription: bytes) -> None:
    clients = [raw.client(subscription=subscription) for _ in range(3)]
    for client in clients:
        welcome = client.recv("iopub")
        while welcome["msg_type"] != "iopub_welcome":  # a status of another client's request
            welcome = client.recv("iopub")
        assert welcome["content"] == {"subscription": subscription.decode()}
        assert welcome["parent_header"] == {}
        assert b"".join(welcome["idents"]) == subscription
    for client in clients:
        client.close()


def test_a_subscription_to_streams_brings_streams_only(raw: RawKernel) -> None:
    with_topic = raw.client(subscription=b"stream.stdout")
    listener = raw.client().ready()
    while True:  # until the subscription is there
        request = listener.execute("import sys\nprint('out')\nprint('err', file=sys.stderr)\n'result'")
        listener.reply(request)
        listener.until_idle(request)
        if with_topic.sockets["iopub"].poll(500):
            break
    kinds = set()
    while with_topic.sockets["iopub"].poll(0):
        message = with_topic.recv("iopub")
        if message["msg_type"] != "iopub_welcome":
            kinds.add((message["msg_type"], message["content"].get("name")))
    assert kinds <= {("stream", "stdout")}
    with_topic.close()
    listener.close()


def test_starting_is_said_once_and_first() -> None:
    content = connection()
    client = RawClient(content)  # waits for the kernel, as a launcher's client does
    with RawKernel(content=content) as kernel:
        client.kernel = kernel
        seen = [client.recv("iopub")]
        while seen[-1]["msg_type"] == "iopub_welcome":
            seen.append(client.recv("iopub"))
        assert seen[-1]["content"] == {"execution_state": "starting"}
        assert seen[-1]["parent_header"] == {}
        client.ready()
        request = client.execute("1")
        client.reply(request)
        assert {"execution_state": "starting"} not in [m["content"] for m in client.until_idle(request)]
        client.close()


# -- heartbeat


def test_the_heartbeat_echoes(client: RawClient) -> None:
    for payload in (b"ping", b"", b"\x00" * 100_000):
        assert client.heartbeat(payload) == payload


def test_the_heartbeat_and_many_frames(client: RawClient) -> None:
    client.sockets["hb"].send_multipart([b"one", b"two"])
    assert client.recv_frames("hb") == [b"one", b"two"]


@contextmanager
def gil_held(client: RawClient, tmp_path: Path, before: str = "") -> Iterator[Json]:
    """Run a cell that holds the GIL in C until the end of the block; yield its header."""
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    # A read that never lets go of the GIL: nothing written in Python can run until this test writes to the pipe.
    code = f"""
import ctypes, os
fd = os.open({str(gate)!r}, os.O_RDWR)
open({str(tmp_path / "ready")!r}, "w").close()
{before}
got = ctypes.PyDLL(None).read(fd, ctypes.create_string_buffer(1), 1)
os.close(fd)
got
"""
    request = client.execute(code)
    assert client.kernel is not None
    client.kernel.eventually(lambda: (tmp_path / "ready").exists() or None, "cell that holds the GIL")
    try:
        yield request
        assert client.silent("shell")
    finally:
        with open(gate, "wb") as file:
            file.write(b"x")
    assert client.reply(request)["content"]["status"] == "ok"


def test_the_heartbeat_answers_while_a_cell_holds_the_gil_in_c(client: RawClient, tmp_path: Path) -> None:
    with gil_held(client, tmp_path) as request:
        for n in range(200):
            assert client.heartbeat(b"%d" % n) == b"%d" % n
    results = [m["content"]["data"] for m in client.until_idle(request) if m["msg_type"] == "execute_result"]
    assert results == [{"text/plain": "1"}]


def test_flushed_text_leaves_before_a_cell_holds_the_gil_in_c(client: RawClient, tmp_path: Path) -> None:
    with gil_held(client, tmp_path, before="print('before', flush=True)"):
        seen = [client.recv("iopub") for _ in range(3)]
        assert [m["msg_type"] for m in seen] == ["status", "execute_input", "stream"]
        assert seen[2]["content"] == {"name": "stdout", "text": "before\n"}


# -- keys and schemes


@pytest.mark.parametrize("scheme", ["hmac-sha256", "hmac-sha512", "hmac-md5", "hmac-sha1", "hmac-sha3_256"])
def test_every_hmac_scheme_signs_and_is_checked(scheme: str) -> None:
    with RawKernel(content=connection(signature_scheme=scheme)) as kernel:
        client = kernel.client().ready()
        request = client.execute("1 + 1")
        assert client.reply(request)["content"]["status"] == "ok"
        client.until_idle(request)
        frames = client.frames(client.header("kernel_info_request"), {})
        client.send_frames([frames[0], b"0" * len(frames[1]), *frames[2:]])
        client.assert_nothing_was_said()


def test_an_empty_key_means_no_signatures() -> None:
    with RawKernel(content=connection(key="")) as kernel:
        client = kernel.client().ready()
        frames = client.frames(header := client.header("execute_request"), {"code": "1 + 1"})
        assert frames[1] == b""
        client.send_frames(frames)
        assert client.reply(header)["content"]["status"] == "ok"
        client.until_idle(header)
        again = client.header("kernel_info_request")  # two equal (empty) signatures are not a replay
        client.send_frames(client.frames(again, {}))
        assert client.reply(again)["content"]["status"] == "ok"


def test_a_key_may_have_any_characters() -> None:
    with RawKernel(content=connection(key='é😀 "quoted" \\ key')) as kernel:
        client = kernel.client().ready()
        assert client.kernel_info()["content"]["status"] == "ok"


# -- clients that misbehave


def test_extra_buffers_of_any_request_are_ignored(client: RawClient) -> None:
    header = client.header("kernel_info_request")
    client.send_frames([*client.frames(header, {}), b"buffer", b"\xff" * 1_000_000])
    assert client.reply(header)["content"]["status"] == "ok"


def test_a_header_with_the_bare_minimum_is_enough(client: RawClient) -> None:
    header = {"msg_id": "bare", "msg_type": "kernel_info_request", "session": "s", "username": "", "version": "5.0"}
    client.send_frames(client.frames(header, {}))
    assert client.reply(header)["content"]["status"] == "ok"


def test_a_fast_client_gets_every_reply_in_order(client: RawClient) -> None:
    requests = [client.execute(f"{n}") for n in range(500)]
    assert [client.reply(request)["content"]["status"] for request in requests] == ["ok"] * 500
    client.until_idle(requests[-1])


def test_a_client_that_goes_away_with_its_answers_unread_harms_nobody(raw: RawKernel) -> None:
    leaving = raw.client().ready()
    for n in range(100):
        leaving.execute(f"print({n})")
    leaving.close()
    staying = raw.client().ready()
    request = staying.execute("'here'")
    assert staying.reply(request)["content"]["status"] == "ok"
    staying.close()


def test_the_wire_survives_what_is_not_zmq(raw: RawKernel, client: RawClient) -> None:
    import socket

    for name in ("shell_port", "control_port", "stdin_port", "iopub_port", "hb_port"):
        with socket.create_connection(("127.0.0.1", raw.content[name])) as one:
            one.sendall(b"GET / HTTP/1.1\r\n\r\n" + os.urandom(1000))
    assert client.kernel_info()["content"]["status"] == "ok"
    assert client.heartbeat() == b"ping"


def test_a_message_on_stdin_that_nobody_asked_for_is_ignored(client: RawClient) -> None:
    client.send("input_reply", {"value": "x"}, channel="stdin")
    client.send("execute_request", {"code": "print('no')"}, channel="stdin")
    client.send("input_reply", [], channel="stdin")  # type: ignore[arg-type]  # broken on purpose
    client.assert_nothing_was_said()


def test_subscriptions_with_odd_topics_harm_nobody(raw: RawKernel, client: RawClient) -> None:
    for topic in (b"\xff\xfe", b"x" * 10_000):
        odd = raw.client()
        odd.sockets["iopub"].setsockopt(zmq.SUBSCRIBE, topic)
        odd.send("kernel_info_request")
        odd.recv()
        odd.close()
    assert client.kernel_info()["content"]["status"] == "ok"
