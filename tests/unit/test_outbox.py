"""The outbox: whatever is interleaved, text comes out whole, in order and in time, and the order of items is kept."""

from __future__ import annotations

import sys
import threading
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from kernelet.protocol import outbox
from kernelet.protocol.message import NO_PARENT, Parent
from kernelet.protocol.outbox import HOLD_S, MERGE_LIMIT_CHARS, Barrier, Frames, Item, Outbox, Text

ONE, TWO = Parent(b'{"msg_id":"1"}'), Parent(b'{"msg_id":"2"}')


def frames(text: bytes = b"x") -> Frames:
    return Frames("iopub", [text], len(text))


def taken(box: Outbox, now: float) -> Text:
    item = box.take(now)
    assert isinstance(item, Text)
    return item


@dataclass
class Expected:
    """One thing that was put: a run of adjacent text of one stream and parent, or another item itself."""

    key: tuple[str, Parent] | Frames | Barrier
    text: str = ""
    since: float = 0.0


@dataclass
class Seen:
    items: list[Item] = field(default_factory=list)

    def runs(self) -> list[Expected]:
        """Return what was taken, with neighbouring texts of one stream and parent joined."""
        runs: list[Expected] = []
        for item in self.items:
            if isinstance(item, Text):
                add_text(runs, item.name, item.parent, "".join(item.parts), 0.0)
            else:
                runs.append(Expected(item))
        return runs


def add_text(runs: list[Expected], name: str, parent: Parent, text: str, now: float) -> None:
    last = runs[-1] if runs else None
    if last is not None and type(last.key) is tuple and last.key[0] == name and last.key[1] is parent:
        last.text += text
    else:
        runs.append(Expected((name, parent), text, now))


def told(runs: list[Expected]) -> list[tuple[object, ...]]:
    """Return runs in a form that compares parents by identity."""
    return [(run.key[0], id(run.key[1]), run.text) if type(run.key) is tuple else (id(run.key),) for run in runs]


class AnyInterleaving(RuleBasedStateMachine):
    """Puts and takes at times that never go back, as a monotonic clock's."""

    def __init__(self) -> None:
        super().__init__()
        self.box = Outbox()
        self.now = 0.0
        self.put: list[Expected] = []
        self.seen = Seen()
        # (time of putting, characters) of text that has not left.
        self.waiting: list[tuple[float, int]] = []

    @rule(passed=st.sampled_from([0.0, HOLD_S / 10, HOLD_S, 1.0]))
    def time_passes(self, passed: float) -> None:
        self.now += passed

    @rule(name=st.sampled_from(["stdout", "stderr"]), parent=st.sampled_from([ONE, TWO]), text=st.text(max_size=5))
    def put_text(self, name: str, parent: Parent, text: str) -> None:
        deadline = self.box.put_text(name, parent, text, self.now)
        assert deadline <= self.now + HOLD_S
        add_text(self.put, name, parent, text, self.now)
        # What is longer than a message may be has been put in pieces.
        pieces = range(0, max(len(text), 1), outbox.MERGE_LIMIT_CHARS)
        self.waiting.extend((self.now, len(text[at : at + outbox.MERGE_LIMIT_CHARS])) for at in pieces)

    @rule(body=st.binary(max_size=5))
    def put_frames(self, body: bytes) -> None:
        item = frames(body)
        self.box.put(item)
        self.put.append(Expected(item))

    @rule()
    def put_barrier(self) -> None:
        item = Barrier(lambda: None)
        self.box.put(item)
        self.put.append(Expected(item))

    @rule()
    def take(self) -> None:
        deadline = self.box.deadline()
        item = self.box.take(self.now)
        assert (item is not None) == (deadline is not None and deadline <= self.now)
        if item is None:
            # What waits is the text put last, all of it younger than its deadline.
            assert all(self.now < since + HOLD_S for since, _ in self.waiting)
            return
        self.seen.items.append(item)
        if isinstance(item, Text):
            assert item.size == sum(map(len, item.parts))
            del self.waiting[: len(item.parts)]

    @precondition(lambda self: self.seen.items)
    @rule()
    def take_and_put_back(self) -> None:
        size, count = self.box.size, len(self.box)
        item = self.box.take(self.now)
        if item is not None:
            self.box.put_back(item)
        assert (self.box.size, len(self.box)) == (size, count)

    @invariant()
    def the_size_is_what_waits(self) -> None:
        waiting = sum(length for _, length in self.waiting)
        put = sum(run.key.size for run in self.put if isinstance(run.key, Frames))
        gone = sum(item.size for item in self.seen.items if isinstance(item, Frames))
        assert self.box.size == waiting + put - gone

    def teardown(self) -> None:
        while (item := self.box.take(self.now + HOLD_S)) is not None:
            self.seen.items.append(item)
        assert told(self.seen.runs()) == told(self.put)
        assert (self.box.size, len(self.box), self.box.deadline()) == (0, 0, None)


def test_a_huge_text_leaves_in_messages_of_bounded_size_and_nothing_of_it_is_lost() -> None:
    box = Outbox()
    text = "".join(map(chr, range(32, 32 + 1000))) * 3000
    box.put_text("stdout", ONE, "before", 0.0)
    box.put_text("stdout", ONE, text, 0.0)
    found = []
    while (item := box.take(1.0)) is not None:
        assert isinstance(item, Text)
        found.append(item.text)
    assert "".join(found) == "before" + text
    assert max(map(len, found)) <= 2 * MERGE_LIMIT_CHARS


class AnyInterleavingWithASmallLimit(AnyInterleaving):
    """The same with texts that fill up."""

    def __init__(self) -> None:
        super().__init__()
        outbox.MERGE_LIMIT_CHARS = 4

    @rule()
    def take(self) -> None:
        if (item := self.box.take(self.now)) is not None:
            self.seen.items.append(item)
            if isinstance(item, Text):
                del self.waiting[: len(item.parts)]
        else:
            assert all(self.now < since + HOLD_S for since, _ in self.waiting)

    def teardown(self) -> None:
        outbox.MERGE_LIMIT_CHARS = MERGE_LIMIT_CHARS
        super().teardown()


# A loaded machine is slow to make examples.
SETTINGS = settings(max_examples=60, stateful_step_count=30, suppress_health_check=[HealthCheck.too_slow])
AnyInterleaving.TestCase.settings = SETTINGS
AnyInterleavingWithASmallLimit.TestCase.settings = SETTINGS
TestAnyInterleaving = AnyInterleaving.TestCase
TestAnyInterleavingWithASmallLimit = AnyInterleavingWithASmallLimit.TestCase


def test_text_that_is_last_is_held_until_its_deadline() -> None:
    box = Outbox()
    assert box.put_text("stdout", ONE, "a", 5.0) == 5.0 + HOLD_S
    assert box.take(5.0) is None
    assert box.deadline() == 5.0 + HOLD_S
    assert taken(box, 5.0 + HOLD_S).parts == ["a"]


def test_later_text_joins_and_does_not_postpone() -> None:
    box = Outbox()
    box.put_text("stdout", ONE, "a", 5.0)
    assert box.put_text("stdout", ONE, "b", 5.0 + HOLD_S / 2) == 5.0 + HOLD_S
    assert taken(box, 5.0 + HOLD_S).parts == ["a", "b"]


def test_text_leaves_at_once_when_something_follows() -> None:
    box = Outbox()
    box.put_text("stdout", ONE, "a", 5.0)
    box.put(frames())
    assert box.deadline() == 0.0
    assert taken(box, 5.0).parts == ["a"]


def test_only_neighbours_of_one_stream_and_one_parent_merge() -> None:
    box = Outbox()
    same_header = Parent(ONE.raw)
    for name, parent in [("stdout", ONE), ("stderr", ONE), ("stdout", ONE), ("stdout", TWO), ("stdout", same_header)]:
        box.put_text(name, parent, "a", 0.0)
    box.put(Barrier(lambda: None))
    box.put_text("stdout", same_header, "b", 0.0)
    assert len(box) == 7


def test_a_text_stops_growing_at_the_limit_and_leaves() -> None:
    box = Outbox()
    box.put_text("stdout", ONE, "x" * MERGE_LIMIT_CHARS, 0.0)
    assert taken(box, 0.0).size == MERGE_LIMIT_CHARS
    box.put_text("stdout", ONE, "x" * MERGE_LIMIT_CHARS, 0.0)
    box.put_text("stdout", ONE, "y", 0.0)
    assert len(box) == 2


def test_a_text_at_the_limit_says_that_it_may_leave_now() -> None:
    box = Outbox()
    box.put_text("stdout", ONE, "x" * MERGE_LIMIT_CHARS, 5.0)
    assert box.deadline() == 0.0


def test_parts_that_are_appended_without_asking_leave_with_their_item_and_are_counted() -> None:
    box = Outbox()
    box.put_text("stdout", ONE, "a", 0.0)
    growing = box.growing
    assert growing is not None
    growing.parts += ["bc", "d"]
    box.put_text("stdout", ONE, "e", 0.0)
    growing.parts.append("f")
    box.put(frames(b"body"))
    assert (growing.closed, box.growing, box.size) == (True, None, len("abcdef") + len(b"body"))
    assert taken(box, 0.0).text == "abcdef"
    box.take(0.0)
    assert box.size == 0


@pytest.mark.parametrize("closing", ["taken", "another stream", "a message"])
def test_what_is_appended_too_late_is_said_once_in_an_item_of_its_own(closing: str) -> None:
    box = Outbox()
    box.put_text("stdout", ONE, "a", 0.0)
    growing = box.growing
    assert growing is not None
    if closing == "taken":
        assert box.take(HOLD_S) is growing
    elif closing == "another stream":
        box.put_text("stderr", ONE, "error", 0.0)
    else:
        box.put(frames())
    assert growing.closed
    growing.parts += ["b", "c"]  # two threads, each of which asks for rescue
    assert box.rescue(growing, 1.0) == 1.0 + HOLD_S
    assert box.rescue(growing, 1.0) is None
    assert growing.text == "a"
    while (item := box.take(2.0)) is not None:
        last = item
    assert isinstance(last, Text)
    assert (last.name, last.parent, last.text, box.size) == ("stdout", ONE, "bc", 0)


def test_threads_that_append_without_the_lock_lose_nothing_and_repeat_nothing() -> None:
    box, lock, said, ended = Outbox(), threading.Lock(), list[str](), threading.Event()

    def write(letter: str) -> None:
        growing = None
        for number in range(10_000):
            if growing is None or len(growing.parts) >= growing.limit:
                with lock:
                    box.put_text("stdout", ONE, f"{letter}{number} ", 0.0)
                    growing = box.growing
                continue
            growing.parts.append(f"{letter}{number} ")
            if growing.closed:
                with lock:
                    box.rescue(growing, 0.0)
                growing = None

    def take() -> None:
        while not ended.is_set() or len(box):
            with lock:
                item = box.take(1.0)
            if item is not None:
                assert isinstance(item, Text)
                said.append(item.text)

    writers = [threading.Thread(target=write, args=(letter,)) for letter in "abc"]
    taker = threading.Thread(target=take)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in (taker, *writers):
            thread.start()
        for writer in writers:
            writer.join()
        ended.set()
        taker.join()
    finally:
        sys.setswitchinterval(interval)
    words = "".join(said).split()
    for letter in "abc":
        assert [word for word in words if word[0] == letter] == [f"{letter}{number}" for number in range(10_000)]
    assert (len(words), box.size) == (30_000, 0)


def test_what_is_put_back_is_taken_again_first() -> None:
    box = Outbox()
    first, second = frames(b"1"), frames(b"22")
    box.put(first)
    box.put(second)
    box.put_back(box.take(0.0) or second)
    assert box.size == 3
    assert box.take(0.0) is first


def test_a_barrier_weighs_nothing_and_keeps_its_place() -> None:
    box, barrier = Outbox(), Barrier(lambda: None)
    box.put_text("stdout", ONE, "a", 0.0)
    box.put(barrier)
    box.put(frames())
    assert taken(box, 0.0).parts == ["a"]
    assert box.take(0.0) is barrier
    box.put_back(barrier)
    assert (box.size, len(box)) == (1, 2)


def test_a_forked_child_forgets_what_waits() -> None:
    box = Outbox()
    box.put(frames())
    box.put_text("stdout", ONE, "a", 0.0)
    box.clear()
    assert (box.size, len(box), box.take(1.0), box.deadline()) == (0, 0, None, None)


def test_replies_and_barriers_may_pass_what_is_for_subscribers() -> None:
    outbox = Outbox()
    reply, another = Frames("shell", [b"reply"], 5), Frames("control", [b"another"], 7)
    output, barrier = Frames("iopub", [b"output"], 6), Barrier(lambda: None)
    end = Barrier(lambda: None, waits=True)
    behind = Frames("shell", [b"behind"], 6)
    outbox.put_text("stdout", NO_PARENT, "text", 0.0)
    for item in (reply, output, barrier, another, end, behind):
        outbox.put(item)
    assert outbox.take_past_iopub() == [reply, barrier, another]
    assert outbox.size == len("text") + 6 + 6
    text = outbox.take(0.0)
    assert isinstance(text, Text)
    assert [outbox.take(0.0) for _ in range(4)] == [output, end, behind, None]
    assert outbox.size == 0
