"""Sees to it that an interrupt arrives: a SIGINT that comes just before main blocks in C is sent again.

CPython looks for signals, then blocks (`time.sleep`, a lock, a queue): one that comes in between is noted and wakes
nobody, and the cell sleeps on. Between the two it may have to hand over the GIL, so the gap is not small. The C
handler writes to a wakeup descriptor at once, whatever main does; the wire reads it, and signals again while Python's
handler has not run.

Set up in the main thread; runs in the wire thread.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # CPython's C half of signal: see interrupt.py
import os
import signal
import threading

from .interrupt import Interrupts
from .wire import Wire

_LOOK_AFTER_S = 0.004
_TRIES = 10


class Insistence:
    """Watches for SIGINT on behalf of `interrupts`."""

    def __init__(self, wire: Wire, interrupts: Interrupts) -> None:
        """Take the wakeup descriptor of the process. Main thread, before the wire starts."""
        self._wire = wire
        self._interrupts = interrupts
        self._acknowledged = 0
        self._looking = False
        self._reader, writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(writer, False)
        interrupts.insisted = True
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        wire.watch(self._reader, self._signalled)

    def _signalled(self) -> None:
        try:
            numbers = os.read(self._reader, 512)
        except BlockingIOError:
            return
        if signal.SIGINT in numbers and not self._looking:
            self._look(_TRIES)

    def _look(self, tries: int) -> None:
        self._looking = False
        handled = self._interrupts.handled
        if handled > self._acknowledged:
            self._acknowledged = handled
        elif tries and _signal.getsignal(_signal.SIGINT) == self._interrupts.handler:
            self._looking = True
            if tries < _TRIES:
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            self._wire.call_later(_LOOK_AFTER_S * (1 + _TRIES - tries), lambda: self._look(tries - 1))
