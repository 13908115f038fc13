"""Rich output: display_data and its updates, clear_output, and the result of a cell.

Any thread: what one call needs between its parts is kept per thread, so that subshells do not mix.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from traitlets import Any as AnyTrait

from ..protocol.message import Parent
from ..runtime.attribution import PARENT
from ..runtime.host import Host
from .streams import flush_foreign_streams

Hook = Callable[[dict[str, Any]], dict[str, Any] | None]


class _Hooks(threading.local):
    """Functions of one thread that see a message before it leaves; one that returns None swallows it."""

    def __init__(self) -> None:
        self.functions: list[Hook] = []


def header_parent(header: dict[str, Any]) -> Parent:
    """Return the parent that a bare header stands for: code sets one to redirect its output."""
    return Parent(json.dumps(header, default=str).encode(), header, (), "shell", {"header": header})


class ZMQDisplayPublisher(DisplayPublisher):
    """Publishes display_data, update_display_data and clear_output."""

    __module__ = "ipykernel.zmqshell"

    host: Host = AnyTrait()  # type: ignore[assignment]  # a trait is its value's type
    topic = AnyTrait(b"display_data")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._hooks = _Hooks()

    def _setup_execution_tracking(self) -> None:
        """IPython's: for a history of displays in memory, which a kernel does not keep."""

    @property
    def parent_header(self) -> dict[str, Any]:
        return self.host.attribution.current().header

    @parent_header.setter
    def parent_header(self, header: dict[str, Any]) -> None:
        PARENT.set(header_parent(header))

    def set_parent(self, parent: dict[str, Any]) -> None:
        """Make `parent` (a message, or a header) what later output belongs to."""
        self.parent_header = parent.get("header", parent)

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
        content = {"data": data, "metadata": metadata or {}, "transient": transient or {}}
        self._publish("update_display_data" if update else "display_data", content)

    def clear_output(self, wait: bool = False) -> None:
        """Clear the output of the current cell; with `wait`, when the next output comes."""
        self._publish("clear_output", {"wait": bool(wait)})

    def _publish(self, msg_type: str, content: dict[str, Any]) -> None:
        parent = self.host.attribution.current()
        if self._hooks.functions:
            message: dict[str, Any] | None = {
                "header": self.host.wire.codec.header(msg_type),
                "msg_type": msg_type,
                "parent_header": parent.header,
                "metadata": {},
                "content": content,
            }
            for hook in self._hooks.functions:
                assert message is not None
                message = hook(message)
                if message is None:
                    return
            assert message is not None
            content = message["content"]
        if self.host.capture is not None:
            self.host.capture.drain()
        self.host.wire.publish(msg_type, content, parent)

    def register_hook(self, hook: Hook) -> None:
        """Let `hook` see, change or swallow the messages that this thread publishes."""
        self._hooks.functions.append(hook)

    def unregister_hook(self, hook: Hook) -> bool:
        """Remove a hook; return whether it was there."""
        try:
            self._hooks.functions.remove(hook)
        except ValueError:
            return False
        return True


class _Result(threading.local):
    content: dict[str, Any] | None = None
    execution: Any = None


class ZMQShellDisplayHook(DisplayHook):
    """Publishes the value of a cell's last expression as execute_result."""

    __module__ = "ipykernel.displayhook"

    host: Host = AnyTrait()  # type: ignore[assignment]  # a trait is its value's type
    topic = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._result = _Result()

    @property
    def parent_header(self) -> dict[str, Any]:
        return self.host.attribution.current().header

    @parent_header.setter
    def parent_header(self, header: dict[str, Any]) -> None:
        PARENT.set(header_parent(header))

    def set_parent(self, parent: dict[str, Any]) -> None:
        """Make `parent` (a message, or a header) what later results belong to."""
        self.parent_header = parent.get("header", parent)

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
                self.host.capture.drain()
            self.host.wire.publish("execute_result", content, self.host.attribution.current())
