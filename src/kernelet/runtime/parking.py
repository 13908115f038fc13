"""Where a lane waits for its next job: a plain lock, or an asyncio loop that is parked while a sync cell runs.

A lane with a ParkedLoop runs the loop only while it has nothing else to do, or while a cell awaits. A sync cell runs
with no loop frame on the stack, so `asyncio.run()`, `loop.run_until_complete()` and `anyio.run()` work in it. Yet
`create_task()` and `get_running_loop()` work too, because the parked loop is set as the running one: the guards that
would then refuse `asyncio.run()` look the running loop up as `asyncio.events._get_running_loop`, and that name
answers None for a parked loop.

Runs in the lane's thread, except `wake`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from typing import TYPE_CHECKING, Any, Protocol

from .interrupt import Interrupts
from .log import Log

if TYPE_CHECKING:
    import asyncio  # 30 ms of start-up: imported when the first loop is made


class Parking(Protocol):
    """A place to wait in."""

    def wait(self) -> None:
        """Return when `wake` was called since the last return; it may return early."""

    def turn(self) -> None:
        """Let what else shares the thread advance, without waiting."""

    def wake(self) -> None:
        """End `wait`. Any thread."""

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run sync user code."""

    def close(self) -> None:
        """Free what the place owns."""


class PlainParking:
    """Waits on a lock: for lanes that run no user code."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def wait(self) -> None:
        self._event.wait()
        self._event.clear()

    def turn(self) -> None:
        return None

    def wake(self) -> None:
        self._event.set()

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    def close(self) -> None:
        return None


class _Guards:
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
        if self._self_test():
            return True
        self._events._get_running_loop = self._get
        self._events._set_running_loop = self._set
        asyncio._set_running_loop = self._set
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

    def _parked_loop(self) -> Any:
        return getattr(self._parked, "loop", None)

    def _get_unparked(self) -> Any:
        loop: Any = self._get()
        parked = loop is not None and loop is self._parked_loop() and not loop.is_running()
        return None if parked else loop

    def _set_or_park(self, loop: Any) -> None:
        self._set(loop if loop is not None else self._parked_loop())


_guards: _Guards | None = None


def _the_guards() -> _Guards:
    global _guards
    if _guards is None:
        _guards = _Guards()
    return _guards


class ParkedLoop:
    """An asyncio loop of one lane. `interrupts` belongs to the main lane; other lanes have one that nobody signals."""

    def __init__(self, interrupts: Interrupts, log: Log, on_task_error: Callable[[dict[str, Any]], None]) -> None:
        import asyncio

        self._asyncio = asyncio
        self._interrupts = interrupts
        self._log = log
        self._on_task_error = on_task_error
        self._guards = _the_guards()
        self.loop = self._new_loop()
        self._cell: _Cell | None = None

    def _new_loop(self) -> asyncio.AbstractEventLoop:
        loop = self._asyncio.new_event_loop()
        loop.set_exception_handler(lambda _, context: self._on_task_error(context))
        if threading.current_thread() is threading.main_thread():
            self._asyncio.set_event_loop(loop)
        return loop

    def wait(self) -> None:
        """Turn the loop until `wake`: background tasks advance."""
        if self.loop.is_closed():
            self._log("info", "user code closed the event loop; a new one takes its place")
            self.loop = self._new_loop()
        self._interrupts.idle = True
        try:
            self.loop.run_forever()
        except KeyboardInterrupt as error:
            # Raised in a background task or callback, which it ended; nothing else does.
            self._on_task_error({"message": "a background task was interrupted", "exception": error})
        except SystemExit as error:
            self._on_task_error({"message": "a background task tried to exit", "exception": error})
        finally:
            self._interrupts.idle = False

    def turn(self) -> None:
        """Turn the loop once, if anything is ready or timed on it: a long queue of cells must not starve tasks."""
        if getattr(self.loop, "_ready", True) or getattr(self.loop, "_scheduled", True):
            self.wake()
            self.wait()

    def wake(self) -> None:
        try:
            self.loop.call_soon_threadsafe(self.loop.stop)
        except RuntimeError:  # closed by user code: `wait` makes a new one without waiting in this one
            return

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run sync user code with the loop parked: `create_task` and `asyncio.run` both work in it."""
        if not self._guards.work:
            return self._interrupts.run_user_code(function, *args, **kwargs)
        self._guards.park(self.loop)
        try:
            return self._interrupts.run_user_code(function, *args, **kwargs)
        finally:
            self._guards.unpark()

    def run(self, coroutine: Coroutine[Any, Any, Any], context: Context | None = None) -> Any:
        """Run a cell that awaits, to its end, in `context`; an interrupt raises KeyboardInterrupt where it awaits."""
        parked = getattr(self._guards._parked, "loop", None)
        if parked is not None:
            self._guards.unpark()
        cell = _Cell(self, coroutine, context)
        outer_cell, outer_cancel = self._cell, self._interrupts.cancel
        try:
            self._cell, self._interrupts.cancel = cell, cell.interrupt
            return cell.run()
        finally:
            self._cell, self._interrupts.cancel = outer_cell, outer_cancel
            if parked is not None:
                self._guards.park(parked)

    def close(self) -> None:
        if not self.loop.is_closed() and not self.loop.is_running():
            self.loop.close()


class _Cell:
    """A coroutine that runs on a parked loop and can be interrupted while it is suspended."""

    def __init__(self, parking: ParkedLoop, coroutine: Coroutine[Any, Any, Any], context: Context | None) -> None:
        self._loop = parking.loop
        self._coroutine = coroutine
        self._task = parking.loop.create_task(self._main(), context=context)
        self._cancelled_error = parking._asyncio.CancelledError
        # Interrupts asked for and not yet delivered into the coroutine.
        self._undelivered = 0
        self._abandoned = False

    async def _main(self) -> Any:
        return await _Driver(self)

    def run(self) -> Any:
        while True:
            try:
                return self._loop.run_until_complete(self._task)
            except KeyboardInterrupt:
                # Raised in a task that the cell waits for, or in a callback: it ends the cell as well.
                if self._task.done():
                    raise
                self.interrupt()
            except RuntimeError:
                # `loop.stop()` in user code, or our own way out of a cell that does not react.
                if self._task.done() or self._loop.is_closed():
                    raise
            if self._abandoned:
                raise KeyboardInterrupt

    def interrupt(self) -> None:
        """Cancel what the cell waits for; called again before that had an effect, leave the cell behind.

        Main thread, also inside a signal handler. Not `task.cancel()` itself: it would not wake a sleeping selector.
        """
        if self._undelivered:
            self._abandoned = True
            self._loop.call_soon_threadsafe(self._loop.stop)
            return
        self._undelivered += 1
        self._loop.call_soon_threadsafe(self._task.cancel)

    def take_interrupt(self) -> bool:
        """Whether the cancellation that just arrived is an interrupt of ours."""
        if not self._undelivered:
            return False
        self._undelivered = 0
        self._task.uncancel()
        return True


class _Driver:
    """Awaits the cell's coroutine, and turns a cancellation that is an interrupt into KeyboardInterrupt."""

    def __init__(self, cell: _Cell) -> None:
        self._cell = cell

    def __await__(self) -> Generator[Any, Any, Any]:
        cell, coroutine = self._cell, self._cell._coroutine
        error: BaseException | None = None
        while True:
            try:
                future = coroutine.send(None) if error is None else coroutine.throw(error)
            except StopIteration as stop:
                return stop.value
            error = None
            try:
                yield future
            except GeneratorExit:
                coroutine.close()
                raise
            except cell._cancelled_error as cancelled:
                error = KeyboardInterrupt() if cell.take_interrupt() else cancelled
            except BaseException as raised:  # noqa: BLE001  # a coroutine's driver passes everything on
                error = raised
