"""What stops a thread, and what ends a stop early: `breakpoint()`, and an interrupt.

pydevd holds a stopped thread in a function of its own. KeyboardInterrupt raised in there would leave pydevd believing
that the thread still stands (ipykernel#821): so an interrupt lets the thread go on, and is raised as pydevd returns.
"""

from __future__ import annotations

import os
import sys
import sysconfig
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from ..runtime import debug_adapter
from ..runtime.interrupt import Interrupts

_DEBUGGER = ("pydevd", "_pydevd", "_pydev_")
_WAITING = ("threading", "queue", "contextlib", debug_adapter.__name__)
_LOOK_DEPTH = 8
# The standard library, by its files.
_LIBRARY = (f"{sysconfig.get_path('stdlib')}{os.sep}", "<frozen ")
# Before sys.monitoring (Python 3.12), a debugger is a trace function, which costs time in every line of every thread.
_TRACES = sys.version_info < (3, 12)
# pydevd's, where a thread is not being stepped.
_NO_STEP = -1


class Stops:
    """Stands between pydevd and the threads that it stops. `release` lets them go on (any thread may call it)."""

    def __init__(self, release: Callable[[], None]) -> None:
        self._release = release
        self._stopped: set[int] = set()
        self._interrupted: set[int] = set()
        self._debugger: Any = None

    def install(self) -> None:
        """Stand between, until `uninstall`. debugpy makes a debugger once, and another when its adapter has crashed."""
        from pydevd import get_global_debugger

        Interrupts.held = self._hold
        debugger = get_global_debugger()
        if debugger is None:
            return
        if debugger is self._debugger:
            if _TRACES:
                debugger.patch_threads()
                debugger.enable_tracing(debugger.trace_dispatch, apply_to_all_threads=True)
            return
        self._debugger = debugger
        wait = debugger.do_wait_suspend

        def do_wait_suspend(thread: Any, frame: FrameType, *args: Any, **kwargs: Any) -> Any:
            if _is_ours(frame):  # may hold a lock that the kernel needs to go on: it stops when it is back
                return False
            ident = threading.get_ident()
            self._stopped.add(ident)
            try:
                result = wait(thread, frame, *args, **kwargs)
            finally:
                self._stopped.discard(ident)
            if ident in self._interrupted:
                self._interrupted.discard(ident)
                raise KeyboardInterrupt
            return result

        debugger.do_wait_suspend = do_wait_suspend

    def uninstall(self) -> None:
        """Leave interrupts to themselves again, and code to run at full speed."""
        Interrupts.held = None
        if _TRACES and self._debugger is not None:
            import pydevd_tracing

            threading.settrace(None)
            pydevd_tracing.set_trace_to_threads(_stop_tracing)

    def _hold(self, ident: int | None, frame: FrameType | None) -> bool:
        """Whether an interrupt of a thread is taken care of here: it stands, and evaluates nothing of the user's."""
        if ident is None or ident not in self._stopped or not _waits_in_debugger(frame):
            return False
        self._interrupted.add(ident)
        self._release()
        return True

    def trace_again(self, *_: object) -> None:
        """Let pydevd see this thread again: Python 3.11 stops tracing one in which a trace function raised."""
        if self._debugger is not None and _TRACES and sys.gettrace() is None:
            self._debugger.enable_tracing()

    def end_stepping(self) -> None:
        """Forget a step that led out of the cell: it would stop in whatever IPython calls next. The cell's thread."""
        info = getattr(threading.current_thread(), "additional_info", None)  # pydevd's, on threads that it has seen
        if info is not None and info.pydev_step_cmd != _NO_STEP:
            info.pydev_step_cmd = info.pydev_original_step_cmd = _NO_STEP
            info.pydev_step_stop = None
            info.update_stepping_info()

    def uncaught(self, error: BaseException) -> None:
        """Stop where an exception was raised that ends a cell, if the front end asked for uncaught ones.

        Nothing is uncaught to debugpy: IPython catches what leaves a cell. The thread of the cell.
        """
        self.end_stepping()
        handle = getattr(self._debugger, "trigger_exception_handler", None)
        if handle is not None:  # debugpy 1.8.22 and later
            handle((type(error), error, error.__traceback__), as_uncaught=True)

    def stop_at(self, frame: FrameType) -> None:
        """Stop at the next line of a frame of this thread."""
        import pydevd

        pydevd.settrace(suspend=True, trace_only_current_thread=True, patch_multiprocessing=False, stop_at_frame=frame)


def _is_ours(frame: FrameType | None) -> bool:
    """Whether this is the kernel's code, or the standard library's called by it, and not the user's called by that."""
    while frame is not None:
        if str(frame.f_globals.get("__name__")).startswith("kernelet."):
            return True
        file = frame.f_code.co_filename
        if not file.startswith(_LIBRARY) or "site-packages" in file:
            return False
        frame = frame.f_back
    return False


def _stop_tracing(*_: object) -> None:
    """A trace function that traces nothing, and goes: no thread can take another one's away."""
    import pydevd_tracing

    pydevd_tracing.SetTrace(None)  # sys.settrace is pydevd's own meanwhile, and warns


def _waits_in_debugger(frame: FrameType | None) -> bool:
    for _ in range(_LOOK_DEPTH):
        if frame is None:
            return False
        name = str(frame.f_globals.get("__name__"))
        if name not in _WAITING:
            return name.startswith(_DEBUGGER)
        frame = frame.f_back
    return False
