"""Where a lane waits for its next job: a plain lock, or an asyncio loop that is parked while a sync cell runs.

A lane with a ParkedLoop runs the loop only while it has nothing else to do, or while a cell awaits. A sync cell runs
with no loop frame on the stack, so `asyncio.run()`, `loop.run_until_complete()` and `anyio.run()` work in it. Yet
`create_task()` and `get_running_loop()` work too, because the parked loop is set as the running one: the guards that
would then refuse `asyncio.run()` look the running loop up as `asyncio.events._get_running_loop`, and that name
answers None for a parked loop.

Runs in the lane's thread, except `wake`.
"""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from typing import TYPE_CHECKING, Any, Protocol

from .interrupt import Interrupts
from .log import Log

if TYPE_CHECKING:
    import asyncio  # 30 ms of start-up: imported when the first loop is made


# Without sniffio, anyio decides by asyncio.get_running_loop() whether anyio.run() is allowed.
_GUARDS_BY_PUBLIC_NAME = frozenset({"anyio._core._eventloop"})


class Parking(Protocol):
    """A place to wait in. `serve` is the lane's: it handles what may be handled while a cell awaits."""

    serve: Callable[[], None]

    def wait(self) -> None:
        """Return when `wake` was called since the last return; it may return early."""

    def turn(self) -> None:
        """Let what else shares the thread advance, without waiting."""

    def wake(self) -> None:
        """End `wait`. Any thread."""

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run sync user code."""

    def serve_soon(self) -> None:
        """Call `serve` in the lane's thread, if a cell awaits there now. Any thread."""

    def close(self) -> None:
        """Free what the place owns."""


class PlainParking:
    """Waits on a lock: for lanes that run no user code."""

    def __init__(self) -> None:
        self.serve: Callable[[], None] = lambda: None
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

    def serve_soon(self) -> None:
        return None

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
        self.interrupts = interrupts
        self._log = log
        self._on_task_error = on_task_error
        self._guards = _the_guards()
        self.serve: Callable[[], None] = lambda: None
        self.loop = self._new_loop()
        self._cell: _Cell | None = None
        self._woken = False

    def _new_loop(self) -> asyncio.AbstractEventLoop:
        loop = self._asyncio.new_event_loop()
        loop.set_exception_handler(lambda _, context: self._on_task_error(context))
        if threading.current_thread() is threading.main_thread():
            self._asyncio.set_event_loop(loop)
        return loop

    def wait(self) -> None:
        """Turn the loop until `wake`: background tasks advance."""
        self._need_loop()
        if self._woken:  # through a loop that user code has closed since
            self._woken = False
            return
        self.interrupts.idle = True
        try:
            self.loop.run_forever()
            self._woken = False
        except KeyboardInterrupt as error:
            # Raised in a background task or callback, which it ended; nothing else does.
            self._on_task_error({"message": "a background task was interrupted", "exception": error})
        except SystemExit as error:
            self._on_task_error({"message": "a background task tried to exit", "exception": error})
        finally:
            self.interrupts.idle = False

    def turn(self) -> None:
        """Turn the loop once, if anything is ready or timed on it: a long queue of cells must not starve tasks."""
        if self._has_work():
            self.wake()
            self.wait()

    def _has_work(self) -> bool:
        """Whether a turn would run anything. A loop that does not tell (uvloop) is taken to have work."""
        loop: Any = self.loop
        if getattr(loop, "_ready", True):
            return True
        timers: list[Any] = getattr(loop, "_scheduled", [])
        return bool(timers) and timers[0].when() <= loop.time()

    def wake(self) -> None:
        self._woken = True
        try:
            self.loop.call_soon_threadsafe(self.loop.stop)
        except RuntimeError:  # closed by user code: `wait` sees `_woken` and does not wait
            return

    def call_later(self, delay_s: float, function: Callable[[], None]) -> asyncio.TimerHandle:
        """Call `function` on the loop in `delay_s` seconds."""
        self._need_loop()
        return self.loop.call_later(delay_s, function)

    def _need_loop(self) -> None:
        if self.loop.is_closed():
            self._log("info", "user code closed the event loop; a new one takes its place")
            self.loop = self._new_loop()

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run sync user code with the loop parked: `create_task` and `asyncio.run` both work in it."""
        if not self._guards.work or self.loop.is_running():
            return self.interrupts.run_user_code(function, *args, **kwargs)
        self._guards.park(self.loop)
        try:
            return self.interrupts.run_user_code(function, *args, **kwargs)
        finally:
            self._guards.unpark()

    def serve_soon(self) -> None:
        if self._cell is not None:
            try:
                self.loop.call_soon_threadsafe(self.serve)
            except RuntimeError:  # user code closed the loop: the lane handles the job when the cell is over
                return

    def run(self, coroutine: Coroutine[Any, Any, Any], context: Context | None = None) -> Any:
        """Run a cell that awaits, to its end, in `context`; an interrupt raises KeyboardInterrupt where it awaits."""
        self._need_loop()
        parked = self._guards.parked_loop()
        if parked is not None:
            self._guards.unpark()
        cell = _Cell(self, coroutine, context)
        outer_cell, outer_cancel = self._cell, self.interrupts.cancel
        try:
            self._cell, self.interrupts.cancel = cell, cell.interrupt
            self.loop.call_soon(self.serve)  # for what came before the cell was known to await
            return cell.run()
        finally:
            self._cell, self.interrupts.cancel = outer_cell, outer_cancel
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
        self._all_tasks = functools.partial(parking._asyncio.all_tasks, parking.loop)
        self._older_tasks = self._all_tasks()
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
                self._interrupt_all()
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

    def _interrupt_all(self) -> None:
        """Cancel the cell and the tasks that it made, before any of them runs on and blocks as the first one did."""
        for task in self._all_tasks() - self._older_tasks:
            if task is not self._task:
                task.cancel()
        if not self._undelivered:
            self._undelivered += 1
            self._task.cancel()

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
