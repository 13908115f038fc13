"""What it means that the user asks for an interrupt again: the second press reaches user threads, the third tells all.

A press comes from the main thread's signal handler, or from the wire while main is in C.
"""

from __future__ import annotations

import faulthandler
import sys
import threading
from _thread import start_new_thread  # not pydevd's: see `interrupt`
from types import FrameType

from .attribution import Attribution
from .frames import is_users, wake_sleeping_loop
from .interrupt import raise_in_thread
from .lane import SUBSHELL_THREAD
from .log import Log
from .sockets import is_service_thread

USER_THREADS_AT = 2
STACKS_AT = 3


class Escalation:
    """`press` is called with 1 for the first press on a cell, and so on."""

    def __init__(self, attribution: Attribution, log: Log) -> None:
        self._attribution = attribution
        self._log = log

    def press(self, number: int, running: bool) -> None:
        """Do what this press does beside interrupting the cells; `running`: one still runs. Any thread."""
        if number == USER_THREADS_AT:
            start_new_thread(self._interrupt_threads, ())  # not in a signal handler: it imports
        elif number >= STACKS_AT and (running or self._threads()):
            self.tell_stacks(f"interrupted {number} times; what every thread does now:")

    def tell_stacks(self, why: str) -> None:
        """Write the stacks of all threads to the stderr that the kernel was started with."""
        self._log("error", why)
        try:
            faulthandler.dump_traceback(self._log.fd, all_threads=True)
        except OSError:  # the terminal or pipe we were started on is gone
            return

    def _interrupt_threads(self) -> None:
        """Raise KeyboardInterrupt in the threads that run user code; one that waits in C gets it when C returns."""
        for thread, frame in self._threads():
            raise_in_thread(thread.ident, KeyboardInterrupt)
            wake_sleeping_loop(frame)

    def _threads(self) -> list[tuple[threading.Thread, FrameType]]:
        frames = sys._current_frames()
        running = [(thread, frames.get(thread.ident or 0)) for thread in threading.enumerate()]
        return [(thread, frame) for thread, frame in running if frame is not None and self._is_users(thread, frame)]

    def _is_users(self, thread: threading.Thread, frame: FrameType) -> bool:
        """Whether a thread runs user code, and nothing else interrupts it."""
        if thread is threading.main_thread() or thread.name.startswith(SUBSHELL_THREAD) or is_service_thread(thread):
            return False
        return self._attribution.claims(thread) or is_users(frame)
