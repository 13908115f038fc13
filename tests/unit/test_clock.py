"""The date in message headers."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

from kernelet.runtime.clock import Clock


def test_it_tells_now_with_a_time_zone() -> None:
    before = datetime.now(UTC)
    told = datetime.fromisoformat(Clock()())
    assert before.replace(microsecond=before.microsecond) <= told <= datetime.now(UTC)


@pytest.mark.parametrize(
    "now_ns, told",
    [
        (0, "1970-01-01T00:00:00.000000Z"),
        (1_600_000_000_000_001_000, "2020-09-13T12:26:40.000001Z"),
        (1_600_000_000_999_999_999, "2020-09-13T12:26:40.999999Z"),
        (1_600_000_001_000_000_000, "2020-09-13T12:26:41.000000Z"),
        (1_500_000_000_000_000_000, "2017-07-14T02:40:00.000000Z"),  # the clock was set back
    ],
)
def test_every_second_has_its_own_text(monkeypatch: pytest.MonkeyPatch, now_ns: int, told: str) -> None:
    clock = Clock()
    for then in (1_600_000_000_500_000_000, now_ns):
        monkeypatch.setattr(time, "time_ns", lambda then=then: then)
        text = clock()
    assert text == told
