"""Notes whose work a thread does: Thread.start and ThreadPoolExecutor.submit tell the attribution who asked for it.

A thread or a work item is the user's when its function or its direct caller is: code of `__main__`, that is of a cell
or of a script that %run runs. A worker of a pool may have been born in an old cell; each work item of it goes to
the cell that submitted it. `_thread.start_new_thread`, called directly, is not seen: the newest cell gets its output.

Installed once per kernel process; any thread. Nothing runs inside of a thread that would not without us, so
subclasses that override `run` or `start`, debuggers and profilers see the threads that they expect.
"""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable
from types import FrameType, FunctionType, MethodType
from typing import Any, Final

from ..protocol.message import Parent
from .attribution import PARENT, Attribution
from .on_import import call_after_import

# A chain of wrappers longer than this is not followed to the function of the user that may be at its end.
_WRAPPERS: Final = 8
# Their frames lie between the code that submits and `submit`: Executor.map, loop.run_in_executor.
_GO_BETWEENS: Final = ("concurrent.futures.", "asyncio.")


def is_users(function: Any) -> bool:
    """Whether a callable is user code: a function, method, partial, wrapper or callable object of `__main__`."""
    for _ in range(_WRAPPERS):
        kind = type(function)
        if kind is FunctionType:
            if function.__globals__.get("__name__") == "__main__":
                return True
            function = function.__dict__.get("__wrapped__")
        elif kind is MethodType:
            function = function.__func__
        elif kind is functools.partial:
            function = function.func
        else:  # nothing more to unwrap: C code, a class, an object with __call__
            return function is not None and "__main__" in (kind.__module__, getattr(function, "__module__", None))
    return False


def _is_main(names: dict[str, Any] | None) -> bool:
    return names is not None and names.get("__name__") == "__main__"


def _submitter_is_users(frame: FrameType | None) -> bool:
    while frame is not None and str(frame.f_globals.get("__name__")).startswith(_GO_BETWEENS):
        frame = frame.f_back
    return frame is not None and _is_main(frame.f_globals)


def _run_of_subclass(thread: threading.Thread) -> Any:
    run = type(thread).run
    return None if run is threading.Thread.run else run


class ThreadParents:
    """Tells `attribution` about threads and work items when they are started."""

    def __init__(self, attribution: Attribution) -> None:
        self._attribution = attribution

    def install(self) -> None:
        """Patch Thread.start and ThreadPoolExecutor.submit. Main thread, once."""
        threading.Thread.start = self._starting(threading.Thread.start)  # type: ignore[method-assign, assignment]  # the patch
        call_after_import("concurrent.futures.thread", self._patch_pools)

    def _patch_pools(self) -> None:
        from concurrent.futures import ThreadPoolExecutor

        ThreadPoolExecutor.submit = self._submitting(ThreadPoolExecutor.submit)  # type: ignore[method-assign]  # as above

    def _starting(self, start: Callable[[threading.Thread], None]) -> Callable[[threading.Thread], None]:
        attribution = self._attribution

        @functools.wraps(start)
        def start_for_parent(thread: threading.Thread) -> None:
            policy = attribution.policy
            if policy == "origin" or (
                policy == "auto"
                and (
                    sys._getframe(1).f_globals.get("__name__") == "__main__"
                    or is_users(getattr(thread, "_target", None))
                    or is_users(_run_of_subclass(thread))
                    or is_users(getattr(thread, "function", None))  # threading.Timer's
                )
            ):
                attribution.claim(thread, attribution.origin())
            start(thread)

        return start_for_parent

    def _submitting(self, submit: Callable[..., Any]) -> Callable[..., Any]:
        attribution = self._attribution

        @functools.wraps(submit)
        def submit_for_parent(executor: Any, function: Any, /, *args: Any, **kwargs: Any) -> Any:
            policy = attribution.policy
            if policy == "origin" or (
                policy == "auto" and (is_users(function) or _submitter_is_users(sys._getframe(1)))
            ):
                parent = attribution.origin()
                if parent is not None:
                    return submit(executor, run_for, parent, function, *args, **kwargs)
            return submit(executor, function, *args, **kwargs)

        return submit_for_parent


def run_for(parent: Parent, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Call `function` as work of `parent`, in the context that it would have without us."""
    token = PARENT.set(parent)
    try:
        return function(*args, **kwargs)
    finally:
        PARENT.reset(token)
