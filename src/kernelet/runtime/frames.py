"""What an interrupted thread is in the middle of, told by the frames on its stack.

Any thread: frames of another thread run on while they are looked at, so an answer about them was true a moment ago.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])

_SHIELDED = (
    "kernelet.protocol.",
    "kernelet.runtime.wire",
    "kernelet.runtime.sending",
    "kernelet.runtime.outlet",
    "kernelet.runtime.capture",
)
_LOOP_MACHINERY = (
    "asyncio.",
    "selectors",
    "kernelet.runtime.parking",
    "kernelet.runtime.dozing",
    "kernelet.runtime.reception",
    "kernelet.runtime.awaiting",
    "kernelet.runtime.guards",
    "kernelet.runtime.toolkit",
    "kernelet.ipython.eventloops",
    "IPython.terminal.pt_inputhooks",
    "uvloop",
)
_LOOK_DEPTH = 6
# What os.fork calls around itself (logging, threading, random, our streams): an exception there is only printed.
_AT_FORK = frozenset({"_acquireLock", "_releaseLock", "_after_fork", "_after_at_fork_child_reinit_locks"})
# What a task puts itself back into the loop's queue with: an exception there leaves it in no queue, for ever.
_SCHEDULES = frozenset({"call_soon", "_call_soon", "call_soon_threadsafe"})
# Functions of `threading` that do little more than wait.
_WAITS = frozenset({"join", "_wait_for_tstate_lock"})
# Code that is never where it was at the last look is interrupted all the same.
_LOOKS_AT_FRAGILE_CODE = 5
_interruptible: set[CodeType] = set()


def interruptible(function: Function) -> Function:
    """Mark a function of a shielded module in which a KeyboardInterrupt may be raised, because it waits."""
    _interruptible.add(function.__code__)
    return function


def module_of(frame: FrameType) -> str:
    """Return the name of the module whose code a frame runs."""
    return str(frame.f_globals.get("__name__"))


def is_shielded(frame: FrameType | None) -> bool:
    """Whether the thread is inside of code in which nothing may be raised: our own locked code, a loop's queue."""
    if frame is not None and frame.f_code.co_name in _AT_FORK:
        return True
    for _ in range(_LOOK_DEPTH):
        if frame is None or frame.f_code in _interruptible:
            return False
        module = module_of(frame)
        if module.startswith(_SHIELDED) or (frame.f_code.co_name in _SCHEDULES and module == "asyncio.base_events"):
            return True
        frame = frame.f_back
    return False


def is_to_be_finished(frame: FrameType | None, busy: bool) -> bool:
    """Whether an interrupt waits until our own locked code is left.

    Not where nothing else runs (`busy`) and the last words on a request are said: it would wait for the next request,
    which it was not meant for, and hit that.
    """
    return is_shielded(frame) and (busy or not _says_last_words(frame))


def _says_last_words(frame: FrameType | None) -> bool:
    for _ in range(_LOOK_DEPTH):
        if frame is None:
            return False
        if frame.f_code.co_name == "conclude" and module_of(frame) == "kernelet.runtime.outlet":
            return True
        frame = frame.f_back
    return False


def is_machinery(frame: FrameType | None) -> bool:
    """Whether the innermost code is the event loop's own or ours, and not a task's or a callback's."""
    return frame is None or module_of(frame).startswith(_LOOP_MACHINERY)


def is_ours(frame: FrameType | None) -> bool:
    """Whether the innermost code is the kernel's."""
    return frame is None or module_of(frame).startswith("kernelet.")


def from_outside(error: BaseException) -> bool:
    """Whether an error was raised by code that came in the middle of ours: a signal handler, or what it called.

    Takes our frames from its traceback then.
    """
    theirs = error.__traceback__
    step = theirs
    while step is not None:
        if is_machinery(step.tb_frame) or is_ours(step.tb_frame):
            theirs = step.tb_next
        step = step.tb_next
    if theirs is not None:
        error.__traceback__ = theirs
    return theirs is not None


def is_users(frame: FrameType | None) -> bool:
    """Whether code of a cell is on the stack."""
    while frame is not None:
        if frame.f_globals.get("__name__") == "__main__":
            return True
        frame = frame.f_back
    return False


def wake_sleeping_loop(frame: FrameType | None) -> None:
    """Let a loop that user code runs by itself (`asyncio.run`) come back from its selector. Any thread."""
    for _ in range(_LOOK_DEPTH):
        if frame is None:
            return
        if frame.f_code.co_name == "_run_once" and "self" in frame.f_locals:
            frame.f_locals["self"].call_soon_threadsafe(lambda: None)
            return
        frame = frame.f_back


class Fragile:
    """Tells code of the module `threading` that an exception would break from code there that merely waits.

    `Condition.wait` has a moment in which it has let its lock go and is not yet in its `try`: interrupted then, an
    Event's wait ends in RuntimeError ("release unlocked lock"), and a lock that others use may stay locked. Who waits
    stands still: what is found twice at the same instruction may be interrupted.
    """

    def __init__(self) -> None:
        self._last: tuple[int, int] | None = None
        self._looks = 0

    def found(self, frame: FrameType | None) -> bool:
        """Whether to try again a moment later, since `frame` is such code and runs on."""
        if (
            frame is None
            or frame.f_globals is not vars(threading)
            or frame.f_code.co_name in _WAITS
            or "gotit" in frame.f_locals  # in the `try` of Condition.wait
        ):
            self._last, self._looks = None, 0
            return False
        here = (id(frame), frame.f_lasti)
        self._looks += 1
        if here == self._last or self._looks > _LOOKS_AT_FRAGILE_CODE:
            self._last, self._looks = None, 0
            return False
        self._last = here
        return True
