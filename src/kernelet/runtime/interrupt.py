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
import _thread
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import CodeType, FrameType
from typing import Any, ClassVar, Protocol, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])

_SHIELDED = (
    "kernelet.protocol.",
    "kernelet.runtime.wire",
    "kernelet.runtime.outlet",
    "kernelet.runtime.capture",
)
_LOOP_MACHINERY = (
    "asyncio.",
    "selectors",
    "kernelet.runtime.parking",
    "kernelet.runtime.awaiting",
    "kernelet.runtime.guards",
    "kernelet.runtime.toolkit",
    "kernelet.ipython.eventloops",
    "IPython.terminal.pt_inputhooks",
    "uvloop",
)
_HANDLER_MODULES = ("kernelet.runtime.interrupt", "kernelet.runtime.insist")
_LOOK_DEPTH = 6
_TRY_AGAIN_S = 0.002
# What os.fork calls around itself (logging, threading, random, our streams): an exception there is only printed.
_AT_FORK = frozenset({"_acquireLock", "_releaseLock", "_after_fork", "_after_at_fork_child_reinit_locks"})
_interruptible: set[CodeType] = set()


def interruptible(function: Function) -> Function:
    """Mark a function of a shielded module in which a KeyboardInterrupt may be raised, because it waits."""
    _interruptible.add(function.__code__)
    return function


def _shielded(frame: FrameType | None) -> bool:
    if frame is not None and frame.f_code.co_name in _AT_FORK:
        return True
    for _ in range(_LOOK_DEPTH):
        if frame is None or frame.f_code in _interruptible:
            return False
        if str(frame.f_globals.get("__name__")).startswith(_SHIELDED):
            return True
        frame = frame.f_back
    return False


def _is_machinery(frame: FrameType | None) -> bool:
    """Whether the innermost code is the event loop's own or ours, and not a task's or a callback's."""
    return frame is None or str(frame.f_globals.get("__name__")).startswith(_LOOP_MACHINERY)


def _is_ours(frame: FrameType | None) -> bool:
    return frame is None or str(frame.f_globals.get("__name__")).startswith("kernelet.")


def _wake_sleeping_loop(frame: FrameType | None) -> None:
    """Let a loop that user code runs by itself (`asyncio.run`) come back from its selector. Any thread."""
    for _ in range(_LOOK_DEPTH):
        if frame is None:
            return
        if frame.f_code.co_name == "_run_once" and "self" in frame.f_locals:
            frame.f_locals["self"].call_soon_threadsafe(lambda: None)
            return
        frame = frame.f_back


def _raise_in_thread(thread: int | None, kind: type[BaseException] | None) -> None:
    """Raise in another thread as soon as it runs Python code; None takes back what was not raised yet."""
    import ctypes  # slow, and this may be a signal handler: `Subshells.create` has imported it

    if thread is not None:
        exception = None if kind is None else ctypes.py_object(kind)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), exception)


def signal_main() -> None:
    """Send SIGINT to the main thread. Any thread."""
    if hasattr(signal, "pthread_kill"):
        # To the thread, not the process: it must end the main thread's system call, not another thread's.
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    else:
        signal.raise_signal(signal.SIGINT)


def _signal_again() -> None:
    time.sleep(_TRY_AGAIN_S)
    signal_main()


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
        # The next signal is for this thread only (a time limit ran out): the others go on.
        self.alone = False
        # os.fork calls its hooks now: an exception there is only printed.
        self.forking = False
        # Called when something is done about a signal. `insist.py` sets it, and signals again until it was called.
        self.acted: Callable[[], None] | None = None
        self.handler = self._on_sigint
        self._handling = False
        self._pending = False
        self._user = False
        self._thread: int | None = None
        self._raised_from_outside = False
        # An interrupt waits until locked code is left.
        self.due = False

    def install(self) -> None:
        """Take SIGINT; again after every cell, in case user code took it. Does nothing outside the main thread."""
        # `_signal`: the enum that `signal.getsignal` makes costs forty times as much, after every cell.
        if _signal.getsignal(_signal.SIGINT) == self._on_sigint:
            return
        if threading.current_thread() is threading.main_thread():
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
        self._handling = True

    def end_request(self) -> None:
        """Forget an interrupt that came too late."""
        self._handling = self._pending = False

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
                _raise_in_thread(self._thread, None)

    def interrupt_from_outside(self) -> None:
        """Interrupt what a thread does that no signal reaches, by the rules of the main thread. Any other thread.

        Code that waits in C (time.sleep, a lock) goes on until C returns, unless it has set `wake`.
        """
        frame = self._frame()
        if Interrupts.held is not None and Interrupts.held(self._thread, frame):
            return
        if _shielded(frame):
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
        _raise_in_thread(self._thread, KeyboardInterrupt)
        # Since the first look the thread may have run on, to where nothing may be raised: then not yet. Of what
        # happens next only its own code can run before the exception is there, or this thread's.
        frame = self._frame()
        if _shielded(frame) or not self._may_raise(frame):
            _raise_in_thread(self._thread, None)
            self._wait_until_unshielded()
        elif self.wake is not None:
            self.wake()
        elif self._loop_sleeps(frame):
            _wake_sleeping_loop(frame)

    def _wait_until_unshielded(self) -> None:
        self.due = self._user
        _thread.start_new_thread(self._interrupt_again, (self._user,))

    def _interrupt_again(self, was_due: bool) -> None:
        time.sleep(_TRY_AGAIN_S)
        if self.due or not was_due:  # else it has been raised, or the user code is over
            self.due = False
            self.interrupt_from_outside()

    def take_due(self) -> None:
        """Raise the interrupt that is due. That thread, in user code."""
        self.due = False
        if self._user:
            raise KeyboardInterrupt

    def _frame(self) -> FrameType | None:
        return None if self._thread is None else sys._current_frames().get(self._thread)

    def _loop_sleeps(self, frame: FrameType | None) -> bool:
        return _is_machinery(frame) and (_is_ours(frame) or not self.in_task())

    def _may_raise(self, frame: FrameType | None) -> bool:
        return self._user or self.cancel is not None or (self.idle and not self._loop_sleeps(frame))

    def _on_sigint(self, signum: int, frame: FrameType | None) -> None:
        while frame is not None and str(frame.f_globals.get("__name__")) in _HANDLER_MODULES:
            frame = frame.f_back  # a second signal, while the first was decided
        if self.forking or _shielded(frame):
            if self.acted is None:
                # Not raise_signal: it would call this handler again, inside itself, before the shielded code moves on.
                _thread.start_new_thread(_signal_again, ())
            return
        if self.acted is not None:
            self.acted()
        if not self.alone:
            for other in tuple(self.others):
                other.interrupt_from_outside()
        self.alone = False
        if Interrupts.held is not None and Interrupts.held(threading.get_ident(), frame):
            return
        if self.interrupt_callback is not None and not _is_machinery(frame):
            self.interrupt_callback()
        elif self.cancel is not None and self._loop_sleeps(frame):
            self.cancel()
        elif self._may_raise(frame):
            if self.drop_unstarted is not None:
                self.drop_unstarted()
            raise KeyboardInterrupt
        elif self._handling:
            self._pending = True
