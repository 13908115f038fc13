"""SIGINT, decided in one place: what an interrupt does depends only on what the main thread is doing.

One handler for the life of the process, main thread. It asks in order:
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
import signal
import threading
import time
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any, TypeVar

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
    "uvloop",
)
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


def _signal_again() -> None:
    time.sleep(_TRY_AGAIN_S)
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    else:
        signal.raise_signal(signal.SIGINT)


class Interrupts:
    """The main thread's state, as far as an interrupt is concerned. Main thread only."""

    def __init__(self) -> None:
        # The await cell that runs now: call this to cancel it. Set by the parked loop.
        self.cancel: Callable[[], None] | None = None
        # Called before KeyboardInterrupt is raised in an await cell: drops what the cell has begun to begin.
        self.drop_unstarted: Callable[[], None] | None = None
        # The idle loop turns now: only background tasks can be on the stack.
        self.idle = False
        # Whether a task of the parked loop is on the stack, although the innermost code may be asyncio's.
        self.in_task: Callable[[], bool] = lambda: False
        # The interrupts of other threads that run cells: a signal reaches only the main thread, which passes it on.
        self.others: list[Interrupts] = []
        # How often the handler has done something about a signal; `insist.py`, if there, sends it again until it has.
        self.handled = 0
        self.insisted = False
        self.handler = self._on_sigint
        self._handling = False
        self._pending = False
        self._user = False
        self._thread: int | None = None
        self._raised_from_outside = False

    def install(self) -> None:
        """Take SIGINT; again after every cell, in case user code took it. Does nothing outside the main thread."""
        # `_signal`: the enum that `signal.getsignal` makes costs forty times as much, after every cell.
        if _signal.getsignal(_signal.SIGINT) == self._on_sigint:
            return
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, self._on_sigint)

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
            self._user = True
            if self._pending:
                self._pending = False
                raise KeyboardInterrupt
            return function(*args, **kwargs)
        finally:
            self._user = outer
            if self._raised_from_outside:
                self._raised_from_outside = False
                self._set_async_exception(None)

    def interrupt_from_outside(self) -> None:
        """Interrupt the cell of a thread that no signal reaches: cancel it where it awaits, or raise in its code.

        Any thread. Code that waits in C (time.sleep) goes on until C returns.
        """
        if self.cancel is not None:
            self.cancel()
        elif self._user:
            self._raised_from_outside = True
            self._set_async_exception(KeyboardInterrupt)

    def _set_async_exception(self, kind: type[BaseException] | None) -> None:
        import ctypes  # only for an interrupt of a subshell

        if self._thread is not None:
            exception = None if kind is None else ctypes.py_object(kind)
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._thread), exception)

    def _on_sigint(self, signum: int, frame: FrameType | None) -> None:
        while frame is not None and frame.f_globals is globals():  # a second signal, while the first was decided
            frame = frame.f_back
        if _shielded(frame):
            if not self.insisted:
                # Not raise_signal: it would call this handler again, inside itself, before the shielded code moves on.
                _thread.start_new_thread(_signal_again, ())
            return
        self.handled += 1
        for other in self.others:
            other.interrupt_from_outside()
        loop_sleeps = _is_machinery(frame) and (_is_ours(frame) or not self.in_task())
        if self.cancel is not None and loop_sleeps:
            self.cancel()
        elif self._user or self.cancel is not None or (self.idle and not loop_sleeps):
            if self.drop_unstarted is not None:
                self.drop_unstarted()
            raise KeyboardInterrupt
        elif self._handling:
            self._pending = True
