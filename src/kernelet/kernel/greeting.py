"""What the first who listens is told: `starting`, and whether main is at work. The last of it is always true.

`greet` in the wire thread; the rest in main's, around the end of each request. No lock: main would wait for the wire.
"""

from __future__ import annotations

from collections.abc import Callable

from ..runtime.lane import Lane
from .status import State


class Greeting:
    """Tells once, and remembers whether `busy` was told to somebody who may have missed the idle."""

    def __init__(self, tell: Callable[[State], None]) -> None:
        """`tell` publishes a state without parent."""
        self._tell = tell
        self._done = False
        self._owes_idle = False

    def greet(self, main: Lane | None) -> None:
        """Tell `starting`, and what `main` does, if it is there. Wire thread, at each subscription; once."""
        if self._done:
            return
        self._done = True
        self._tell("starting")
        told: State | None = None
        while main is not None:
            # Before the look at `running`: if that is put away later, whoever does so sees that idle is to be told.
            self._owes_idle = True
            state: State = "idle" if main.running is None else "busy"
            if state == told:
                self._owes_idle = state == "busy"
                return
            self._tell(state)
            told = state  # and look again: by now main may have told the opposite, before us

    def concluding(self) -> None:
        """Note that main is about to tell idle: whoever was greeted by now will hear it."""
        self._owes_idle = False

    def concluded(self) -> None:
        """Tell idle, if busy was told after main had said its last word on the request that it has put away now."""
        if self._owes_idle:
            self._owes_idle = False
            self._tell("idle")
