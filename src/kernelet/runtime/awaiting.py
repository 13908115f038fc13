"""A cell that awaits: its coroutine as a task of a lane's loop, interruptible wherever it is suspended.

The lane's thread, except `interrupt`. Imports asyncio, so it is imported with the first loop.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
import weakref
from collections.abc import Coroutine, Generator
from contextvars import Context
from typing import Any


class AwaitingCell:
    """A coroutine that runs on a parked loop and can be interrupted while it is suspended."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], context: Context | None
    ) -> None:
        self._loop = loop
        self.coroutine = coroutine
        self._older_tasks = weakref.WeakSet(asyncio.all_tasks(loop))  # a dropped task is to be collected meanwhile
        self._task = loop.create_task(self._main(), context=context)
        # Interrupts asked for and not yet delivered into the coroutine.
        self._undelivered = 0
        self._abandoned = False
        self._thread = threading.get_ident()

    async def _main(self) -> Any:
        try:
            return await _Driver(self)
        except KeyboardInterrupt:
            if self._abandoned:  # nobody waits for it any more; out of the task it would hit the cell that runs now
                return None
            raise

    def run(self) -> Any:
        """Run the loop until the cell ends; return its result. Raises KeyboardInterrupt when it is left behind."""
        while True:
            try:
                result = self._loop.run_until_complete(self._task)
            except KeyboardInterrupt:
                # Raised in a task that the cell waits for, or in a callback: it ends the cell as well.
                if self._task.done():
                    raise
                self._interrupt_all()
            except asyncio.CancelledError:
                if not self._undelivered:
                    raise
                self.coroutine.close()  # interrupted before its first step
                raise KeyboardInterrupt from None
            except RuntimeError:
                # `loop.stop()` in user code, or our own way out of a cell that does not react.
                if self._task.done() or self._loop.is_closed():
                    raise
            else:
                if not self._abandoned:
                    return result
            if self._abandoned:
                raise KeyboardInterrupt

    def interrupt(self) -> None:
        """Cancel what the cell waits for; called again before that had an effect, leave the cell behind.

        Any thread; in the loop's own, inside a signal handler that no task is under.
        """
        if self._undelivered:
            self._abandoned = True
            self._loop.call_soon_threadsafe(self._loop.stop)
            return
        self._undelivered += 1
        if threading.get_ident() == self._thread:
            # At once: a task that is ready to run, and blocks, would run before a cancellation behind it in the queue.
            self._task.cancel()
            self._loop.call_soon_threadsafe(_nothing)  # a cancellation alone does not wake a sleeping selector
        else:
            self._loop.call_soon_threadsafe(self._task.cancel)

    def _interrupt_all(self) -> None:
        """Cancel the cell and the tasks that it made, before any of them runs on and blocks as the first one did."""
        for task in asyncio.all_tasks(self._loop).difference(self._older_tasks):
            if task is not self._task:
                task.cancel()
        if not self._undelivered:
            self._undelivered += 1
            self._task.cancel()

    @property
    def task(self) -> asyncio.Task[Any]:
        """The task that the cell is."""
        return self._task

    @property
    def interrupting(self) -> bool:
        """Whether an interrupt is on its way into the cell."""
        return self._undelivered > 0

    def on_the_stack(self) -> bool:
        """Whether the cell's own code runs now, in the calling thread."""
        return asyncio.current_task(self._loop) is self._task and threading.get_ident() == self._thread

    def drop_unstarted(self) -> None:
        """Cancel the tasks that the cell made and that have not begun: an exception would leave them behind."""
        for task in asyncio.all_tasks(self._loop).difference(self._older_tasks):
            coroutine = task.get_coro()
            if inspect.iscoroutine(coroutine) and inspect.getcoroutinestate(coroutine) == inspect.CORO_CREATED:
                task.cancel()

    def take_interrupt(self) -> bool:
        """Whether the cancellation that just arrived is an interrupt of ours."""
        if not self._undelivered:
            return False
        self._undelivered = 0
        self._task.uncancel()
        return True


def _nothing() -> None:
    """Wake the loop."""


class _Driver:
    """Awaits the cell's coroutine, and turns a cancellation that is an interrupt into KeyboardInterrupt."""

    def __init__(self, cell: AwaitingCell) -> None:
        self._cell = cell

    def __await__(self) -> Generator[Any, Any, Any]:
        cell, coroutine = self._cell, self._cell.coroutine
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
            except asyncio.CancelledError as cancelled:
                error = KeyboardInterrupt() if cell.take_interrupt() else cancelled
            except BaseException as raised:  # noqa: BLE001  # a coroutine's driver passes everything on
                error = raised
