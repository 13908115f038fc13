"""Whose output is this: the one ContextVar that names the request, and what to do where it names none.

Any thread. Tasks inherit the variable from the code that made them, so a background task keeps writing to its own cell.
"""

from __future__ import annotations

from contextvars import ContextVar

from ..protocol.message import NO_PARENT, Parent

PARENT: ContextVar[Parent | None] = ContextVar("kernelet_parent", default=None)


class Attribution:
    """Finds the parent of output. `latest` is the newest cell: the answer for code that no cell claims."""

    def __init__(self) -> None:
        self.latest: Parent = NO_PARENT

    def current(self) -> Parent:
        """Return the parent of what the calling code says now."""
        return PARENT.get() or self.latest
