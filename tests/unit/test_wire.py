"""The wire: requests in, everything the kernel says out, in order, for every subscriber, and nothing lost."""

from __future__ import annotations

import os
import queue
import threading
import time
from typing import Any

import pytest
import zmq

import kernelet.runtime.sending
import kernelet.runtime.sockets
from asleep import wait_until_asleep
from kernelet.protocol.codec import Codec
from kernelet.protocol.message import Message, Parent
from kernelet.runtime import reception
from kernelet.runtime.dozing import NO_SELECTOR

DEADLINE_S = 30
CELL = Parent(b'{"msg_id":"cell"}')
Rig = Any  # conftest's


@pytest.fixture
def few_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let libzmq hold few messages for a subscriber, so that less is written until it is full."""
    monkeypatch.setattr(kernelet.runtime.sockets, "IOPUB_HWM", 10)


# -- in ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channel", ["shell", "control", "stdin"])
def test_a_request_arrives_with_its_channel_and_its_sender(running: Rig, channel: Any) -> None:
    client = running.client(channel, routing_id=b"me")
    client.send_multipart(running.codec.encode("x_request", {"a": 1}, buffers=[b"b" * 100_000, b""]))
    message = running.requests.get(timeout=DEADLINE_S)
    assert (message.channel, message.idents, message.msg_type) == (channel, (b"me",), "x_request")
    assert [bytes(buffer) for buffer in message.buffers] == [b"b" * 100_000, b""]


def test_a_malformed_message_is_dropped_and_logged_and_the_next_one_taken(running: Rig, log: Any) -> None:
    client = running.client("shell")
    client.send(b"garbage")
    client.send_multipart(Codec(b"wrong", "hmac-sha256", "s", lambda: "").encode("forged", {}))
    client.send_multipart(running.codec.encode("good", {}))
    assert running.requests.get(timeout=DEADLINE_S).msg_type == "good"
    told = log.lines()
    assert "dropped a message on shell: no delimiter" in told
    assert "dropped a message on shell: bad signature" in told


def test_many_requests_arrive_in_order(running: Rig) -> None:
    client = running.client("shell")
    for number in range(1000):
        client.send_multipart(running.codec.encode(f"r{number}", {}))
    got = [running.requests.get(timeout=DEADLINE_S).msg_type for _ in range(1000)]
    assert got == [f"r{number}" for number in range(1000)]


def test_receive_all_takes_what_has_reached_the_shell(rig: Rig) -> None:
    client = rig.client("shell")
    for number in range(300):
        client.send_multipart(rig.codec.encode(f"r{number}", {}))
    rig.wire.sockets.by_name["shell"].poll(DEADLINE_S * 1000)
    while rig.requests.qsize() < 300:
        rig.wire.receive_all()


# -- in, by the thread that handles it ---------------------------------------------------------------------------------

here = pytest.mark.skipif(not reception.possible(), reason="EPOLLEXCLUSIVE is Linux's")


def connected(running: Rig) -> Any:
    """Return a client that has reached the wire: connecting is news at the socket, too."""
    client = running.client("shell")
    client.send_multipart(running.codec.encode("connected", {}))
    assert running.requests.get(timeout=DEADLINE_S).msg_type == "connected"
    return client


def send_while_asleep(running: Rig, client: Any, *messages: str) -> threading.Thread:
    """Send from another thread once this one sleeps."""
    sleeper = threading.current_thread()

    def send() -> None:
        wait_until_asleep(sleeper)
        for msg_type in messages:
            client.send_multipart(running.codec.encode(msg_type, {}))

    thread = threading.Thread(target=send)
    thread.start()
    return thread


@here
def test_who_waits_at_the_reception_receives_in_the_place_of_the_wire(running: Rig) -> None:
    taken: list[tuple[int, str]] = []

    def accept(message: Message) -> bool:
        taken.append((threading.get_ident(), message.msg_type))
        return True

    client = connected(running)
    desk = running.wire.reception(accept)
    for number in range(20):
        sender = send_while_asleep(running, client, f"r{number}")
        assert desk.sleep(NO_SELECTOR)
        sender.join(DEADLINE_S)
    assert taken == [(threading.get_ident(), f"r{number}") for number in range(20)]
    assert running.requests.empty()
    desk.close()


@here
def test_what_is_for_others_is_the_wires_and_stays_in_order(running: Rig) -> None:
    def accept(message: Message) -> bool:
        return message.msg_type == "mine"

    client = connected(running)
    desk = running.wire.reception(accept)
    names = [f"r{number}" for number in range(200)]
    sender = send_while_asleep(running, client, *names, "last")
    told = threading.Thread(target=lambda: (sender.join(), desk.wake()))
    told.start()
    assert desk.sleep(NO_SELECTOR)
    told.join(DEADLINE_S)
    assert [running.requests.get(timeout=DEADLINE_S).msg_type for _ in range(201)] == [*names, "last"]
    desk.close()


@here
def test_while_nobody_waits_at_the_reception_the_wire_receives(running: Rig) -> None:
    desk = running.wire.reception(lambda message: True)
    client = running.client("shell")
    for number in range(20):
        client.send_multipart(running.codec.encode(f"r{number}", {}))
        assert running.requests.get(timeout=DEADLINE_S).msg_type == f"r{number}"
    desk.close()


@here
def test_a_malformed_message_at_the_reception_is_dropped_and_logged(running: Rig, log: Any) -> None:
    desk = running.wire.reception(lambda message: True)
    sleeper, client = threading.current_thread(), running.client("shell")
    told: list[str] = []

    def send() -> None:
        wait_until_asleep(sleeper)
        client.send(b"garbage")
        while not told:
            told.extend(log.lines().splitlines())
        desk.wake()

    sender = threading.Thread(target=send)
    sender.start()
    assert desk.sleep(NO_SELECTOR)
    sender.join(DEADLINE_S)
    assert "dropped a message on shell: no delimiter" in told[0]
    desk.close()


@here
def test_the_reception_of_a_wire_that_has_stopped_gives_nothing(rig: Rig) -> None:
    rig.wire.start()
    desk = rig.wire.reception(lambda message: True)
    rig.wire.stop(DEADLINE_S)
    assert not rig.wire.receive_here(lambda message: True)
    desk.close()


# -- out ---------------------------------------------------------------------------------------------------------------


def test_a_reply_goes_to_the_client_that_asked_with_its_header_as_parent(running: Rig) -> None:
    other, client = running.client("shell", routing_id=b"other"), running.client("shell", routing_id=b"me")
    other.send_multipart(running.codec.encode("x_request", {}))
    client.send_multipart(running.codec.encode("x_request", {}))
    said = {}
    for _ in range(2):  # whichever came first
        parent = running.requests.get(timeout=DEADLINE_S).parent({}, {})
        name = parent.idents[0].decode()
        said[name] = running.wire.send("shell", "x_reply", {"to": name}, parent), parent.raw
    for socket, name in [(other, "other"), (client, "me")]:
        msg_type, content, message = running.received(socket)
        assert (msg_type, content) == ("x_reply", {"to": name})
        assert (message.header, message.parent_raw) == said[name]


def test_a_client_that_is_gone_is_no_error(running: Rig) -> None:
    running.wire.send("shell", "x_reply", {}, Parent(idents=(b"nobody",)))
    subscriber = running.subscriber()
    running.wire.publish("status", {}, CELL)
    assert running.received(subscriber)[0] == "status"


def test_every_subscriber_gets_a_welcome_before_anything_else(running: Rig) -> None:
    ended = threading.Event()

    def publish() -> None:
        while not ended.is_set():
            running.wire.publish("status", {}, CELL)

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        for topic in (b"", b"kernel.") * 15:  # a race, if there is one: many times
            running.subscriber(topic).close(linger=0)  # asserts that its first message is the welcome
            running.subscriptions.get(timeout=DEADLINE_S)
    finally:
        ended.set()
        thread.join()
        running.close_clients()  # with all that they did not read


def test_a_subscriber_beside_one_that_lags_gets_its_welcome_later(few_messages: None, running: Rig) -> None:
    lagging = running.subscriber(rcvhwm=1, rcvbuf=1 << 16)
    while time.monotonic() - (running.wire._blocked_since or time.monotonic()) < 0.5:  # and its buffers are full
        if running.wire._outbox.size < 1 << 20:
            running.wire.publish("status", {"fill": "x" * 20_000}, CELL)
    late = running._connect(zmq.SUB, running._connection.endpoint("iopub"))
    late.subscribe(b"")
    running.subscriptions.get(timeout=DEADLINE_S)  # the lagging one's
    running.subscriptions.get(timeout=DEADLINE_S)
    emptied = threading.Event()
    running.wire.barrier(emptied.set)
    while not emptied.is_set():
        lagging.poll(1) and lagging.recv_multipart()
    running.wire.publish("status", {}, CELL)
    assert running.received(late)[:2] == ("iopub_welcome", {"subscription": ""})


def test_an_unsubscription_is_no_subscription(running: Rig) -> None:
    subscriber = running.subscriber()
    running.subscriptions.get(timeout=DEADLINE_S)
    subscriber.unsubscribe(b"")
    subscriber.subscribe(b"stream")
    assert running.received(subscriber)[1] == {"subscription": "stream"}
    running.subscriptions.get(timeout=DEADLINE_S)
    assert running.subscriptions.empty()


def test_topics_select_what_a_subscriber_gets(running: Rig) -> None:
    subscriber = running.subscriber(b"display")
    running.wire.publish("status", {}, CELL)
    running.wire.write("stdout", CELL, "text")
    running.wire.publish("display_data", {}, CELL, topic="display_data")
    assert running.received(subscriber)[0] == "display_data"


def test_text_and_messages_leave_in_the_order_they_were_put(running: Rig) -> None:
    subscriber = running.subscriber()
    expected = []
    for number in range(200):
        running.wire.write("stdout", CELL, f"{number} ")
        running.wire.write("stdout", CELL, "again")
        running.wire.publish("display_data", {"n": number}, CELL, lazy=number % 2 == 0)
        expected += [("stream", f"{number} again"), ("display_data", number)]
    got = []
    while len(got) < len(expected):
        msg_type, content, message = running.received(subscriber)
        assert message.parent_raw == CELL.raw
        if msg_type == "stream" and got and got[-1][0] == "stream":
            got[-1] = ("stream", got[-1][1] + content["text"])
        else:
            got.append((msg_type, content.get("text", content.get("n"))))
    assert got == expected


def test_lone_surrogates_in_text_reach_the_subscriber_as_replacements(running: Rig) -> None:
    subscriber = running.subscriber()
    running.wire.write("stdout", CELL, "a\ud800b")
    assert running.text(subscriber, 3) == "a\ufffdb"


# -- descriptors and timers --------------------------------------------------------------------------------------------


def test_a_watched_descriptor_is_read_in_the_wire_thread_until_it_is_unwatched(rig: Rig) -> None:
    reader, writer = os.pipe()
    seen: queue.Queue[tuple[bytes, bool]] = queue.Queue()
    rig.wire.watch(reader, lambda: seen.put((os.read(reader, 1), threading.current_thread() is rig.wire.thread)))
    rig.wire.start()
    for byte in (b"a", b"b"):
        os.write(writer, byte)
        assert seen.get(timeout=DEADLINE_S) == (byte, True)
    unwatched = threading.Event()
    rig.wire.barrier(lambda: (rig.wire.unwatch(reader), rig.wire.unwatch(reader), unwatched.set()))
    assert unwatched.wait(DEADLINE_S)
    os.write(writer, b"c")
    turned = threading.Event()
    rig.wire.barrier(turned.set)
    assert turned.wait(DEADLINE_S)
    assert os.read(reader, 1) == b"c"
    os.close(reader)
    os.close(writer)


def test_timers_are_called_in_the_order_of_their_time(running: Rig) -> None:
    called: queue.Queue[str] = queue.Queue()

    def plan() -> None:
        running.wire.call_later(0.02, lambda: called.put("second"))
        running.wire.call_later(0.0, lambda: called.put("first"))

    running.wire.barrier(plan)
    assert [called.get(timeout=DEADLINE_S) for _ in range(2)] == ["first", "second"]


# -- slow subscribers --------------------------------------------------------------------------------------------------


def test_captured_descriptors_are_not_read_while_too_much_waits(
    few_messages: None, rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernelet.runtime.sending, "FULL_BYTES", 1 << 16)
    monkeypatch.setattr(kernelet.runtime.sending, "STALL_S", 2 * DEADLINE_S)
    chunk = b"x" * 4096
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    rig.wire.watch(reader, lambda: rig.wire.put_text("stdout", CELL, os.read(reader, 4096).decode()))
    rig.wire.start()
    subscriber = rig.subscriber(rcvhwm=1, rcvbuf=1 << 16)
    written = 0
    blocked = 0
    # The pipe fills up only when nobody reads it: what the subscriber, its socket and the outbox hold is bounded.
    while blocked < 1000 and written < 1 << 28:
        try:
            written += os.write(writer, chunk)
            blocked = 0
        except BlockingIOError:
            blocked += 1
            threading.Event().wait(0.001)
    assert blocked
    asker = rig._connect(zmq.REQ, rig._connection.endpoint("hb"))
    asker.send(b"ping")  # the first beat
    assert asker.recv() == b"ping"
    os.set_blocking(writer, True)
    assert rig.text(subscriber, written - 65536)
    os.close(writer)
    unwatched = threading.Event()
    rig.wire.barrier(lambda: (rig.wire.unwatch(reader), unwatched.set()))
    while not unwatched.wait(0):
        subscriber.poll(1) and subscriber.recv_multipart()
    os.close(reader)


def stalled(rig: Rig, log: Any, reading: zmq.Socket[bytes]) -> None:
    """Add a subscriber that does not read, and publish until the wire gives it up; `reading` is kept read."""
    rig.subscriber(rcvhwm=1, rcvbuf=4096)
    told = ""
    for _ in range(100_000):
        rig.wire.publish("filler", {"fill": "x" * 20_000}, CELL)
        while reading.poll(0):
            reading.recv_multipart()
        told += log.lines()
        if "loses messages" in told:
            return
    pytest.fail("the wire never gave it up")


def test_a_subscriber_that_stalls_does_not_stop_the_kernel(
    running: Rig, monkeypatch: pytest.MonkeyPatch, log: Any
) -> None:
    monkeypatch.setattr(kernelet.runtime.sending, "STALL_S", 0.05)
    reading = running.subscriber(rcvhwm=0)
    stalled(running, log, reading)
    empty = threading.Event()
    running.wire.barrier(empty.set)
    while not empty.is_set():
        reading.poll(1) and reading.recv_multipart()
    while reading.poll(100):
        reading.recv_multipart()
    running.wire.publish("last", {}, CELL)
    while running.received(reading)[0] != "last":
        pass


def test_a_subscriber_that_stalls_costs_the_others_nothing(
    running: Rig, monkeypatch: pytest.MonkeyPatch, log: Any
) -> None:
    monkeypatch.setattr(kernelet.runtime.sending, "STALL_S", 0.05)
    reading = running.subscriber(rcvhwm=0)
    stalled(running, log, reading)

    def publish() -> None:
        for n in range(2000):
            running.wire.publish("n", {"n": n, "fill": "x" * 20_000}, CELL)
        running.wire.publish("last", {}, CELL)

    publisher = threading.Thread(target=publish)
    publisher.start()
    got = []
    msg_type = ""
    while msg_type != "last":
        msg_type, content, _ = running.received(reading)
        if msg_type == "n":
            got.append(content["n"])
    publisher.join()
    assert got == list(range(2000))


# -- the end -----------------------------------------------------------------------------------------------------------


def test_stop_sends_what_is_queued_and_frees_the_ports(rig: Rig, bound: Any) -> None:
    rig.wire.start()
    subscriber = rig.subscriber()
    for number in range(500):
        rig.wire.publish("status", {"n": number}, CELL, lazy=True)
    rig.wire.write("stdout", CELL, "last words")
    rig.wire.stop(DEADLINE_S)
    assert [rig.received(subscriber)[1]["n"] for _ in range(500)] == list(range(500))
    assert rig.text(subscriber, 10) == "last words"
    assert not rig.wire.thread.is_alive()
    bound(rig.wire.sockets.connection)


def test_what_is_said_after_the_end_is_no_error(rig: Rig) -> None:
    rig.wire.start()
    rig.wire.stop(DEADLINE_S)
    rig.wire.write("stdout", CELL, "x")
    rig.wire.publish("status", {}, CELL)
    rig.wire.flush()
    rig.wire.wait_for_room()
    rig.wire.stop(0)


def test_the_heartbeat_beats_while_the_wire_runs(running: Rig) -> None:
    asker = running._connect(zmq.REQ, running._connection.endpoint("hb"))
    asker.send(b"ping")
    assert asker.recv() == b"ping"


def test_a_reply_does_not_wait_for_a_subscriber_that_takes_nothing(running: Rig) -> None:
    """And what it then takes is in order, with the last word on the request at its end."""
    subscriber = running.subscriber(rcvhwm=1, rcvbuf=4096)
    client = running.client("shell")
    client.send_multipart(running.codec.encode("x_request", {}))
    parent = running.requests.get(timeout=DEADLINE_S).parent({}, {})
    count, large = 600, bytes(30_000)
    for number in range(count):
        running.wire.publish("x_output", {"number": number}, parent, buffers=[large])
    running.wire.send("shell", "x_reply", {}, parent)
    running.wire.publish("status", {"execution_state": "idle"}, parent)
    assert running.received(client)[0] == "x_reply"
    seen = [running.received(subscriber)[:2] for _ in range(count + 1)]
    assert seen == [*(("x_output", {"number": n}) for n in range(count)), ("status", {"execution_state": "idle"})]


def test_a_question_waits_for_its_client_to_connect(running: Rig) -> None:
    client = running.client("shell", routing_id=b"early")
    client.send_multipart(running.codec.encode("x_request", {}))
    parent = running.requests.get(timeout=DEADLINE_S).parent({}, {})
    running.wire.send("stdin", "input_request", {"prompt": "?"}, parent)
    running.wire.send("shell", "x_reply", {}, parent)
    assert running.received(client)[0] == "x_reply"  # the question was sent before it, and nobody was there
    stdin = running.client("stdin", routing_id=b"early")
    assert running.received(stdin)[:2] == ("input_request", {"prompt": "?"})
