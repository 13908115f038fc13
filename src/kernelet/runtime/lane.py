"""A lane: a thread with an inbox that handles one job at a time. Main, control and every subshell are lanes.

`post` may be called from any thread; `run` is the lane's thread.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Final

from ..protocol.message import Message, Parent
from .log import Log
from .parking import Parking


class Offer:
    """A message offered to two lanes: whichever takes it first handles it, and the other forgets it."""

    __slots__ = ("_taken", "message")

    def __init__(self, message: Message) -> None:
        self.message = message
        self._taken = threading.Lock()

    def take(self) -> bool:
        """Whether the caller is the one to handle it; true once. Any thread."""
        return self._taken.acquire(blocking=False)

    @property
    def open(self) -> bool:
        """Whether nobody took it yet."""
        return not self._taken.locked()


class Fence:
    """Marks in an inbox the end of what had arrived when a cell failed: requests before it are aborted."""


FENCE: Final = Fence()
# What a lane handles in the middle of a cell that awaits: a button must answer while `await clicked` runs.
SERVED_WHILE_AWAITING: Final = frozenset({"comm_open", "comm_msg", "comm_close"})
Job = Message | Offer | Fence | Callable[[], None]


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
        # The request that is handled now: comm messages may be handled in the middle of it.
        self.running: Parent | None = None
        parking.serve = self._serve_while_awaiting

    def post(self, job: Job) -> None:
        """Queue a job. Any thread."""
        self._inbox.append(job)
        if self._waiting:
            self.parking.wake()
        elif _served_while_awaiting(job):
            self.parking.serve_soon()

    @property
    def busy(self) -> bool:
        """Whether something is handled or waits to be. Any thread; true a moment ago is all that it can say."""
        return self.running is not None or bool(self._inbox)

    def leftovers(self) -> list[Message]:
        """Return the messages that were not handled, once `run` has returned."""
        messages = [job for job in self._inbox if isinstance(job, Message)]
        return messages + [job.message for job in self._inbox if isinstance(job, Offer) and job.take()]

    def end(self) -> None:
        """Let `run` return once the job that it handles now is done; what is queued behind it is not handled."""
        self._ending = True
        self.parking.wake()

    def run(self) -> None:
        """Handle jobs until `end`."""
        while not self._ending:
            try:
                job = self._next()
                if job is not None:
                    self._run_one(job)
            except KeyboardInterrupt:  # raised from outside (a subshell's thread) just as user code returned
                self._log("info", f"lane {self.name}: an interrupt came too late")

    def _run_one(self, job: Job) -> None:
        try:
            if isinstance(job, Fence):
                self.aborting = False
            elif isinstance(job, Message):
                self._handle(self, job)
            elif isinstance(job, Offer):
                if job.take():
                    self._handle(self, job.message)
            else:
                job()
        except Exception:  # noqa: BLE001  # our bug: logged, and the next request is served
            self._log.crash(f"lane {self.name} could not handle {job!r:.200}")

    def _serve_while_awaiting(self) -> None:
        """Handle queued comm messages: a cell awaits, so widgets may answer. The lane's thread, on its loop."""
        for job in list(self._inbox):
            if _served_while_awaiting(job):
                self._inbox.remove(job)
                self._run_one(job)

    def _next(self) -> Job | None:
        # `_waiting` is set before the inbox is looked at, and `post` looks at it after appending: no wake-up is lost.
        self._waiting = True
        if not self._inbox and not self._ending:
            self.parking.wait()
        else:
            self.parking.turn()
        self._waiting = False
        return self._inbox.popleft() if self._inbox else None


def _served_while_awaiting(job: Job) -> bool:
    message = job.message if isinstance(job, Offer) else job
    return isinstance(message, Message) and message.msg_type in SERVED_WHILE_AWAITING
