"""What runs the coroutine of a cell that awaits: the kernel's asyncio loop, or trio. `%autoawait` chooses.

In the lane's thread.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .shell import ZMQInteractiveShell

_ABSENT = object()


class LoopRunner:
    """Runs a coroutine of a cell on the kernel's loop, in the cells' own context. `%autoawait` prints it."""

    def __init__(self, shell: ZMQInteractiveShell) -> None:
        self._shell = shell

    def __call__(self, coroutine: Any) -> Any:
        parking, context = self._shell.where()
        if context is None or not _is_entered(context):
            return parking.run(coroutine, context)
        # A cell inside a sync one (%%capture, %run, run_cell in a cell): a context cannot be entered twice.
        inner = copy_context()
        try:
            return parking.run(coroutine, inner)
        finally:
            _take_over(copy_context(), inner)

    def __str__(self) -> str:
        return "asyncio"


def _is_entered(context: Context) -> bool:
    try:
        context.run(bool)
    except RuntimeError:
        return True
    return False


def _take_over(before: Context, after: Context) -> None:
    """Set here what was set in a copy of this context between `before` and `after`."""
    for variable, value in after.items():
        if before.get(variable, _ABSENT) is not value:
            variable.set(value)


class TrioRunner:
    """Runs each cell by a `trio.run` of its own; what it sets in context variables stays set."""

    def __call__(self, coroutine: Awaitable[Any]) -> Any:
        import trio  # not ours: the user has it, who asks for it

        changes: list[tuple[Context, Context]] = []

        async def main() -> Any:
            before = copy_context()  # with what trio itself has set there
            try:
                return await coroutine
            finally:
                changes.append((before, copy_context()))

        with _signals_for_trio():
            try:
                return trio.run(main)
            finally:
                for before, after in changes:
                    _take_over(before, after)

    def __str__(self) -> str:
        return "trio"


@contextmanager
def _signals_for_trio() -> Iterator[None]:
    """Let trio itself raise KeyboardInterrupt, where its state allows that. Only main gets signals."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    wakeup_fd = signal.set_wakeup_fd(-1)
    try:
        yield
    finally:
        signal.set_wakeup_fd(wakeup_fd)
        signal.signal(signal.SIGINT, handler)


run_in_trio = TrioRunner()
