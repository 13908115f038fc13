"""Where code of the user's runs: each lane's thread has a loop, and one context for all that it runs.

The thread of a lane, or the assistant's, which runs no code of the user's.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from contextvars import Context, copy_context
from typing import Any

from ..protocol.message import Parent
from ..runtime.attribution import PARENT
from ..runtime.host import Host
from ..runtime.interrupt import Interrupts
from ..runtime.parking import ParkedLoop


class InLanes:
    """Knows the loop and the context of the thread that calls."""

    host: Host
    context: Context
    """Main's."""

    def _begin_with_main(self, host: Host) -> None:
        """Give the calling thread, main's, its loop and its context."""
        self.host, self.context = host, copy_context()
        self._here = threading.local()
        self._here.parking, self._here.context = host.parking, self.context

    def _is_aside(self) -> bool:
        """Whether this thread answers while another runs a cell: it runs no code of the user's."""
        return not hasattr(self._here, "parking")

    def lane_here(self) -> object | None:
        """Return the loop of the lane whose thread this is; None in the user's threads, and the assistant's."""
        return getattr(self._here, "parking", None)

    def with_parent(self, lane: Any, parent: Parent, function: Any, *args: Any) -> Any:
        """Call a function as code of a request that is no cell: its output is that request's; it can be interrupted."""
        interrupts = self._enter_lane(lane)
        context = self._where()[1]
        before = context.get(PARENT)
        context.run(PARENT.set, parent)
        try:
            interrupts.begin_request()
            return self._in_cell_context(function, *args)
        except KeyboardInterrupt:
            self.host.wire.write("stderr", parent, "KeyboardInterrupt\n")
            return None
        finally:
            interrupts.end_request()
            context.run(PARENT.set, before)

    def _in_cell_context(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        if not hasattr(self._here, "parking"):  # the assistant's thread: it answers while main is inside the context
            return self.context.copy().run(function, *args, **kwargs)
        parking, context = self._where()
        return context.run(parking.call, function, *args, **kwargs)

    def _enter_lane(self, lane: Any) -> Interrupts:
        """Give the thread of a subshell its own context, a copy of main's, when it first runs code."""
        if not hasattr(self._here, "parking"):
            self._here.parking, self._here.context = lane.parking, self.context.copy()
        interrupts: Interrupts = self._here.parking.interrupts
        return interrupts

    @contextlib.contextmanager
    def nested(self, parking: Any) -> Iterator[None]:
        """Let requests be handled in the middle of this thread's cell, whose context cannot be entered again."""
        here, outside = self._here, dict(vars(self._here))
        here.parking, here.context = parking, copy_context()
        try:
            yield
        finally:
            vars(here).clear()
            vars(here).update(outside)

    def _where(self) -> tuple[ParkedLoop, Context]:
        """Return the loop and the context of the cells of this thread (main's, in a thread of the user's own)."""
        here = self._here
        return getattr(here, "parking", self.host.parking), getattr(here, "context", self.context)
