"""Sees to it that an interrupt arrives: a SIGINT that comes just before main blocks in C is sent again.

CPython looks for signals, then blocks (`time.sleep`, a lock, a queue): one that comes in between is noted and wakes
nobody, and the cell sleeps on. Between the two it may have to hand over the GIL, so the gap is not small. C's handler
writes the signal's number to a wakeup socket at once, whatever main does, and Python's handler counts what it finds
there. While a press waits a moment later, the wire signals again, and passes it on to the threads beside main. It
signals by SIGURG, which nobody else uses and which does nothing by default: another SIGINT would be one press more, or
not, where the system makes one of two.

Set up in the main thread; looks in the wire thread.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # CPython's C half of signal: see interrupt.py
import contextlib
import signal
import socket
import threading
import time

from .interrupt import Interrupts
from .presses import Presses
from .wire import Wire

_FIRST_LOOK_S = 0.005
_LAST_LOOK_S = 0.1
_ROOM = 4096
# Beside numbers of signals: makes the wire look.
_LOOK = b"\0"
# What the wire finds there that is no signal of the user's.
_OURS = _LOOK + bytes([signal.SIGINT, getattr(signal, "SIGURG", signal.SIGINT)])


class Insistence(Presses):
    """Watches for SIGINT on behalf of `interrupts`."""

    def __init__(self, wire: Wire, interrupts: Interrupts) -> None:
        """Take the wakeup descriptor of the process. Main thread, before the wire starts."""
        super().__init__()
        self._wire = wire
        self._interrupts = interrupts
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        self._has_wakeups = True
        self._take_wakeups()
        self._look_again = interrupts.look_again  # one object: it is compared
        signal.signal(signal.SIGURG, self._look_again)
        # What the wire took out: each thread counts for itself, since a signal handler cannot wait for a lock.
        self._taken_by_wire = 0
        self._looked_at = 0
        interrupts.presses = self
        wire.watch(self._reader.fileno(), self._signalled)

    @property
    def pressed(self) -> int:
        return self._arrived + self._taken_by_wire

    def _note(self) -> None:
        """Count what C's handler wrote; if nothing, either an earlier call has, or user code took the descriptor."""
        found = self._read().count(signal.SIGINT)
        if not found and not self._take_wakeups():
            found = 1
        if found and self._sending_again:
            self._sending_again = False
            found -= 1
        self._arrived += found  # with no call in it: the handler may be called anew inside a call

    def look(self) -> bool:
        # What C's handler wrote in another thread, while Python's was already looking in this one.
        found = self._read().count(signal.SIGINT)
        self._arrived += found
        return self.waiting

    def _take_wakeups(self) -> bool:
        """Make C's handler write to us, if to nobody; whether it did (asyncio takes it for a loop with handlers)."""
        ours = self._writer.fileno()
        before = signal.set_wakeup_fd(ours, warn_on_full_buffer=False)
        self._has_wakeups = before in (-1, ours)
        if not self._has_wakeups:
            signal.set_wakeup_fd(before)
        return before == ours

    def _read(self, flags: int = 0) -> bytes:
        try:
            return self._reader.recv(_ROOM, flags)
        except BlockingIOError:
            return b""

    def hold(self) -> bool:
        if self._has_wakeups:
            with contextlib.suppress(BlockingIOError):  # full: there is enough to look at
                self._writer.send(_LOOK)
        return self._has_wakeups

    def resend(self) -> None:
        if _signal.getsignal(_signal.SIGURG) == self._look_again:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGURG)
        else:  # user code has taken that signal
            super().resend()

    def asked(self) -> None:
        self._asked = (self.pressed + self._unread() + 1, time.monotonic())

    def _unread(self) -> int:
        return self._read(socket.MSG_PEEK).count(signal.SIGINT)

    def forget(self) -> None:
        self._read()
        self._take_wakeups()
        super().forget()

    def close(self) -> None:
        """Give back what was taken. Main thread."""
        self._interrupts.presses = Presses()
        signal.set_wakeup_fd(-1)
        if _signal.getsignal(_signal.SIGURG) == self._look_again:
            signal.signal(signal.SIGURG, signal.SIG_DFL)
        self._reader.close()
        self._writer.close()

    def _ours(self) -> bool:
        """Whether SIGINT is the kernel's, and not a handler's of user code."""
        return bool(_signal.getsignal(_signal.SIGINT) == self._interrupts.handler)

    # -- wire thread

    def _signalled(self) -> None:
        if not self._ours():
            self._read()
            self._asked = None
            return
        # Counted first: what main notes from here on is counted with those that are unread, and not twice. The time of
        # a press that main has passed on meanwhile must not be taken for the next one's.
        pressed = self.pressed
        unread = self._unread()
        if unread:  # before the requests are read that have come behind it
            self._asked = (pressed + unread, time.monotonic())
        self._wire.unwatch(self._reader.fileno())  # what is only looked at stays readable
        self._wire.call_later(_FIRST_LOOK_S, lambda: self._look(_FIRST_LOOK_S))

    def _look(self, waited_s: float) -> None:
        numbers = self._read(socket.MSG_PEEK)
        unnoted = numbers.count(signal.SIGINT)
        if not self._ours():
            self._read()
        elif numbers and self.pressed + unnoted <= self._acted:
            # Other signals; but a SIGINT may come at this moment, and Python's handler then finds nothing to count.
            taken = self._read()
            self._taken_by_wire += taken.count(signal.SIGINT)
            unnoted = 0
            if taken.strip(_OURS):  # one of the user's: main may have been about to block, too
                self.resend()
        if self._ours() and self.pressed + unnoted > self._acted:
            self._interrupts.pass_on(self.pressed + unnoted)
            self.resend()
            if self._interrupts.wake is not None:
                self._interrupts.wake()
            # Twice as long as before, unless it is another press by now.
            wait_s = min(2 * waited_s, _LAST_LOOK_S) if self._acted == self._looked_at else _FIRST_LOOK_S
            self._looked_at = self._acted
            self._wire.call_later(wait_s, lambda: self._look(wait_s))
        else:
            self._wire.watch(self._reader.fileno(), self._signalled)
