"""Where the thread of a parked loop sleeps while nothing lives on the loop: on its descriptors, without turning it.

Turning asyncio's loop once, only to be woken out of it, takes as much as everything else that a lane does to get its
next job: a callback made and called, a socket written and read, a selector asked through three layers. A sleeper waits
for the loop's selector itself (its descriptor tells of all of them) and for a wake-up, in one system call.
"""

from __future__ import annotations

import os
import select
import threading
from typing import Any

from .sockets import wake_pair

NO_SELECTOR = -1


def quiet_selector(loop: Any) -> int | None:
    """Return the descriptor of a loop's selector while the loop has no callbacks, no timers and no other way to get
    some; else None, as for a loop that does not tell (uvloop).
    """
    if getattr(loop, "_ready", True) or getattr(loop, "_scheduled", True):
        return None
    fileno = getattr(getattr(loop, "_selector", None), "fileno", None)
    return fileno() if fileno is not None else None


class Bed:
    """Owns two descriptors, or one. `wake` in any thread, all else in the one that sleeps."""

    def __init__(self) -> None:
        self._wake_r, self._wake_w = wake_pair()
        self._poll = select.poll()
        self._poll.register(self._wake_r, select.POLLIN)
        self._selector = NO_SELECTOR
        # Who wakes a lane that is ending must not write to what its descriptor has become since.
        self._closing = threading.RLock()  # a signal handler may wake, too
        self._closed = False

    def sleep(self, selector: int) -> bool:
        """Return True when `wake` was called since the last time; False when `selector` has something for its loop.

        `selector` is NO_SELECTOR where there is no loop yet.
        """
        if selector != self._selector:
            if self._selector >= 0:
                self._poll.unregister(self._selector)
            if selector >= 0:
                self._poll.register(selector, select.POLLIN)
            self._selector = selector
        ready = self._poll.poll()
        for fd, _ in ready:
            if fd == self._wake_r:
                os.read(fd, 8)
                return True
        return False

    def wake(self) -> None:
        """End `sleep`, or the next one; nothing once it is closed."""
        with self._closing:
            if not self._closed:
                os.write(self._wake_w, b"\1\0\0\0\0\0\0\0")

    def close(self) -> None:
        """Free what it owns."""
        with self._closing:
            if not self._closed:
                self._closed = True
                for fd in {self._wake_r, self._wake_w}:
                    os.close(fd)


def possible() -> bool:
    """Whether a thread can sleep like this here. (Windows cannot wait for any descriptor.)"""
    return hasattr(select, "poll")
