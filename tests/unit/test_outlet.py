"""The outlet: any thread may speak; who is too fast waits, who flushes knows that it left, who lags loses nothing."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

import pytest

import kernelet.runtime.outlet
import kernelet.runtime.sending
import kernelet.runtime.sockets
from kernelet.protocol.message import Parent
from kernelet.protocol.outbox import Barrier

DEADLINE_S = 30
CELL, OTHER = Parent(b'{"msg_id":"cell"}'), Parent(b'{"msg_id":"other"}')
Rig = Any  # conftest's
FULL = 1 << 20


@pytest.fixture
def soon_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernelet.runtime.sockets, "IOPUB_HWM", 10)
    for module in (kernelet.runtime.outlet, kernelet.runtime.sending):
        monkeypatch.setattr(module, "FULL_BYTES", FULL)


@pytest.mark.usefixtures("soon_full")
@pytest.mark.parametrize("kind", ["text", "messages"])
def test_writers_wait_for_a_subscriber_that_does_not_read_and_nothing_is_lost(running: Rig, kind: str) -> None:
    subscriber = running.subscriber(rcvhwm=1, rcvbuf=1 << 16)
    chunk, chunks, largest, written = 1 << 16, 800, 0, 0
    done = threading.Event()

    def write() -> None:
        nonlocal largest, written
        for number in range(chunks):
            text = f"{number:08}" * (chunk // 8)
            if kind == "text":
                running.wire.write("stdout", CELL, text)
            else:
                running.wire.publish("stream", {"text": text}, CELL)
            written = number
            largest = max(largest, running.wire._outbox.size)
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    deadline = time.monotonic() + DEADLINE_S
    # It has stopped for good where the wire is blocked and the writer waits: only reading goes on from there. (The wire
    # may have sent one more between the writer's look at the limit and its wait, so the outbox need not be over it.)
    while running.wire._blocked_since is None or not running.wire._waiting_for_room:
        assert time.monotonic() < deadline
        assert not done.wait(0.001), "all was written, though nobody reads"
    read = 0
    while read < chunks * chunk:
        text = running.received(subscriber)[1]["text"]
        for at in range(0, len(text), 8):
            assert int(text[at : at + 8]) == (read + at) // chunk
        read += len(text)
    assert done.wait(DEADLINE_S)
    writer.join()
    assert largest <= FULL + 2 * chunk + 1000
    assert running.wire._outbox.size == 0


@pytest.mark.usefixtures("soon_full")
def test_the_wire_thread_itself_never_waits(running: Rig) -> None:
    written = threading.Event()

    def write() -> None:
        for _ in range(3):
            running.wire.write("stdout", CELL, "x" * FULL)
        written.set()

    running.wire.barrier(write)
    assert written.wait(DEADLINE_S)


@pytest.mark.usefixtures("soon_full")
def test_writers_that_wait_go_on_when_the_wire_stops(rig: Rig) -> None:
    writer = threading.Thread(target=rig.wire.write, args=("stdout", CELL, "x" * 2 * FULL))
    writer.start()  # nobody takes it: the wire does not run yet
    rig.wire.barrier(rig.wire._stop)
    rig.wire.start()
    writer.join(DEADLINE_S)
    assert not writer.is_alive()


def test_text_of_many_threads_comes_whole_and_each_thread_in_order(running: Rig) -> None:
    subscriber = running.subscriber()
    parents = [Parent(b'{"msg_id":"%d"}' % number) for number in range(4)]

    def write(parent: Parent) -> None:
        for number in range(500):
            running.wire.write("stdout", parent, f"{number:04}")

    threads = [threading.Thread(target=write, args=(parent,)) for parent in parents]
    for thread in threads:
        thread.start()
    got: dict[bytes, str] = {parent.raw: "" for parent in parents}
    while sum(map(len, got.values())) < 4 * 500 * 4:
        _, content, message = running.received(subscriber)
        got[message.parent_raw] += content["text"]
    assert set(got.values()) == {"".join(f"{number:04}" for number in range(500))}
    for thread in threads:
        thread.join()


def test_text_leaves_by_itself(running: Rig) -> None:
    subscriber = running.subscriber()
    running.wire.write("stdout", CELL, "no newline, no flush")
    assert running.text(subscriber, 20) == "no newline, no flush"


def test_lazy_messages_leave_by_themselves(running: Rig) -> None:
    subscriber = running.subscriber()
    for number in range(3):
        running.wire.publish("status", {"n": number}, CELL, lazy=True)
        assert running.received(subscriber)[1] == {"n": number}


def test_a_barrier_stands_between_what_was_put_before_and_after(rig: Rig) -> None:
    order: list[str] = []
    send = rig.wire._send
    rig.wire._send = lambda item: (order.append("sent"), send(item))[1]
    rig.wire.write("stdout", CELL, "before")
    rig.wire.barrier(lambda: order.append("barrier"))
    rig.wire.write("stdout", CELL, "after")
    rig.wire.barrier(lambda: order.append("end"))
    rig.wire.start()
    rig.wire.stop(DEADLINE_S)
    assert order == ["sent", "barrier", "sent", "end"]


def test_flush_returns_when_what_was_queued_has_left(running: Rig) -> None:
    running.wire.flush()  # nothing waits: at once
    running.wire._flushed = 0.0
    running.wire.write("stdout", CELL, "x")
    running.wire.flush()
    assert running.wire._outbox.size == 0


def test_flush_in_the_wire_thread_is_no_deadlock(running: Rig) -> None:
    flushed = threading.Event()
    running.wire.barrier(lambda: (running.wire.write("stdout", CELL, "x"), running.wire.flush(), flushed.set()))
    assert flushed.wait(DEADLINE_S)


def test_flush_does_not_wait_for_ever_for_a_subscriber(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernelet.runtime.outlet, "FLUSH_WITHIN_S", 0.01)
    rig.wire.write("stdout", CELL, "x")
    rig.wire.flush()  # the wire does not run: as if it were blocked


@pytest.mark.parametrize("bad, error", [(object(), TypeError), ([], ValueError)])
def test_what_has_no_json_form_is_raised_where_it_was_published(running: Rig, bad: Any, error: type[Exception]) -> None:
    if bad == []:
        bad.append(bad)
    subscriber = running.subscriber()
    with pytest.raises(error):
        running.wire.publish("display_data", {"x": bad}, CELL)
    with pytest.raises(error):
        running.wire.send("shell", "x_reply", {"x": bad}, CELL)
    running.wire.publish("status", {}, CELL)
    assert running.received(subscriber)[0] == "status"


def test_metadata_buffers_and_topic_are_sent(running: Rig) -> None:
    subscriber = running.subscriber()
    running.wire.publish("comm_msg", {}, CELL, metadata={"m": 1}, buffers=[b"one", memoryview(b"two")], topic="comm")
    running.wire.publish("comm_msg", {}, CELL)
    _, _, message = running.received(subscriber)
    assert (message.idents, message.metadata_raw) == ((b"comm",), b'{"m":1}')
    assert [bytes(buffer) for buffer in message.buffers] == [b"one", b"two"]
    assert running.received(subscriber)[2].idents == (b"kernel.kernel.comm_msg",)


def test_frames_that_are_signed_already_are_sent_as_they_are(running: Rig) -> None:
    subscriber = running.subscriber()
    frames = [bytes(frame) for frame in running.codec.encode("own", {})]
    running.wire.send_frames("iopub", [b"topic", *frames])
    assert subscriber.recv_multipart() == [b"topic", *frames]


def test_a_forked_child_sends_nothing_of_its_parents_and_hurts_nobody(running: Rig) -> None:
    subscriber = running.subscriber()
    running.wire.write("stdout", OTHER, "of the parent")
    pid = os.fork()
    if not pid:
        status = 1
        try:
            running.wire.forget()
            running.wire.publish("status", {}, CELL)
            running.wire.flush()
            running.wire.wait_for_room()
            status = running.wire._outbox.size
        finally:
            os._exit(status)
    assert os.waitpid(pid, 0)[1] == 0
    assert running.text(subscriber, 13) == "of the parent"
    running.wire.publish("last", {}, CELL)
    assert running.received(subscriber)[0] == "last"


# -- the last word ---------------------------------------------------------------------------------------------------


def asleep(wire: Any) -> None:
    """Wait until the wire sleeps."""
    deadline = time.monotonic() + DEADLINE_S
    while wire._sending.locked():
        assert time.monotonic() < deadline
        time.sleep(0)


def asking(running: Rig, client: Any) -> Parent:
    client.send_multipart(running.codec.encode("x_request", {}))
    parent: Parent = running.requests.get(timeout=DEADLINE_S).parent({}, {})
    return parent


def test_who_has_the_last_word_sends_it_while_the_wire_sleeps(running: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    client, subscriber = running.client("shell", routing_id=b"me"), running.subscriber()
    parent = asking(running, client)
    sent_by: list[int] = []
    send = running.wire._send
    monkeypatch.setattr(running.wire, "_send", lambda item: (sent_by.append(threading.get_ident()), send(item))[1])
    for number in range(20):
        running.wire.publish("x_output", {"number": number}, parent, lazy=True)
        asleep(running.wire)
        running.wire.conclude("shell", "x_reply", {"number": number}, parent, {"execution_state": "idle"})
        assert running.received(client)[:2] == ("x_reply", {"number": number})
        assert running.received(subscriber)[:2] == ("x_output", {"number": number})
        assert running.received(subscriber)[:2] == ("status", {"execution_state": "idle"})
    assert threading.get_ident() in sent_by


def test_requests_that_come_while_a_lane_sends_are_all_heard(running: Rig) -> None:
    """The send takes in the news of them that the socket's descriptor tells."""
    client = running.client("shell", routing_id=b"me")
    parent = asking(running, client)
    for number in range(2000):
        client.send_multipart(running.codec.encode(f"r{number}", {}))
        running.wire.conclude("shell", "x_reply", {}, parent, b"{}")
        assert running.requests.get(timeout=DEADLINE_S).msg_type == f"r{number}"
        running.received(client)


def test_last_words_of_many_threads_are_all_said(running: Rig) -> None:
    client, threads, each = running.client("shell", routing_id=b"me"), 4, 300
    parent = asking(running, client)

    def conclude(thread: int) -> None:
        for number in range(each):
            running.wire.conclude("shell", "x_reply", {"thread": thread, "number": number}, parent, b"{}")

    speakers = [threading.Thread(target=conclude, args=(number,)) for number in range(threads)]
    for speaker in speakers:
        speaker.start()
    said: dict[int, list[int]] = {number: [] for number in range(threads)}
    for _ in range(threads * each):
        content = running.received(client)[1]
        said[content["thread"]].append(content["number"])
    for speaker in speakers:
        speaker.join()
    assert said == {number: list(range(each)) for number in range(threads)}


def test_what_only_the_wire_may_do_it_does_before_the_last_word(running: Rig) -> None:
    client = running.client("shell", routing_id=b"me")
    parent = asking(running, client)
    called: list[bool] = []
    for _ in range(50):
        asleep(running.wire)
        with running.wire._lock:
            running.wire._outbox.put(Barrier(lambda: called.append(threading.current_thread() is running.wire.thread)))
        running.wire.conclude("shell", "x_reply", {}, parent, b"{}")
        running.received(client)
    assert called == [True] * 50


def test_a_request_without_reply_is_told_to_be_done(running: Rig) -> None:
    subscriber = running.subscriber()
    running.wire.conclude("shell", "comm_msg_reply", None, CELL, b'{"execution_state":"idle"}')
    assert running.received(subscriber)[:2] == ("status", {"execution_state": "idle"})
    running.wire.conclude("control", "shutdown_reply", {"status": "ok"}, CELL, b"{}", broadcast=True)
    assert [running.received(subscriber)[0] for _ in range(2)] == ["shutdown_reply", "status"]
