"""Whose output is this: the one ContextVar that names the request, and what to do where it names none.

Any thread. Tasks inherit the variable from the code that made them, so a background task keeps writing to its own cell.
Threads do not inherit it: `thread_parents` notes on each thread which cell it belongs to, and a policy decides:

- auto: a thread that user code started writes to the cell that started it, a library's own thread to the newest cell.
- origin: every thread writes to the cell in which it was started.
- latest: every thread writes to the newest cell, as with ipykernel.
- none: a thread's output has no parent at all.

In each of them, what sets the variable (`set_thread_parent`, a context copied from a cell) has the first word.
"""

from __future__ import annotations

import threading
from contextvars import ContextVar
from typing import Final, Literal, get_args

from ..protocol.message import NO_PARENT, Parent

Policy = Literal["auto", "origin", "latest", "none"]
POLICIES: Final[tuple[Policy, ...]] = get_args(Policy)

PARENT: ContextVar[Parent | None] = ContextVar("kernelet_parent", default=None)

# Where a Thread carries the parent that it was started for.
_MARK: Final = "_kernelet_parent"


class _Here(threading.local):
    """The calling thread's own parent, looked up once."""

    known = False
    parent: Parent | None = None


class Attribution:
    """Finds the parent of output. `latest` is the newest cell: the answer for code that no cell claims."""

    def __init__(self) -> None:
        self.latest: Parent = NO_PARENT
        self.policy: Policy = "auto"
        self._here = _Here()

    def current(self) -> Parent:
        """Return the parent of what the calling code says now."""
        return PARENT.get() or self._unclaimed()

    def origin(self) -> Parent | None:
        """Return the request that the calling code works for, None where nobody said so."""
        return PARENT.get() or self._of_thread()

    def claim(self, thread: threading.Thread, parent: Parent | None) -> None:
        """Make `parent` the one that a thread works for. Before it runs."""
        setattr(thread, _MARK, parent)

    def claims(self, thread: threading.Thread) -> bool:
        """Whether user code started a thread, as far as that was asked when it did (policy `auto`)."""
        return self.policy == "auto" and getattr(thread, _MARK, None) is not None

    def _unclaimed(self) -> Parent:
        if self.policy == "latest":
            return self.latest
        if self.policy == "none":
            return NO_PARENT
        return self._of_thread() or self.latest

    def _of_thread(self) -> Parent | None:
        here = self._here
        if not here.known:
            here.parent = getattr(threading.current_thread(), _MARK, None)
            here.known = True
        return here.parent
