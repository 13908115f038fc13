"""Sees to it that an interrupt arrives: main is nudged when a SIGINT came just before it blocked in C.

CPython looks for signals, then blocks (`time.sleep`, a lock, a queue): one that comes in between is noted and wakes
nobody, and the cell sleeps on. Between the two it may have to hand over the GIL, so the gap is not small. C's handler
writes the signal's number to a wakeup socket at once, whatever main does; Python's handler takes it out when it has
done something about it. While it is still there a moment later, the wire nudges main.

The nudge is another signal, SIGURG, whose handler only looks whether a SIGINT still waits for its answer. SIGINT sent
again would be one too many when main comes to the first at that very moment: a KeyboardInterrupt in the middle of the
traceback of the other.

Set up in the main thread; looks in the wire thread.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # CPython's C half of signal: see interrupt.py
import signal
import socket
import threading
from types import FrameType

from .interrupt import Interrupts, signal_main
from .wire import Wire

_FIRST_LOOK_S = 0.005
_LAST_LOOK_S = 0.1
_ROOM = 4096


class Insistence:
    """Watches for SIGINT on behalf of `interrupts`."""

    def __init__(self, wire: Wire, interrupts: Interrupts) -> None:
        """Take the wakeup descriptor of the process. Main thread, before the wire starts."""
        self._wire = wire
        self._interrupts = interrupts
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        self._nudge_handler = self._nudged  # one object: it is compared
        signal.signal(signal.SIGURG, self._nudge_handler)
        interrupts.acted = self._take
        wire.watch(self._reader.fileno(), self._signalled)

    def close(self) -> None:
        """Give the wakeup descriptor and SIGURG back. Main thread, when the wire has stopped."""
        self._interrupts.acted = None
        signal.set_wakeup_fd(-1)
        if _signal.getsignal(_signal.SIGURG) == self._nudge_handler:
            signal.signal(signal.SIGURG, signal.SIG_DFL)
        self._reader.close()
        self._writer.close()

    def _take(self) -> None:
        """Something was done about all signals so far. Main thread, in the signal handler."""
        try:
            self._reader.recv(_ROOM)
        except BlockingIOError:  # user code has taken the wakeup descriptor for itself
            return

    def _signalled(self) -> None:
        if not self._ours():  # user code has a handler of its own
            self._take()
            return
        self._wire.unwatch(self._reader.fileno())  # what is only looked at stays readable
        self._wire.call_later(_FIRST_LOOK_S, lambda: self._look(_FIRST_LOOK_S))

    def _ours(self) -> bool:
        return bool(_signal.getsignal(_signal.SIGINT) == self._interrupts.handler)

    def _numbers(self) -> bytes:
        """Return the numbers of the signals that nothing was done about. Any thread."""
        try:
            return self._reader.recv(_ROOM, socket.MSG_PEEK)
        except BlockingIOError:
            return b""

    def _nudged(self, signum: int, frame: FrameType | None) -> None:
        """Answer the SIGINT that waits for it, if any. Main thread, a signal handler."""
        if signal.SIGINT in self._numbers() and self._ours():
            self._interrupts.handler(signal.SIGINT, frame)

    def _nudge(self) -> None:
        if _signal.getsignal(_signal.SIGURG) == self._nudge_handler:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGURG)
        else:  # user code has taken that signal
            signal_main()

    def _look(self, waited_s: float) -> None:
        numbers = self._numbers()
        if signal.SIGINT in numbers and self._ours():
            self._nudge()
            if self._interrupts.wake is not None:
                self._interrupts.wake()
            wait_s = min(2 * waited_s, _LAST_LOOK_S)
            self._wire.call_later(wait_s, lambda: self._look(wait_s))
        else:
            if numbers:
                self._take()
            self._wire.watch(self._reader.fileno(), self._signalled)
