"""What start-up says before anybody listens: kept for the first subscriber, within bounds."""

from __future__ import annotations

from kernelet.protocol.message import Buffer
from kernelet.runtime.unheard import AT_MOST, LIMIT_BYTES, Unheard


def message(topic: str = "stream.stdout", parent: bytes = b"{}", text: bytes = b"text") -> list[Buffer]:
    return [topic.encode(), b"<IDS|MSG>", b"signature", b"header", parent, b"{}", text]


def test_the_first_who_listens_gets_it_once() -> None:
    unheard = Unheard()
    said = [message(text=b"one"), message("kernel.1.display_data", text=b"two")]
    for one in said:
        unheard.keep(one, 10)
    assert unheard.take() == said
    unheard.keep(message(), 10)
    assert unheard.take() == []


def test_output_of_requests_and_states_are_not_kept() -> None:
    unheard = Unheard()
    unheard.keep(message(parent=b'{"msg_id": "1"}'), 10)
    unheard.keep(message("kernel.1.status"), 10)
    unheard.keep([b"stream", b"what user code sends by itself"], 10)
    assert unheard.take() == []


def test_no_more_is_kept_than_a_subscriber_takes_at_once() -> None:
    unheard = Unheard()
    for number in range(AT_MOST + 5):
        unheard.keep(message(text=b"%d" % number), 10)
    kept = unheard.take()
    assert [kept[0][-1], kept[-1][-1], len(kept)] == [b"0", b"%d" % (AT_MOST - 1), AT_MOST]


def test_no_more_bytes_are_kept_than_the_limit() -> None:
    unheard = Unheard()
    for number in range(3):
        unheard.keep(message(text=b"%d" % number), LIMIT_BYTES // 2)
    assert [one[-1] for one in unheard.take()] == [b"0", b"1"]
