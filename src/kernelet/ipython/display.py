"""Rich output: display_data and its updates, clear_output, and the result of a cell.

Any thread: what one call needs between its parts is kept per thread, so that subshells do not mix.
"""

from __future__ import annotations

import threading
from typing import Any

from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from traitlets import Any as AnyTrait
from traitlets import HasTraits, default

from ..runtime.host import Host
from .hooks import Hooked, Hooks, Parented
from .shared import CELL, captured
from .streams import flush_foreign_streams


class _Publishing(Parented, Hooked, HasTraits):
    """What publisher and hook share: the names by which code that sends messages itself finds how, and hooks."""

    host: Host = AnyTrait()  # type: ignore[assignment]  # a trait is its value's type
    shell: Any
    session = AnyTrait(help="The kernel's session, for code that sends display messages itself.")
    pub_socket = AnyTrait(help="Where that code sends them.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._hooks = Hooks()
        super().__init__(*args, **kwargs)

    @default("session")
    def _default_session(self) -> Any:
        return self.shell.kernel.session

    @default("pub_socket")
    def _default_pub_socket(self) -> Any:
        return self.shell.kernel.iopub_socket

    @property
    def hooks(self) -> Hooks:
        return self._hooks

    def _taker(self, part: str) -> Any:
        """Return what takes this in the place of the wire, where the calling cell captures; else None."""
        shell = self.shell
        return captured(shell, part) if shell is not None and shell.captures else None


class ZMQDisplayPublisher(_Publishing, DisplayPublisher):
    """Publishes display_data, update_display_data and clear_output."""

    __module__ = "ipykernel.zmqshell"

    topic = AnyTrait(b"display_data")

    def _setup_execution_tracking(self) -> None:
        """IPython's: for a history of displays in memory, which a kernel does not keep."""

    def publish(
        self,
        data: dict[str, Any],
        metadata: dict[str, Any] | None = None,
        source: Any = None,
        *,
        transient: dict[str, Any] | None = None,
        update: bool = False,
        **kwargs: Any,
    ) -> None:
        """Publish a mime bundle. Raises TypeError when something in it has no JSON form."""
        taker = self._taker("publisher")
        if taker is not None:
            taker.publish(data, metadata, transient=transient, update=update)
            return
        content = {"data": data, "metadata": metadata or {}, "transient": transient or {}}
        self._publish("update_display_data" if update else "display_data", content)

    def clear_output(self, wait: bool = False) -> None:
        """Clear the output of the current cell; with `wait`, when the next output comes."""
        taker = self._taker("publisher")
        if taker is not None:
            taker.clear_output(wait)
        else:
            self._publish("clear_output", {"wait": bool(wait)})

    def _publish(self, msg_type: str, content: dict[str, Any]) -> None:
        if self._hooks.functions:
            changed = self.through_hooks(msg_type, content)
            if changed is None:
                return
            content = changed
        if self.host.capture is not None:
            self.host.capture.drain_if_written()
        self.host.wire.publish(msg_type, content, self.host.attribution.current(), lazy=True)


class _Result(threading.local):
    content: dict[str, Any] | None = None
    execution: Any = None


class ZMQShellDisplayHook(_Publishing, DisplayHook):
    """Publishes the value of a cell's last expression as execute_result."""

    __module__ = "ipykernel.displayhook"

    topic = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._thread = _Result()
        super().__init__(*args, **kwargs)

    def __call__(self, result: Any = None) -> None:
        taker = self._taker("hook")
        if taker is not None:
            taker(result)
        else:
            super().__call__(result)

    @property
    def _result(self) -> Any:
        cell = CELL.get()
        return self._thread if cell is None else cell.result

    @property
    def prompt_count(self) -> int:
        """The number of the running cell, which IPython's own only guesses when history is off."""
        count = getattr(self.exec_result, "execution_count", None)
        if count is None:
            shell: Any = self.shell
            count = shell.execution_count - 1
        return int(count)

    @property
    def exec_result(self) -> Any:
        """IPython's result of the cell that this thread runs."""
        return self._result.execution

    @exec_result.setter
    def exec_result(self, result: Any) -> None:
        self._result.execution = result

    @staticmethod
    def semicolon_at_end_of_expression(expression: str) -> bool:
        """Whether the last token of a cell is a semicolon, which hides its value.

        IPython reads all tokens of the cell to know. The line of the last one tells as well that it is none.
        """
        for line in reversed(expression.split("\n")):
            if ";" in line:
                return bool(DisplayHook.semicolon_at_end_of_expression(expression))
            code = line.strip()
            if code and not code.startswith("#"):
                break
        return False

    def compute_format_data(self, result: Any) -> Any:
        """Format a result. IPython shows what goes wrong in a repr and goes on: the cell has failed all the same."""
        shell: Any = self.shell
        shown = shell.traceback.shown
        formatted = super().compute_format_data(result)
        if shell.traceback.shown is not shown and self.exec_result is not None:
            self.exec_result.error_in_exec = shell.traceback.error
        return formatted

    def start_displayhook(self) -> None:
        self._result.content = {"data": {}, "metadata": {}}

    def write_output_prompt(self) -> None:
        assert self._result.content is not None
        self._result.content["execution_count"] = self.prompt_count

    def write_format_data(self, format_dict: dict[str, Any], md_dict: dict[str, Any] | None = None) -> None:
        assert self._result.content is not None
        self._result.content["data"] = format_dict
        self._result.content["metadata"] = md_dict or {}

    def finish_displayhook(self) -> None:
        content, self._result.content = self._result.content, None
        if content and content["data"]:
            flush_foreign_streams()
            if self.host.capture is not None:
                self.host.capture.drain_if_written()
            if self._hooks.functions:
                changed = self.through_hooks("execute_result", content)
                if changed is None:
                    return
                content = changed
            self.host.wire.publish("execute_result", content, self.host.attribution.current(), lazy=True)
