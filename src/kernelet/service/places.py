"""How many one-shots run at once: who comes where a place is being given up waits for it. Loop only."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from kernelet.service.errors import TooMany


class Places:
    """So many places, the holder of each of which says when it is about to leave.

    An answer is sent before its kernel is gone. Without the wait a client that asks again at once, and has never more
    than one at a time, was refused.
    """

    def __init__(self, number: int) -> None:
        self._number = number
        self._leaving = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self.taken = 0

    async def take(self) -> None:
        """Take a place, at once or as soon as one that is being given up is free. Raises TooMany."""
        if self.taken < self._number:
            self.taken += 1
            return
        if len(self._waiting) >= self._leaving:
            raise TooMany(f"{self.taken} one-shot executions are running, as many as may be; try again later.")
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(mine)
        try:
            await mine
        except asyncio.CancelledError:
            if mine in self._waiting:
                self._waiting.remove(mine)
            elif not mine.cancelled():  # given to us at the same moment
                self._free()
            raise

    @asynccontextmanager
    async def leave(self) -> AsyncIterator[None]:
        """Do in this block what has to be done before somebody else may have the place."""
        self._leaving += 1
        try:
            yield
        finally:
            self._leaving -= 1
            self._free()

    def _free(self) -> None:
        while self._waiting:
            next_one = self._waiting.popleft()
            if not next_one.cancelled():
                next_one.set_result(None)
                return
        self.taken -= 1
