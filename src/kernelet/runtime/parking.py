"""Where a lane waits for its next job: a plain lock, or an asyncio loop that is parked while a sync cell runs.

A lane with a ParkedLoop runs the loop only while it has nothing else to do, or while a cell awaits. A sync cell runs
with no loop frame on the stack, so `asyncio.run()`, `loop.run_until_complete()` and `anyio.run()` work in it. Yet
`create_task()` and `get_running_loop()` work too, because the parked loop is set as the running one, and the guards
that would then refuse `asyncio.run()` are answered otherwise (`guards.py`).

Runs in the lane's thread, except `wake`.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import TYPE_CHECKING, Any, Protocol

from . import dozing
from .frames import from_outside
from .interrupt import Interrupts
from .log import Log
from .on_import import OnImport

if TYPE_CHECKING:
    import asyncio  # 30 ms of start-up: imported when the first loop is made

    from .awaiting import AwaitingCell
    from .guards import Guards
    from .toolkit import Toolkit


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


class ParkedLoop:
    """An asyncio loop of one lane. `interrupts` belongs to the main lane; other lanes have one that nobody signals."""

    def __init__(
        self,
        interrupts: Interrupts,
        log: Log,
        on_task_error: Callable[[dict[str, Any]], None],
        for_this_thread: bool = True,
        late: bool = False,
        bed: dozing.Bed | None = None,
    ) -> None:
        """`for_this_thread`: make it what asyncio.get_event_loop() answers here (main's; not a subshell's to be).

        `late`: make the loop when asyncio is imported, by user code or for a cell that awaits. Until then there is
        nothing that could run on it, and the process is 2.5 MB smaller.

        `bed`: where to sleep while nothing lives on the loop, or there is none.
        """
        self.interrupts = interrupts
        self._log = log
        self._on_task_error = on_task_error
        self.serve: Callable[[], None] = lambda: None
        self._for_this_thread = for_this_thread
        self._thread = threading.get_ident()
        self._making = threading.RLock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._guards: Guards | None = None
        # How many calls of user code began before there was a loop to park.
        self._calls_without_loop = 0
        # The GUI toolkit that lives in the loop; `host` changes it.
        self.toolkit: Toolkit | None = None
        self._cell: AwaitingCell | None = None
        self._woken = False
        # Held while there is nothing to do, as long as there is no loop to wait on.
        self._gate = threading.Lock()
        self._gate.acquire()
        self._pid = os.getpid()
        # Where the thread sleeps instead of in the loop, once there is one, and whether it does or is about to.
        self._bed = bed
        self._dozing = False
        if not late or "asyncio" in sys.modules:
            self._make_loop()
        elif for_this_thread:
            OnImport("asyncio", self._asyncio_imported)

    @property
    def has_loop(self) -> bool:
        """Whether there was any need of a loop. Any thread."""
        return self._loop is not None

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop, made now if there is none yet. Any thread."""
        return self._loop or self._make_loop()

    def _make_loop(self) -> asyncio.AbstractEventLoop:
        with self._making:
            if self._loop is None:
                import asyncio

                from .guards import the_guards

                self._guards = the_guards()
                if self._bed is None and dozing.possible():
                    self._bed = dozing.Bed()
                loop = self._loop = self._new_loop()
                self.interrupts.in_task = lambda: asyncio.current_task(self._loop) is not None
                if self._calls_without_loop and threading.get_ident() == self._thread and self._guards.work:
                    self._guards.park(loop)
                self._look_again()  # made for another thread: the lane's turns it from now on
            return self._loop

    def _asyncio_imported(self) -> None:
        """User code has imported asyncio for the first time: what it does next may ask for the running loop."""
        if threading.get_ident() == self._thread and os.getpid() == self._pid:
            self._make_loop()

    def _new_loop(self) -> asyncio.AbstractEventLoop:
        import asyncio

        loop = asyncio.new_event_loop()
        loop.set_exception_handler(lambda _, context: self._on_task_error(context))
        if self._for_this_thread and threading.get_ident() == self._thread:
            asyncio.set_event_loop(loop)
        if self.toolkit is not None:
            self.toolkit.install(loop)
        return loop

    def host(self, toolkit: Toolkit | None) -> None:
        """Let a GUI toolkit live in the loop from now on, in the place of the one before; None: none. The lane's
        thread.
        """
        if self.toolkit is not None:
            self.toolkit.remove()
        self.toolkit = toolkit
        if toolkit is not None and not self.loop.is_closed():
            toolkit.install(self.loop)

    def wait(self) -> None:
        """Turn the loop until `wake`: background tasks advance. Without one, there are none."""
        if self._loop is None and "asyncio" not in sys.modules:
            self._while_idle(self._gate.acquire if self._bed is None else self._doze)
            self._woken = False
            return
        self._need_loop()
        # Woken already: before there was a loop, through one that user code has closed since, or in the moment between.
        if not self._woken and not self._while_idle(self._doze) and not self._woken:
            self._while_idle(self.loop.run_forever)
        self._woken = False

    def _doze(self) -> bool:
        """Sleep until `wake` while nothing lives on the loop; False when it is to be turned."""
        selector = dozing.NO_SELECTOR if self._loop is None else dozing.quiet_selector(self._loop)
        if selector is None or self._bed is None or self.toolkit is not None:
            return False
        # `wake` says that it woke us before it looks whether we doze: no wake-up is lost, whichever comes first.
        self._dozing = True
        try:
            return self._woken or self._bed.sleep(selector)
        finally:
            self._dozing = False

    def _while_idle(self, wait: Callable[[], object]) -> object:
        self.interrupts.idle = True
        try:
            return wait()
        except KeyboardInterrupt as error:
            # Raised in a background task or callback, which it ended; nothing else does.
            self._on_task_error({"message": "a background task was interrupted", "exception": error})
        except SystemExit as error:
            self._on_task_error({"message": "a background task tried to exit", "exception": error})
        except Exception as error:
            if not from_outside(error):
                raise
            self._on_task_error({"message": "a signal handler failed while no cell ran", "exception": error})
        finally:
            self.interrupts.idle = False
        return False

    def turn(self) -> None:
        """Turn the loop once, if anything is ready or timed on it: a long queue of cells must not starve tasks."""
        loop = self._loop
        if loop is not None and not loop.is_closed() and self._has_work(loop):
            loop.call_soon(loop.stop)
            self._while_idle(loop.run_forever)

    def _has_work(self, loop: Any) -> bool:
        """Whether a turn would run anything. A loop that does not tell (uvloop) is taken to have work."""
        if getattr(loop, "_ready", True):
            return True
        timers: list[Any] = getattr(loop, "_scheduled", [])
        return bool(timers) and timers[0].when() <= loop.time()

    def wake(self) -> None:
        self._woken = True
        # `wait` looks at `_loop`, then at `_woken`; so no wake-up falls between the two.
        if self._dozing or self._loop is None:
            self._look_again()
            return
        try:
            self._loop.call_soon_threadsafe(self._stop_waiting)
        except RuntimeError:  # closed by user code: `wait` sees `_woken` and does not wait
            return

    def _look_again(self) -> None:
        """Make the thread that dozes, or waits at the gate, look whether there is something to do."""
        if self._dozing and self._bed is not None:
            self._bed.wake()
            return
        with contextlib.suppress(RuntimeError):  # open already: `wait` has still to come by
            self._gate.release()

    def _stop_waiting(self) -> None:
        # A wake-up may arrive late, when a cell runs the loop for its own ends: that run is not to be stopped.
        if self.interrupts.idle:
            self.loop.stop()

    def call_later(self, delay_s: float, function: Callable[[], None]) -> asyncio.TimerHandle:
        """Call `function` on the loop in `delay_s` seconds."""
        self._need_loop()
        return self.loop.call_later(delay_s, function)

    def _need_loop(self) -> None:
        if self.loop.is_closed():
            self._log("info", "user code closed the event loop; a new one takes its place")
            self._loop = self._new_loop()

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run sync user code with the loop parked: `create_task` and `asyncio.run` both work in it."""
        if self._loop is None and "asyncio" in sys.modules:  # imported by another thread
            self._make_loop()
        loop, guards = self._loop, self._guards
        if loop is None or guards is None:
            return self._call_without_loop(function, *args, **kwargs)
        if not guards.work or loop.is_running():
            return self.interrupts.run_user_code(function, *args, **kwargs)
        guards.park(loop)
        try:
            return self.interrupts.run_user_code(function, *args, **kwargs)
        finally:
            guards.unpark()

    def _call_without_loop(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        self._calls_without_loop += 1
        try:
            return self.interrupts.run_user_code(function, *args, **kwargs)
        finally:
            self._calls_without_loop -= 1
            if self._guards is not None and not self._calls_without_loop:  # made meanwhile
                self._guards.unpark()

    def serve_soon(self) -> None:
        if self._cell is not None:
            try:
                self.loop.call_soon_threadsafe(self.serve)
            except RuntimeError:  # user code closed the loop: the lane handles the job when the cell is over
                return

    def run(self, coroutine: Coroutine[Any, Any, Any], context: Context | None = None) -> Any:
        """Run a cell that awaits, to its end, in `context`; an interrupt raises KeyboardInterrupt where it awaits."""
        from .awaiting import AwaitingCell

        self._need_loop()
        guards = self._guards
        assert guards is not None
        parked = guards.parked_loop()
        if parked is not None:
            guards.unpark()
        cell = AwaitingCell(self.loop, coroutine, context)
        interrupts = self.interrupts
        outer = self._cell, interrupts.cancel, interrupts.drop_unstarted
        try:
            self._cell, interrupts.cancel, interrupts.drop_unstarted = cell, cell.interrupt, cell.drop_unstarted
            self.loop.call_soon(self.serve)  # for what came before the cell was known to await
            return cell.run()
        finally:
            self._cell, interrupts.cancel, interrupts.drop_unstarted = outer
            if parked is not None:
                guards.park(parked)

    def close(self) -> None:
        if self._bed is not None:
            self._bed.close()
        if self._loop is not None and not self._loop.is_closed() and not self._loop.is_running():
            self._loop.close()
