"""Cells that run as a task of the lane's loop while later cells run (`concurrency: task`).

Begun in their turn, answered when they end.

The thread of the lane that began one, except `interrupt_from_outside`. Such a task advances whenever the loop turns:
between cells, and while a cell awaits. What IPython keeps of the running cell it finds under `CELL`, in the context of
the task.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from contextvars import Context
from typing import TYPE_CHECKING, Any

from ..protocol.message import Content
from ..runtime.attribution import PARENT
from ..runtime.awaiting import AwaitingCell
from ..runtime.deadline import DEADLINE
from .cell_arguments import cell_arguments
from .shared import CELL, TaskCell
from .streams import flush_foreign_streams

if TYPE_CHECKING:
    from .language import IPythonLanguage

Done = Callable[[Content], None]


class RunningTask:
    """One such cell. It stands among those that an interrupt reaches beside the main thread."""

    def __init__(self, language: IPythonLanguage, request: Any, context: Context, done: Done) -> None:
        self._language = language
        self._shell = language.shell
        self._request = request
        self._context = context
        self._done = done
        self._answered = False
        self.began = time.monotonic()
        self._cell: AwaitingCell | None = None

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Tell of the cell, and begin it as a task of `loop`."""
        content, parent = self._request.content, self._request.parent
        cell = TaskCell()
        self._context.run(CELL.set, cell)
        self._language.running[id(parent)] = cell
        self._context.run(PARENT.set, parent)
        self._context.run(DEADLINE.set, self._request.deadline)
        self._silent = bool(content.get("silent", False))
        self._store = bool(content.get("store_history", not self._silent)) and not self._silent
        counted = self._store and not content["code"].isspace() and content["code"] != ""
        self._count = self._context.run(self._shell.numbers.begin, counted)
        self._language.host.attribution.latest = parent
        if not self._silent:
            told = {"code": content["code"], "execution_count": self._count}
            self._language.host.wire.publish("execute_input", told, parent)
        self._cell = AwaitingCell(loop, self._run(content["code"]), self._context)
        self._language.host.interrupts.others.append(self)
        self._cell.task.add_done_callback(self._ended)
        if self._request.deadline is not None:
            self._request.deadline.start(self.interrupt_from_outside)

    def interrupt_from_outside(self) -> None:
        """Raise KeyboardInterrupt where the cell awaits. Any thread, and main's signal handler."""
        cell = self._cell
        # Asked for and not there yet: a second one would make AwaitingCell leave the cell behind. And whatever is on
        # main's stack, the signal itself interrupts.
        if cell is not None and not cell.interrupting and not cell.on_the_stack():
            cell.interrupt()

    async def _run(self, code: str) -> None:
        try:
            result = await self._run_cell(code)
            reply = self._language.outcome(result)
            expressions = self._request.content.get("user_expressions") or {}
            evaluated = self._shell.user_expressions(expressions) if expressions and reply["status"] == "ok" else {}
        except KeyboardInterrupt:  # between our code and the user's
            reply, evaluated = self._language.interrupted(), {}
        flush_foreign_streams()
        self._language.drain()
        reply["execution_count"] = self._count
        reply["user_expressions"] = evaluated
        reply["payload"] = self._shell.take_payloads()
        self._answer(reply)

    async def _run_cell(self, code: str) -> Any:
        """Do what `InteractiveShell.run_cell` does, which runs a loop of its own choice."""
        shell, failed = self._shell, None
        try:
            transformed = shell.transform_cell(code)
        except Exception:  # noqa: BLE001  # a transformer's error: shown by run_cell_async
            transformed, failed = code, sys.exc_info()
        arguments = cell_arguments(shell, self._request.metadata)
        keywords = {"store_history": self._store, "silent": self._silent, **arguments}
        result = None
        try:
            result = await shell.run_cell_async(
                code, transformed_cell=transformed, preprocessing_exc_tuple=failed, **keywords
            )
        finally:
            shell.events.trigger("post_execute")
            if not self._silent:
                shell.events.trigger("post_run_cell", result)
        return result

    def _answer(self, reply: Content) -> None:
        if not self._answered:
            self._answered = True
            self._done(reply)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        """Leave nothing behind; answer for a cell that was cancelled before its first step, or whose end failed."""
        self._language.host.interrupts.others.remove(self)
        del self._language.running[id(self._request.parent)]
        if self._request.deadline is not None:
            self._request.deadline.stop()
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, KeyboardInterrupt):
            self._language.host.log.crash(f"a task cell ended in {error!r}")
        if not self._answered:
            reply = self._context.run(self._language.interrupted)
            self._answer({**reply, "execution_count": self._count, "user_expressions": {}, "payload": []})
