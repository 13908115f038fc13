"""The thread of the debugger: an event loop of its own, so that a slow request keeps nobody waiting.

Started at the first debug request. Debuggers do not look into it, nor into the thread beside it, in which it calls what
may take long or is the user's (a `__repr__`, say).
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from .sockets import mark_service_thread

P = ParamSpec("P")
T = TypeVar("T")


class DebugThread:
    """Runs coroutines in the debugger's thread."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._aside = ThreadPoolExecutor(1, "kernelet-debugger-aside", lambda: mark_service_thread(_this_thread()))
        self._thread = threading.Thread(target=self._run, name="kernelet-debugger", daemon=True)
        mark_service_thread(self._thread)
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()
        self.loop.close()

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Run a coroutine; those of one thread begin in the order of submission. Any other thread."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop)

    async def aside(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function in the thread beside this one, and wait for it."""
        return await self.loop.run_in_executor(self._aside, lambda: function(*args, **kwargs))


def _this_thread() -> threading.Thread:
    return threading.current_thread()
