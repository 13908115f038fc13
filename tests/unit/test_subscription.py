from __future__ import annotations

import asyncio

from kernelet.service import subscription
from kernelet.service.result import Done, Event, ExecutionResult, Notice, Rich, Text
from kernelet.service.subscription import Subscription


def done(seq: int = 0) -> Done:
    return Done(seq=seq, result=ExecutionResult(execution_id="e", session_id="s"))


def read(*published: Event) -> list[Event]:
    async def scenario() -> list[Event]:
        reader = Subscription("e", 60)
        for event in published:
            reader.publish(event)
        return [event async for event in reader.events()]

    return asyncio.run(scenario())


def test_waiting_text_of_one_stream_is_merged_and_order_kept() -> None:
    found = read(
        Text(type="stdout", text="a", seq=0), Text(type="stdout", text="b", seq=1),
        Text(type="stderr", text="c", seq=2),
        Text(type="stdout", text="d", seq=3), done(4),
    )  # fmt: skip
    assert [(one.type, one.text) for one in found[:-1] if isinstance(one, Text)] == [
        ("stdout", "ab"), ("stderr", "c"), ("stdout", "d"),
    ]  # fmt: skip
    assert [one.seq for one in found] == [1, 2, 3, 4]


def test_what_a_slow_reader_cannot_take_is_left_out_and_said_to_be() -> None:
    much = Text(type="stdout", text="x" * (subscription.MAX_WAITING_CHARS - 1))
    found = read(much, Text(type="stdout", text="yy"), done(2))
    assert [one.type for one in found] == ["stdout", "notice", "done"]
    assert isinstance(found[1], Notice)
    assert "2 characters" in found[1].text
    assert [one.seq for one in found[1:]] == [2, 3]


def test_events_beyond_the_bound_are_left_out_and_the_end_is_not() -> None:
    shown = [Rich(type="display", data={}, seq=n) for n in range(subscription.MAX_WAITING_EVENTS + 5)]
    found = read(*shown, done(len(shown)))
    assert len(found) == subscription.MAX_WAITING_EVENTS + 2
    assert found[-1].type == "done"


def test_large_displays_beyond_the_bound_are_left_out_and_said_to_be() -> None:
    size = subscription.MAX_WAITING_RICH_CHARS // 4
    shown = [Rich(type="display", data={"application/json": {"a": "x" * size}}, seq=n) for n in range(6)]
    found = read(*shown, done(6))
    assert [one.type for one in found] == ["display", "display", "display", "notice", "done"]
    assert isinstance(found[3], Notice)
    assert "3 characters or outputs" in found[3].text


def test_what_was_read_makes_room() -> None:
    async def scenario() -> int:
        reader = Subscription("e", 60)
        shown = Rich(type="display", data={"text/html": "x" * subscription.MAX_WAITING_RICH_CHARS})
        events = reader.events()
        for _ in range(3):
            reader.publish(shown)
            assert await anext(events) is shown
        reader.publish(done())
        return len([event async for event in events])

    assert asyncio.run(scenario()) == 1


def test_silence_is_filled_with_pings() -> None:
    async def scenario() -> list[str]:
        reader = Subscription("e", 0.001)
        kinds: list[str] = []
        async for event in reader.events():
            kinds.append(event.type)
            if len(kinds) == 2:
                reader.publish(done())
        return kinds

    assert asyncio.run(scenario()) == ["ping", "ping", "done"]


def test_one_readers_merging_is_not_seen_by_another() -> None:
    event = Text(type="stdout", text="a")

    async def scenario() -> None:
        one = Subscription("e", 60)
        one.publish(event)
        one.publish(Text(type="stdout", text="b"))

    asyncio.run(scenario())
    assert event.text == "a"
