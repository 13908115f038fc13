"""The time limit of one cell: interrupts it when it runs for too long, and again while it does not end.

A thread that waits, for cells that have a limit only. `start` and `stop` in the cell's own thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import Final

from .interrupt import Interrupts
from .presses import signal_main
from .sockets import mark_service_thread

# A cell that swallowed an interrupt, or that cleans up after it, is interrupted again this much later.
AGAIN_S: Final = 5.0

# The limit of the cell that the calling code belongs to.
DEADLINE: ContextVar[Deadline | None] = ContextVar("kernelet_deadline", default=None)


class Deadline:
    """Runs out once. `expired` says that it did: what then interrupts the cell is not the user."""

    def __init__(self, limit_s: float) -> None:
        self.limit_s = limit_s
        self.expired = False
        self._stopped = threading.Lock()
        # Held while the cell is interrupted: `stop` waits for it, so that no interrupt of ours meets the next cell.
        self._acting = threading.Lock()
        self._over = False

    def start(self, interrupt: Callable[[], None]) -> None:
        """From now on, call `interrupt` in another thread when the time is over."""
        self._stopped.acquire()
        thread = threading.Thread(target=self._watch, args=(interrupt,), name="kernelet-deadline", daemon=True)
        mark_service_thread(thread)
        thread.start()

    def stop(self) -> None:
        """The cell has ended: interrupt it no more."""
        with self._acting:
            self._over = True
        self._stopped.release()

    def error(self) -> TimeoutError:
        """Return the error of a cell that was interrupted by this."""
        return TimeoutError(f"the cell did not end within its timeout of {self.limit_s:g} s")

    def _watch(self, interrupt: Callable[[], None]) -> None:
        wait_s = self.limit_s
        while not self._stopped.acquire(timeout=min(wait_s, threading.TIMEOUT_MAX)):
            with self._acting:
                if self._over:
                    return
                self.expired = True
                interrupt()
            wait_s = AGAIN_S


def interrupter(interrupts: Interrupts) -> Callable[[], None]:
    """Return what interrupts the calling thread alone: a signal to main is not passed on to the subshells."""
    if threading.current_thread() is not threading.main_thread():
        import ctypes  # noqa: F401  # slow, and `interrupt_from_outside` needs it

        return interrupts.interrupt_from_outside

    def interrupt_main() -> None:
        interrupts.alone = True
        signal_main()

    return interrupt_main
