"""What lets a sync cell be run with the loop parked: the guards of asyncio see no loop where users see one.

`asyncio.run()`, `Runner` and `loop.run_until_complete()` refuse to work while a loop runs. They look it up as
`asyncio.events._get_running_loop`; for a thread whose loop is parked that name answers None. It is a private lookup, so
the replacement tests itself when it is made, and is taken back where a new Python works otherwise.

Any thread; what is parked is per thread.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio  # 30 ms of start-up: imported when the first loop is made

# Without sniffio, anyio decides by asyncio.get_running_loop() whether anyio.run() is allowed.
_GUARDS_BY_PUBLIC_NAME = frozenset({"anyio._core._eventloop"})


class Guards:
    """Replaces the lookups of the running loop that asyncio's guards make. One per process; tests itself."""

    def __init__(self) -> None:
        from asyncio import events

        self._events = events
        self._get: Callable[[], Any] = events._get_running_loop
        self._set: Callable[[Any], None] = events._set_running_loop
        self._parked = threading.local()
        self.work = self._install()

    def _install(self) -> bool:
        import asyncio

        if hasattr(self._get, "__wrapped__"):  # somebody else patched the names: keep out of it
            return False
        self._events._get_running_loop = self._get_unparked
        self._events._set_running_loop = self._set_or_park
        asyncio._set_running_loop = self._set_or_park
        asyncio.get_running_loop = self._get_running_loop
        if self._self_test():
            return True
        self._events._get_running_loop = self._get
        self._events._set_running_loop = self._set
        asyncio._set_running_loop = self._set
        asyncio.get_running_loop = self._events.get_running_loop
        return False

    def _self_test(self) -> bool:
        """Whether a parked loop is seen by users, not by the guards, and comes back after a nested run."""
        import asyncio

        async def nothing() -> None:
            return None

        loop = asyncio.new_event_loop()
        inner = nothing()
        try:
            self.park(loop)
            seen = asyncio.get_running_loop() is loop
            loop.run_until_complete(inner)
            return seen and asyncio.get_running_loop() is loop
        except RuntimeError:
            inner.close()
            return False
        finally:
            self.unpark()
            loop.close()

    def park(self, loop: asyncio.AbstractEventLoop) -> None:
        self._parked.loop = loop
        self._set(loop)

    def unpark(self) -> None:
        self._parked.loop = None
        self._set(None)

    def parked_loop(self) -> Any:
        return getattr(self._parked, "loop", None)

    def _get_unparked(self) -> Any:
        loop: Any = self._get()
        parked = loop is not None and loop is self.parked_loop() and not loop.is_running()
        return None if parked else loop

    def _get_running_loop(self) -> Any:
        """Answer users with the parked loop, and the guards that ask by this public name with "none"."""
        loop = self._events.get_running_loop()
        if not loop.is_running() and sys._getframe(1).f_globals.get("__name__") in _GUARDS_BY_PUBLIC_NAME:
            raise RuntimeError("no running event loop")
        return loop

    def _set_or_park(self, loop: Any) -> None:
        self._set(loop if loop is not None else self.parked_loop())


_guards: Guards | None = None


def the_guards() -> Guards:
    """Return the one replacement of this process, made when the first loop is."""
    global _guards
    if _guards is None:
        _guards = Guards()
    return _guards
