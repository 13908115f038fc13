"""A GUI toolkit's event loop inside the asyncio loop of main: where that would sleep, the toolkit runs.

An asyncio loop sleeps in one place only, `selector.select(timeout)`. Here that call runs the toolkit until the selector
has something, or the timeout is over. So windows live whenever the loop turns (between cells, and while a cell awaits),
tasks and requests are as quick as without, and nothing polls: the selector's own descriptor (of epoll, of kqueue) is
readable as soon as one that it watches is, and toolkits know how to wait for a descriptor.

Main's thread; `_Alarm` has one of its own.
"""

from __future__ import annotations

import os
import queue
import select
import threading
import time
from _thread import start_new_thread  # not pydevd's: see `interrupt`
from collections.abc import Callable
from typing import Any, Final

from .interrupt import Interrupts
from .presses import signal_main
from .sockets import mark_service_thread

# How often windows get a turn while the loop has so much to do that it never sleeps.
TURN_S: Final = 0.02
# How long to sleep where the toolkit came back although nothing happened: it has no window, or was told to quit.
PAUSE_S: Final = 0.01
_NEVER: Final = float("inf")
# What code of the loop's own thread asks of a loop; the others come to these.
_ASKING: Final = ("call_soon", "call_at")
# A callback of a window that takes longer than this is interrupted.
_CALLBACK_S: Final = 0.05


class Waiting:
    """What a toolkit waits for: `fileno()` is readable when it is to come back. IPython's input hooks take it."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        # Only what waits is to be handled, for `fd` is readable already: "not yet" is the answer once, since a toolkit
        # that asks first would not handle anything otherwise.
        self.at_once = False

    def fileno(self) -> int:
        """Return the descriptor to wait for."""
        return self._fd

    def input_is_ready(self) -> bool:
        """Whether the toolkit is to come back now."""
        if self.at_once:
            self.at_once = False
            return False
        return bool(select.select([self._fd], [], [], 0)[0])

    def sleep(self) -> None:
        """Wait without any toolkit, which has nothing to show."""
        select.select([self._fd], [], [])


class _Alarm:
    """Calls `ring` in a thread of its own when the earliest of the times that it was given has come."""

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        # Not a Condition: an interrupt inside its Python code would break it.
        self._times: queue.SimpleQueue[float | None] = queue.SimpleQueue()
        self._earliest = _NEVER
        thread = threading.Thread(target=self._run, name="kernelet-alarm", daemon=True)
        mark_service_thread(thread)
        thread.start()

    def set(self, at: float) -> None:
        """Ring at `at` (monotonic), or before."""
        if at < self._earliest:
            self._earliest = at
            self._times.put(at)

    def close(self) -> None:
        self._times.put(None)

    def _run(self) -> None:
        at = _NEVER
        while True:
            try:
                given = self._times.get(timeout=None if at == _NEVER else max(0.0, at - time.monotonic()))
            except queue.Empty:
                at = self._earliest = _NEVER
                self._ring()
                continue
            if given is None:
                return
            at = min(at, given)


class Toolkit:
    """Runs `run(waiting)` where an asyncio loop would sleep. `failed` hears of an exception that `run` raised."""

    def __init__(
        self, run: Callable[[Waiting], None], interrupts: Interrupts, failed: Callable[[BaseException], None]
    ) -> None:
        self._toolkit = run
        self._interrupts = interrupts
        self._failed = failed
        self._loop: Any = None
        self._selector: Any = None
        self._alarm: _Alarm | None = None
        self._next_turn = 0.0
        # Whether the toolkit runs now: it waits, or one of its callbacks is on the stack.
        self.runs = False
        self._run_number = 0
        self._asked_back = 0
        self._reader, writer = os.pipe()
        os.write(writer, b"\0")
        os.close(writer)  # readable for good
        self.waiting = Waiting(self._reader)

    def install(self, loop: Any) -> None:
        """Take the place where `loop` sleeps. A loop that does not show its selector gets a timer instead."""
        self._loop = loop
        selector: Any = getattr(loop, "_selector", None)
        if not hasattr(selector, "fileno"):  # uvloop, Windows
            self._tick()
            return
        self._selector = selector
        self._alarm = self._alarm or _Alarm(self._wake)
        self.waiting = Waiting(selector.fileno())
        selector.select = self._select

    def remove(self) -> None:
        """Let the loop sleep by itself again."""
        if self._loop is None:
            return
        if self._selector is not None:
            vars(self._selector).pop("select", None)
        if self._alarm is not None:
            self._alarm.close()
        if not self.runs:  # a callback of the toolkit's turns it off: it still watches the descriptor
            os.close(self._reader)
        self._loop = self._selector = self._alarm = None

    def _wake(self) -> None:
        """End the toolkit's wait. Any thread."""
        loop = self._loop
        try:
            if loop is not None:
                loop.call_soon_threadsafe(_nothing)
        except RuntimeError:  # closed meanwhile: nobody waits in it
            return

    def _select(self, timeout: float | None = None) -> Any:
        selector = self._selector
        sleep = type(selector).select
        events = sleep(selector, 0)
        now = time.monotonic()
        if events or (timeout is not None and timeout <= 0) or self.runs:
            if now >= self._next_turn and not self.runs:
                self._wake()
                self._glance()
            return events or sleep(selector, timeout)
        if timeout is not None and self._alarm is not None:
            self._alarm.set(now + timeout)
        self._run()
        if self._selector is None:  # turned off meanwhile
            return sleep(selector, 0)
        left = PAUSE_S if timeout is None else min(PAUSE_S, max(0.0, now + timeout - time.monotonic()))
        return sleep(selector, left)

    def _glance(self) -> None:
        """Let the toolkit handle what waits, and not wait itself."""
        self.waiting.at_once = True
        self._run()
        self.waiting.at_once = False

    def _run(self) -> None:
        interrupts = self._interrupts
        outer, interrupts.wake, self.runs = interrupts.wake, self._wake, True
        interrupts.interrupt_callback = self._interrupt_callback
        asked: dict[str, Any] = {}
        if self._selector is not None:
            # What a callback asks of the loop must end the toolkit's wait: the loop sees no reason to wake itself.
            asked = vars(self._loop)
            asked.update({name: self._waking(getattr(self._loop, name)) for name in _ASKING})
        self._run_number += 1
        try:
            self._toolkit(self.waiting)
        except Exception as error:  # noqa: BLE001  # a toolkit that fails must not end the loop of the kernel
            self._failed(error)
        finally:
            for name in _ASKING:
                asked.pop(name, None)
            interrupts.wake, interrupts.interrupt_callback, self.runs = outer, None, False
            self._next_turn = time.monotonic() + TURN_S

    def _waking(self, ask: Callable[..., Any]) -> Callable[..., Any]:
        def ask_and_wake(*args: Any, **kwargs: Any) -> Any:
            handle = ask(*args, **kwargs)
            self._wake()
            return handle

        return ask_and_wake

    def _interrupt_callback(self) -> None:
        """Leave a callback alone, while the cell is cancelled, unless it goes on for long. In the signal handler."""
        if self._asked_back == self._run_number:
            raise KeyboardInterrupt
        self._asked_back = self._run_number
        if self._interrupts.cancel is not None:
            self._interrupts.cancel()
        self._wake()
        start_new_thread(self._interrupt_long_callback, (self._run_number,))

    def _interrupt_long_callback(self, run_number: int) -> None:
        time.sleep(_CALLBACK_S)
        if self.runs and self._run_number == run_number:  # it was to come back
            signal_main()

    def _tick(self) -> None:
        if self._loop is not None:
            self._glance()
            self._loop.call_later(PAUSE_S, self._tick)


def _nothing() -> None:
    """Wake the loop."""
