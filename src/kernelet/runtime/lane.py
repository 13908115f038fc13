"""A lane: a thread with an inbox that handles one job at a time. Main, control and every subshell are lanes.

`post` may be called from any thread; `run` is the lane's thread.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from ..protocol.message import Message, Parent
from .frames import from_outside
from .log import Log
from .parking import Parking


class Turns:
    """The open offers of one subshell, oldest first: handled in order, and never by two lanes at the same time."""

    __slots__ = ("lane", "lock", "open", "running")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.open: deque[Offer] = deque()
        # How many are handled now (one inside the other, where a cell awaits), and by which lane.
        self.running = 0
        self.lane: Lane | None = None


class Offer:
    """A message offered to two lanes: whichever comes to it first handles it, and the other forgets it.

    With `turns`, what was offered before it is handled before it; while the other lane still handles one of them, a
    lane passes the offer on to that lane.
    """

    __slots__ = ("_turns", "message", "open")

    def __init__(self, message: Message, turns: Turns | None = None) -> None:
        self.message = message
        self._turns = turns or Turns()
        # Whether nobody took it yet.
        self.open = True
        self._turns.open.append(self)

    def take(self, lane: Lane) -> Offer | None:
        """Return what `lane` is to handle now: the oldest open offer, then `done` must follow, and another `take`.

        None: this one is taken, or passed on. Any thread.
        """
        turns = self._turns
        with turns.lock:
            if not self.open:
                return None
            if turns.running and turns.lane is not lane and turns.lane is not None:
                turns.lane.post(self)
                return None
            oldest = turns.open.popleft()
            oldest.open = False
            turns.running += 1
            turns.lane = lane
            return oldest

    def done(self) -> None:
        """Let the next one have its turn. Any thread."""
        with self._turns.lock:
            self._turns.running -= 1

    def up_to_here(self) -> list[Message]:
        """Return what whoever takes this one has to handle: the open offers before it, and its own. Any thread."""
        with self._turns.lock:
            waiting = list(self._turns.open)
        return [one.message for one in waiting[: waiting.index(self) + 1]] if self in waiting else []


class Fence:
    """Marks in an inbox the end of what had arrived when a cell failed: requests before it are aborted."""


FENCE: Final = Fence()
# What a lane handles in the middle of a cell that awaits: a button must answer while `await clicked` runs.
SERVED_WHILE_AWAITING: Final = frozenset({"comm_open", "comm_msg", "comm_close"})
# The name of a subshell's thread; its id follows.
SUBSHELL_THREAD: Final = "kernelet-subshell-"
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
        # Starts the thread, once: at the first job, for a lane that may never have one. `pop` is atomic.
        self._starts: list[Callable[[], None]] = []
        self._heir: Callable[[Message], None] | None = None
        # Whose turn it is with what was offered to this lane and to another.
        self.turns = Turns()
        # When the job that it handles now, or handled last, began (monotonic).
        self.began = 0.0
        # The request that is handled now: comm messages may be handled in the middle of it.
        self.running: Parent | None = None
        parking.serve = self._serve_while_awaiting

    def starts_with(self, start: Callable[[], None]) -> None:
        """Call `start` when the first job is posted: it starts the thread that runs this lane."""
        self._starts.append(start)

    def start(self) -> None:
        """Start the thread, if it was not started yet. Any thread."""
        if self._starts:
            with contextlib.suppress(IndexError):  # another thread was quicker
                self._starts.pop()()

    def never_start(self) -> bool:
        """Never start the thread; False if it was started. Any thread."""
        if not self._starts:
            return False
        try:
            self._starts.pop()
        except IndexError:  # another thread was quicker
            return False
        return True

    def post(self, job: Job) -> None:
        """Queue a job. Any thread."""
        self._inbox.append(job)
        if self._starts:
            self.start()
        if self._heir is not None:
            self._hand_over(self._heir)
        elif self._waiting:
            self.parking.wake()
        elif _served_while_awaiting(job):
            self.parking.serve_soon()

    def take_in(self, message: Message) -> None:
        """Queue a message that this thread has received itself while it waited."""
        self._inbox.append(message)

    @property
    def busy(self) -> bool:
        """Whether something is handled or waits to be. Any thread; true a moment ago is all that it can say."""
        return self.running is not None or bool(self._inbox)

    def run_here(self, job: Job) -> bool:
        """Run a job in the calling thread if the lane has nothing to do; whether it was. For the only one that posts.

        While main computes, every change of threads costs it up to a switch interval.
        """
        if self._inbox or not (self._waiting or self._starts):
            return False
        self._run_one(job)
        return True

    def opens_first(self, offer: Offer) -> bool:
        """Whether a comm that an offer needs is opened by a message that waits here, before it. Any thread."""
        waiting = list(self._inbox)
        before = waiting[: waiting.index(offer)] if offer in waiting else []
        opened = {_comm_id(job) for job in before if isinstance(job, Message) and job.msg_type == "comm_open"}
        return bool(opened) and any(_comm_id(message) in opened for message in offer.up_to_here())

    def end(self) -> None:
        """Let `run` return once the job that it handles now is done; what is queued behind it is not handled."""
        self._ending = True
        self.parking.wake()

    def bequeath(self, heir: Callable[[Message], None]) -> None:
        """Give what is queued, and whatever is posted from now on, to `heir`: this lane ends. Any thread."""
        self._heir = heir
        self._hand_over(heir)

    def _hand_over(self, heir: Callable[[Message], None]) -> None:
        while True:
            try:
                job = self._inbox.popleft()
            except IndexError:  # the only test that holds while others take from the inbox as well
                return
            if isinstance(job, Message):
                heir(job)
            elif isinstance(job, Offer):
                while (offer := job.take(self)) is not None:
                    heir(offer.message)
                    offer.done()

    def run(self) -> None:
        """Handle jobs until `end`."""
        while not self._ending:
            try:
                job = self._next()
                if job is not None:
                    self._run_one(job)
            except KeyboardInterrupt:  # raised from outside (a subshell's thread) just as user code returned
                self._log("info", f"lane {self.name}: an interrupt came too late")
            except Exception as error:
                if not from_outside(error):
                    raise
                self._log.crash("a signal handler failed between two requests")

    def run_waiting(self) -> None:
        """Handle what is queued, and return: for a lane that no thread of its own runs."""
        while self._inbox:
            self._run_one(self._inbox.popleft())

    def _run_one(self, job: Job) -> None:
        self.began = time.monotonic()
        try:
            if isinstance(job, Fence):
                self.aborting = False
            elif isinstance(job, Message):
                self._handle(self, job)
            elif isinstance(job, Offer):
                self._run_offers(job)
            else:
                job()
        except Exception:  # noqa: BLE001  # our bug: logged, and the next request is served
            self._log.crash(f"lane {self.name} could not handle {job!r:.200}")

    def _run_offers(self, last: Offer) -> None:
        """Handle the offers up to `last`, as far as no other lane does."""
        while (offer := last.take(self)) is not None:
            try:
                self._handle(self, offer.message)
            finally:
                offer.done()

    def _serve_while_awaiting(self) -> None:
        """Handle queued comm messages: a cell awaits, so widgets may answer. The lane's thread, on its loop."""
        for job in list(self._inbox):
            if _served_while_awaiting(job) and self._take_out(job):
                self._run_one(job)

    def _take_out(self, job: Job) -> bool:
        """Remove a job from the middle of the inbox; whether it was still there."""
        while True:
            try:
                self._inbox.remove(job)
                return True
            except ValueError:  # handled inside the one before, or by another
                return False
            except IndexError:  # a job was posted while Python compared this one with those before it: look again
                continue

    def run_one_queued(self) -> bool:
        """Handle the first waiting message that is not a cell, in the middle of one; whether there was one.

        In the thread of the cell, or in any while that waits for it.
        """
        for job in list(self._inbox):
            message = job.message if isinstance(job, Offer) else job
            if not isinstance(message, Message) or message.msg_type == "execute_request":
                continue
            if self._take_out(job):
                self._run_one(job)
                return True
        return False

    def _next(self) -> Job | None:
        # `_waiting` is set before the inbox is looked at, and `post` looks at it after appending: no wake-up is lost.
        self._waiting = True
        if not self._inbox and not self._ending:
            self.parking.wait()
        else:
            self.parking.turn()
        self._waiting = False
        try:
            return self._inbox.popleft()
        except IndexError:  # woken early, or handed over
            return None


def _comm_id(message: Message) -> object:
    """Return the comm that a message speaks of; what a client sent may be anything."""
    try:
        content = message.loads(message.content_raw)
    except ValueError:
        return None
    comm_id = content.get("comm_id") if isinstance(content, dict) else None
    return comm_id if isinstance(comm_id, str) else None


def _served_while_awaiting(job: Job) -> bool:
    message = job.message if isinstance(job, Offer) else job
    return isinstance(message, Message) and message.msg_type in SERVED_WHILE_AWAITING
