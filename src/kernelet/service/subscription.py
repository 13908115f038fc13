"""One reader of an execution's events: an unbounded wait for a fast one, bounded memory for a slow one. Loop only."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from kernelet.service.result import Done, Event, Notice, Ping, Rich, Text, chars

MAX_WAITING_CHARS = 1_000_000
MAX_WAITING_EVENTS = 1_000
MAX_WAITING_RICH_CHARS = 16_000_000
"""Images and the like: an execution's twenty largest fit."""


class Subscription:
    """What was published and not yet read. Text that waits is merged; too much is left out, and said to be."""

    def __init__(self, execution_id: str, ping_interval: float) -> None:
        self._id = execution_id
        self._ping_interval = ping_interval
        self._waiting: deque[Event] = deque()
        self._chars = 0
        self._rich_chars = 0
        self._skipped = 0
        self._wake = asyncio.Event()

    def publish(self, event: Event) -> None:
        """Take an event for the reader; the last one, Done, is always kept."""
        if isinstance(event, Text):
            if self._chars + len(event.text) > MAX_WAITING_CHARS:
                self._skipped += len(event.text)
                return
            self._chars += len(event.text)
            last = self._waiting[-1] if self._waiting else None
            if isinstance(last, Text) and last.type == event.type:
                last.text += event.text
                last.seq = event.seq
                return
            event = event.model_copy()
        elif not isinstance(event, Done):
            size = chars(event.data) if isinstance(event, Rich) else 0
            if len(self._waiting) >= MAX_WAITING_EVENTS or self._rich_chars + size > MAX_WAITING_RICH_CHARS:
                self._skipped += 1
                return
            self._rich_chars += size
        if self._skipped and isinstance(event, Done):
            self._waiting.append(
                Notice(
                    id=self._id,
                    seq=event.seq,
                    text=f"{self._skipped} characters or outputs were left out, since they were not read in time; "
                    "the result has what fits, and says where the whole text is.",
                )
            )
            event = event.model_copy(update={"seq": event.seq + 1})
        self._waiting.append(event)
        self._wake.set()

    async def events(self) -> AsyncIterator[Event]:
        """Yield the events, and a ping whenever there was none for a while, until Done."""
        while True:
            while self._waiting:
                event = self._waiting.popleft()
                if isinstance(event, Text):
                    self._chars -= len(event.text)
                elif isinstance(event, Rich):
                    self._rich_chars -= chars(event.data)
                yield event
                if isinstance(event, Done):
                    return
            self._wake.clear()
            try:
                await asyncio.wait_for(self._wake.wait(), self._ping_interval)
            except TimeoutError:
                yield Ping(id=self._id)
