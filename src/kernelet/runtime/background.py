"""Errors that no cell is there to catch, of background tasks and threads: told on stderr of the cell that made them.

Any thread.
"""

from __future__ import annotations

import gc
import sys
import threading
import traceback
from contextvars import Context
from typing import Any

from ..protocol.message import Parent
from .attribution import PARENT


def parent_of(failure: dict[str, Any]) -> Parent | None:
    """Return the parent of what failed, as asyncio describes it to a loop's exception handler.

    A task of Python 3.11 has no `get_context()`, but the garbage collector knows what it holds; this is asked only
    once a task has failed, where a task factory would cost every task.
    """
    for key in ("task", "future", "handle"):
        maker: Any = failure.get(key)
        if maker is None:
            continue
        context = maker.get_context() if hasattr(maker, "get_context") else getattr(maker, "_context", None)
        if context is None:
            context = next((held for held in gc.get_referents(maker) if isinstance(held, Context)), None)
        if isinstance(context, Context) and (parent := context.get(PARENT)) is not None:
            return parent
    return None


def describe(failure: dict[str, Any]) -> str:
    """Return what to tell the user: asyncio's words and the traceback."""
    error = failure.get("exception")
    text = f"{failure.get('message', 'error in a background task')}\n"
    return text + "".join(traceback.format_exception(error)) if isinstance(error, BaseException) else text


def tell_of_threads() -> None:
    """Show the error of a thread in one piece: Python's own hook writes it line by line, among others' lines."""
    threading.excepthook = _thread_failed


def _thread_failed(failure: threading.ExceptHookArgs) -> None:
    """Write the error of a thread to stderr, in that thread. SystemExit ends a thread, silently."""
    if failure.exc_type is SystemExit or sys.stderr is None:
        return
    name = failure.thread.name if failure.thread is not None else threading.get_ident()
    lines = traceback.format_exception(failure.exc_type, failure.exc_value, failure.exc_traceback)
    sys.stderr.write(f"Exception in thread {name}:\n{''.join(lines)}")
    sys.stderr.flush()
