"""A lane: a thread with an inbox that handles one job at a time. Main, control and every subshell are lanes.

`post` may be called from any thread; `run` is the lane's thread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from ..protocol.message import Message
from .log import Log
from .parking import Parking


class Fence:
    """Marks in an inbox the end of what had arrived when a cell failed: requests before it are aborted."""


FENCE: Final = Fence()
Job = Message | Fence | Callable[[], None]


class Lane:
    """Handles jobs in order. A job is a message, a call, or a fence."""

    def __init__(self, name: str, parking: Parking, handle: Callable[[Lane, Message], None], log: Log) -> None:
        self.name = name
        self.parking = parking
        # True between a failed cell and its fence: the queued execute requests before the fence are aborted.
        self.aborting = False
        self._handle = handle
        self._log = log
        self._inbox: deque[Job] = deque()
        self._waiting = False
        self._ending = False

    def post(self, job: Job) -> None:
        """Queue a job. Any thread."""
        self._inbox.append(job)
        if self._waiting:
            self.parking.wake()

    def end(self) -> None:
        """Let `run` return once the job that it handles now is done; what is queued behind it is not handled."""
        self._ending = True
        self.parking.wake()

    def run(self) -> None:
        """Handle jobs until `end`."""
        while not self._ending:
            job = self._next()
            if job is None:
                continue
            try:
                if isinstance(job, Fence):
                    self.aborting = False
                elif isinstance(job, Message):
                    self._handle(self, job)
                else:
                    job()
            except Exception:  # noqa: BLE001  # our bug: logged, and the next request is served
                self._log.crash(f"lane {self.name} could not handle {job!r:.200}")

    def _next(self) -> Job | None:
        # `_waiting` is set before the inbox is looked at, and `post` looks at it after appending: no wake-up is lost.
        self._waiting = True
        if not self._inbox and not self._ending:
            self.parking.wait()
        else:
            self.parking.turn()
        self._waiting = False
        return self._inbox.popleft() if self._inbox else None
