"""SIGINT, decided in one place: what an interrupt does depends only on what the interrupted thread is doing.

One handler for the life of the process, main thread, which passes it on to the threads of subshells. It asks in order:
- inside our own locked code (wire, outbox, codec)? try again a moment later, so that no output is half written;
- an await cell whose loop sleeps? cancel the cell (`cancel`), since nothing raised in a selector reaches it;
- user code on the stack (a sync cell, a task, a callback)? raise KeyboardInterrupt in it;
- a request between its start and its user code? remember, and raise when the user code begins;
- else ignore: a stray SIGINT never kills an idle kernel.

Source of the traps: trio `_core/_ki.py`; ipykernel#881 (an interrupt that does not wake the selector).
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # CPython's C half of signal; every CPython has it
import contextlib
import os
import signal
import sys
import threading
import time
from _thread import start_new_thread  # this very one: pydevd replaces it by one that calls a thread the user's
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, ClassVar, Protocol

from .frames import Fragile, is_machinery, is_ours, is_shielded, is_to_be_finished, wake_sleeping_loop
from .presses import Presses

_TRY_AGAIN_S = 0.002


def raise_in_thread(thread: int | None, kind: type[BaseException] | None) -> None:
    """Raise in another thread as soon as it runs Python code; None takes back what was not raised yet."""
    import ctypes  # slow, and this may be a signal handler: `Subshells.create`, `escalation` have imported it

    if thread is not None:
        exception = None if kind is None else ctypes.py_object(kind)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), exception)


class _Here(threading.local):
    interrupts: Interrupts | None = None


_here = _Here()


@contextlib.contextmanager
def woken_by(wake: Callable[[], None]) -> Iterator[None]:
    """Let an interrupt of this thread call `wake` (in any thread), which ends its wait in C where no signal does."""
    interrupts = _here.interrupts
    if interrupts is None or threading.current_thread() is threading.main_thread():
        yield
        return
    outer, interrupts.wake = interrupts.wake, wake
    try:
        yield
    finally:
        interrupts.wake = outer


def checkpoint() -> None:
    """Raise the interrupt that found this thread, a subshell's, in locked code. That code calls it as it leaves.

    Looking again a moment later is not enough: a thread that prints in a loop is nearly always found there.
    """
    interrupts = _here.interrupts
    if interrupts is not None and interrupts.due:
        interrupts.take_due()


class Interruptible(Protocol):
    """Something that user code does beside the main thread."""

    began: float
    """When it began what it does now (monotonic): an interrupt asked for before is none of its business."""

    def interrupt_from_outside(self) -> None:
        """Interrupt it. Any thread, and the signal handler."""


class Interrupts:
    """A thread's state, as far as an interrupt is concerned: the main thread's or a subshell's. That thread only."""

    # Takes care of an interrupt of a thread that a debugger has stopped, and tells whether it does. For all threads.
    held: ClassVar[Callable[[int | None, FrameType | None], bool] | None] = None

    def __init__(self) -> None:
        # The await cell that runs now: call this to cancel it. Set by the parked loop.
        self.cancel: Callable[[], None] | None = None
        # Called before KeyboardInterrupt is raised in an await cell: drops what the cell has begun to begin.
        self.drop_unstarted: Callable[[], None] | None = None
        # The idle loop turns now: only background tasks can be on the stack.
        self.idle = False
        # Whether a task of the parked loop is on the stack, although the innermost code may be asyncio's.
        self.in_task: Callable[[], bool] = lambda: False
        # What ends a wait in C that no signal ends (of another thread than main, of a GUI toolkit): set by who waits.
        self.wake: Callable[[], None] | None = None
        # Interrupts a window's callback, while a GUI toolkit runs where the loop would sleep.
        self.interrupt_callback: Callable[[], None] | None = None
        # The interrupts of other threads that run cells: a signal reaches only the main thread, which passes it on.
        self.others: list[Interruptible] = []
        # The next signal is for this thread only (a time limit ran out), and no press: the others go on.
        self.alone = False
        # os.fork calls its hooks now: an exception there is only printed.
        self.forking = False
        # Counts how often the user asked. `insist.py` puts one here that signals again until something was done.
        self.presses = Presses()
        # What the n-th press on the same cell does beside, which may still run: called once for each press, any thread.
        self.escalate: Callable[[int, bool], None] = lambda press, running: None
        self.handler = self._on_sigint
        self._handling = self._pending = False
        self._user = False
        self._fragile = Fragile()
        self._deciding = False
        self._nested: list[Callable[[], bool]] = []
        self._passed_on = 0
        self._passing_on = threading.Lock()
        self._thread: int | None = None
        self._raised_from_outside = False
        self.began = 0.0
        self._requests_begun = 0
        # An interrupt waits until locked code is left. Who takes it raises it: this thread, or another a moment later.
        self.due = False
        self._taking_due = threading.Lock()

    def install(self) -> None:
        """Take SIGINT; again after every cell, in case user code took it. Does nothing outside the main thread."""
        # `_signal`: the enum that `signal.getsignal` makes costs forty times as much, after every cell.
        if _signal.getsignal(_signal.SIGINT) == self._on_sigint:
            return
        if threading.current_thread() is threading.main_thread():
            self.presses.forget()  # what came meanwhile was for the user's handler
            signal.signal(signal.SIGINT, self._on_sigint)

    def shield_forks(self) -> None:
        """Hold interrupts back while os.fork calls the hooks registered by now (logging's, IPython's). Once."""
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(
                before=lambda: setattr(self, "forking", True),
                after_in_parent=lambda: setattr(self, "forking", False),
                after_in_child=lambda: setattr(self, "forking", False),
            )

    def begin_request(self) -> None:
        """From here to `end_request`, an interrupt outside user code is remembered for the user code to come."""
        self._pending = False
        self.began = time.monotonic()
        self._requests_begun += 1
        self._handling = True
        self.presses.begin()

    def end_request(self) -> None:
        """Forget an interrupt that came too late."""
        self._handling = self._pending = False
        self.presses.acted()

    def run_user_code(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call `function`; an interrupt raises KeyboardInterrupt in it, or here."""
        outer = self._user
        try:
            self._thread = threading.get_ident()
            _here.interrupts = self
            self._user = True
            if self._pending:
                self._pending = False
                raise KeyboardInterrupt
            return function(*args, **kwargs)
        finally:
            self._user = outer
            self.due = self.due and outer
            if self._raised_from_outside and not outer:
                self._raised_from_outside = False
                raise_in_thread(self._thread, None)

    def interrupt_from_outside(self) -> None:
        """Interrupt what a thread does that no signal reaches, by the rules of the main thread. Any other thread.

        Code that waits in C (time.sleep, a lock) goes on until C returns, unless it has set `wake`.
        """
        frame = self._frame()
        if Interrupts.held is not None and Interrupts.held(self._thread, frame):
            return
        if is_to_be_finished(frame, self._busy()):
            self._wait_until_unshielded()
        elif self.cancel is not None and self._loop_sleeps(frame):
            self.cancel()
        elif self._may_raise(frame):
            self._raise_from_outside()
        elif self._handling:
            self._pending = True

    def _raise_from_outside(self) -> None:
        if self.drop_unstarted is not None:
            self.drop_unstarted()
        self._raised_from_outside = True
        raise_in_thread(self._thread, KeyboardInterrupt)
        # Since the first look the thread may have run on, to where nothing may be raised: then not yet. Of what
        # happens next only its own code can run before the exception is there, or this thread's.
        frame = self._frame()
        if is_shielded(frame) or not self._may_raise(frame):
            raise_in_thread(self._thread, None)
            if is_to_be_finished(frame, self._busy()) or self._handling or self.idle:
                self._wait_until_unshielded()
        elif self.wake is not None:
            self.wake()
        elif self._loop_sleeps(frame):
            wake_sleeping_loop(frame)

    def _wait_until_unshielded(self) -> None:
        self.due = self._user
        # The first words on a request are said before it begins; an interrupt then is for it, and not for the next.
        coming = not (self._user or self._handling or self.idle)
        start_new_thread(self._interrupt_again, (self._user, self._requests_begun + coming))

    def _interrupt_again(self, was_due: bool, last_request: int) -> None:
        time.sleep(_TRY_AGAIN_S)
        if self._requests_begun > last_request:
            return
        if self._take_due() or not was_due:  # else it has been raised, or the user code is over
            self.interrupt_from_outside()

    def take_due(self) -> None:
        """Raise the interrupt that is due. That thread, in user code."""
        if self._take_due() and self._user:
            raise KeyboardInterrupt

    def _take_due(self) -> bool:
        with self._taking_due:
            due, self.due = self.due, False
        return due

    def _frame(self) -> FrameType | None:
        return None if self._thread is None else sys._current_frames().get(self._thread)

    def _loop_sleeps(self, frame: FrameType | None) -> bool:
        return is_machinery(frame) and (is_ours(frame) or not self.in_task())

    def _busy(self) -> bool:
        return self._user or self._handling or self.cancel is not None

    def _may_raise(self, frame: FrameType | None) -> bool:
        return self._user or self.cancel is not None or (self.idle and not self._loop_sleeps(frame))

    def pass_on(self, pressed: int) -> None:
        """Do what the newest of all presses does to other threads, once. The handler; the wire while main is in C."""
        # Not waiting: this may be a signal handler, in the middle of the same.
        if pressed <= self._passed_on or self.alone or not self._passing_on.acquire(blocking=False):
            return
        try:
            if pressed > self._passed_on:
                made_at = self.presses.made_at(pressed, self._passed_on)
                self._passed_on = pressed
                others = tuple(other for other in self.others if other.began <= made_at)
                for other in others:
                    other.interrupt_from_outside()
                running = self._handling or any(not isinstance(one, Interrupts) or one._handling for one in others)
                self.escalate(pressed - self.presses.before, running)
        finally:
            self._passing_on.release()

    def _on_sigint(self, signum: int, frame: FrameType | None) -> None:
        self._handle(frame, self.presses.arrived)

    def look_again(self, signum: int, frame: FrameType | None) -> None:
        """Do what a press asks for that waits. A signal handler."""
        self._handle(frame, self.presses.look)

    def _handle(self, frame: FrameType | None, waiting: Callable[[], bool]) -> None:
        if self._deciding:  # another one, while this handler runs: it must not raise in the middle of that
            self._nested.append(waiting)
            return
        self._deciding = True
        raises = waiting() and self._decide(frame)
        while self._nested:
            raises = (self._nested.pop(0)() and self._decide(frame)) or raises
        # No call from here on: this handler may be called anew inside a call.
        self._deciding = False
        if raises:
            raise KeyboardInterrupt

    def _decide(self, frame: FrameType | None) -> bool:
        """Do what a press asks for; whether KeyboardInterrupt is to be raised. In the handler."""
        busy = self._busy() or bool(self.others)
        if self.forking or is_to_be_finished(frame, busy) or (self._user and self._fragile.found(frame)):
            if not self.presses.hold():
                # Not from here: it would call this handler again, inside itself, before that code moves on.
                start_new_thread(self._signal_again, ())
            return False
        self.presses.acted()
        if self.alone:
            self.alone = False
            self.presses.discount()
        else:
            self.pass_on(self.presses.pressed)
        if Interrupts.held is not None and Interrupts.held(threading.get_ident(), frame):
            return False
        if self.interrupt_callback is not None and not is_machinery(frame):
            self.interrupt_callback()
        elif self.cancel is not None and self._loop_sleeps(frame):
            self.cancel()
        elif self._may_raise(frame):
            if self.drop_unstarted is not None:
                self.drop_unstarted()
            return True
        elif self._handling:
            self._pending = True
        return False

    def _signal_again(self) -> None:
        time.sleep(_TRY_AGAIN_S)
        self.presses.resend()

    def repeat(self) -> None:
        """Have another try at an interrupt that Python has swallowed, if its user code still runs. That thread."""
        if threading.get_ident() == self._thread and self._user:
            self.presses.give_back()
            start_new_thread(self._signal_again, ())
