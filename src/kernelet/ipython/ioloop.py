"""`kernel.io_loop`: the kernel's asyncio loop with the method names of tornado's IOLoop, without tornado.

Widget applications push from threads with `get_ipython().kernel.io_loop.add_callback(f)`. Any thread, as in tornado:
`add_callback` and what is built on it; the rest in the main thread.
"""

from __future__ import annotations

import datetime
import inspect
import time
from collections.abc import Callable
from typing import Any

from ..runtime.host import Host


class IOLoop:
    """A view of the loop that main parks; when user code closes that, of the one that takes its place."""

    def __init__(self, host: Host) -> None:
        self._host = host

    @property
    def asyncio_loop(self) -> Any:
        """The asyncio loop."""
        return self._host.parking.loop

    def time(self) -> float:
        """Return the clock of `call_at` and `add_timeout`: seconds since the epoch."""
        return time.time()

    def add_callback(self, callback: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """Call `callback` (or run it, if it is a coroutine function) on the loop. Any thread."""
        self.asyncio_loop.call_soon_threadsafe(self._run, callback, args, kwargs)

    spawn_callback = add_callback
    add_callback_from_signal = add_callback

    def call_later(self, delay: float, callback: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call `callback` in `delay` seconds; return what `remove_timeout` takes."""
        return self.asyncio_loop.call_later(max(0.0, delay), self._run, callback, args, kwargs)

    def call_at(self, when: float, callback: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call `callback` at a time of `time()`; return what `remove_timeout` takes."""
        return self.call_later(when - self.time(), callback, *args, **kwargs)

    def add_timeout(
        self, deadline: float | datetime.timedelta, callback: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Any:
        """Call `callback` at a time of `time()`, or after a timedelta."""
        if isinstance(deadline, datetime.timedelta):
            return self.call_later(deadline.total_seconds(), callback, *args, **kwargs)
        return self.call_at(deadline, callback, *args, **kwargs)

    def remove_timeout(self, timeout: Any) -> None:
        """Forget a call that was to come."""
        timeout.cancel()

    def add_future(self, future: Any, callback: Callable[[Any], Any]) -> None:
        """Call `callback` with the future on the loop, once it is done."""
        future.add_done_callback(lambda done: self.add_callback(callback, done))

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:
        """Run `func` in another thread; return the future of its result."""
        return self.asyncio_loop.run_in_executor(executor, func, *args)

    def start(self) -> None:
        """Raise RuntimeError: the kernel runs the loop."""
        raise RuntimeError("the kernel's loop is run by the kernel")

    def stop(self) -> None:
        """End the kernel: in ipykernel too, a kernel ends when its loop is stopped."""
        self._host.exit()

    def _run(self, callback: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        result = callback(*args, **kwargs)
        if inspect.isawaitable(result):
            self.asyncio_loop.create_task(_finish(result))


async def _finish(awaitable: Any) -> Any:
    return await awaitable
