"""How often the user asked for an interrupt, and whether something was done about it.

Counting is what keeps a signal that was sent again, to insist on one, from hitting what comes after the interrupted
code. The main thread, except `resend`.
"""

from __future__ import annotations

import signal
import threading
import time

# Presses further apart than this do not add up to a second and a third one.
SAME_WISH_S = 10.0
# Presses closer to each other than this, before any of them was acted on, are one.
_TOGETHER_S = 0.05


def signal_main() -> None:
    """Send SIGINT to the main thread. Any thread."""
    if hasattr(signal, "pthread_kill"):
        # To the thread, not the process: it must end the main thread's system call, not another thread's.
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    else:
        signal.raise_signal(signal.SIGINT)


class Presses:
    """Counts the SIGINTs that reach Python's handler."""

    def __init__(self) -> None:
        self._arrived = 0
        self._acted = 0
        # `pressed` when the cell began that runs now.
        self.before = 0
        self._last = 0.0
        self._sending_again = False
        # The newest press that somebody has seen come, and when (monotonic); None once it was passed on.
        self._asked: tuple[int, float] | None = None

    @property
    def pressed(self) -> int:
        """How often the user asked, ever."""
        return self._arrived

    @property
    def waiting(self) -> bool:
        """Whether one is not acted on yet."""
        return self.pressed > self._acted

    def begin(self) -> None:
        """Count anew: a cell begins."""
        self.before = self.pressed

    def asked(self) -> None:
        """Note when a press was made that the handler will hear of a moment later. Any thread, before it is sent."""
        self._asked = (self.pressed + 1, time.monotonic())

    def made_at(self, pressed: int, done: int) -> float:
        """Return when the newest of `pressed` presses, of which `done` are done with, was made (monotonic); else: now.

        Once for each. What was begun later is not what the user saw when they pressed. Others that are counted with
        one that was seen a moment ago may have been made before it: signals are noted when main is scheduled.
        """
        asked, self._asked = self._asked, None
        now = time.monotonic()
        if asked is None or asked[0] <= done or (asked[0] < pressed and now - asked[1] > _TOGETHER_S):
            return now
        return asked[1]

    def arrived(self) -> bool:
        """Note that the handler was called; whether something is to be done. In the handler, first of all."""
        self._note()
        if not self.waiting:
            return False
        now = time.monotonic()
        if now - self._last > SAME_WISH_S:
            self.before = self._acted
        self._last = now
        return True

    def look(self) -> bool:
        """Whether one waits that was counted before. In a signal handler."""
        return self.waiting

    def _note(self) -> None:
        if self._sending_again:
            self._sending_again = False
        else:
            self._arrived += 1

    def hold(self) -> bool:
        """Keep a press that cannot be acted on now; whether somebody will send it again. In the handler."""
        return False

    def acted(self) -> None:
        """Something was done about all of them so far."""
        pressed = self.pressed
        if pressed > self._acted:  # no call from here on: the handler may be called anew inside a call
            self._acted = pressed

    def discount(self) -> None:
        """The last one was none of the user's."""
        self.before += 1

    def forget(self) -> None:
        """Leave out those that came while the handler was another one."""
        self._asked = None
        self.acted()

    def give_back(self) -> None:
        """The last one had no effect."""
        self._acted -= 1

    def resend(self) -> None:
        """Have a press that waits looked at once more. Any thread but main."""
        self._sending_again = True
        signal_main()
