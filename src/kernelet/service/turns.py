"""A queue of jobs that take turns, first come first served, and the task that does them. Loop only."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextvars import Context
from typing import Generic, TypeVar

from kernelet.service.errors import Conflict, TooMany

Job = TypeVar("Job")


class Turns(Generic[Job]):
    """At most `depth` jobs wait; one is done at a time."""

    def __init__(self, depth: int, do: Callable[[Job], Awaitable[None]], name: str) -> None:
        self._depth = depth
        self._do = do
        self._name = name
        self._waiting: deque[Job] = deque()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closed = False
        self.working = False

    def open(self) -> None:
        """Begin."""
        # In no request's context: its id would stand in the logs of all that come later.
        self._task = asyncio.create_task(self._work(), name=self._name, context=Context())

    async def close(self) -> None:
        """Stop, in the middle of a job if need be."""
        self._closed = True
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def refuse(self) -> None:
        """Take no more jobs."""
        self._closed = True

    def put(self, job: Job) -> None:
        """Let a job wait for its turn.

        Raises:
            TooMany: too many wait already.
            Conflict: it is all over.
        """
        if self._closed:
            raise Conflict(f"The {self._name} is being ended.")
        if len(self._waiting) >= self._depth:
            raise TooMany(f"The {self._name} has {len(self._waiting)} calls waiting already; try again later.")
        self._waiting.append(job)
        self._wake.set()

    def remove(self, job: Job) -> bool:
        """Take a job out; tell whether it was still waiting."""
        if job not in self._waiting:
            return False
        self._waiting.remove(job)
        return True

    def drain(self) -> Iterator[Job]:
        """Take out all that wait, one by one."""
        while self._waiting:
            yield self._waiting.popleft()

    def __len__(self) -> int:
        """Return how many wait."""
        return len(self._waiting)

    async def _work(self) -> None:
        while True:
            while self._waiting:
                job = self._waiting.popleft()
                self.working = True
                try:
                    await self._do(job)
                finally:
                    self.working = False
            self._wake.clear()
            await self._wake.wait()
