"""Handlers that user code puts in the place of the kernel's own, by message type, and hooks around every shell message.

`kernel.shell_handlers[...] = f` is a widespread way to keep execute requests back while a cell handles its own events
(dash, jupyter_ui_poll), and to add request types of one's own. Every lane looks here for every message.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from ..protocol.message import Channel, Content, Message, Parent
from .lane import Lane

# Called with (stream, idents, message); it sends its reply itself. May return an awaitable.
Custom = Callable[..., Any]


class Hooks(Protocol):
    """What is called around every message of the shell channel."""

    def pre_handler_hook(self) -> None:
        """Called before a message is handled."""

    def post_handler_hook(self) -> None:
        """Called after a message was handled."""


class Requests(Protocol):
    """What the kernel offers to user code that takes part in the handling of requests."""

    overrides: Overrides
    info: Content
    main: Lane | None
    control: Lane

    def answer(self, message: Message) -> None:
        """Handle a message and send its reply, as if nobody had put a handler in the way; tell no status."""

    def subshell_ids(self) -> list[str]:
        """Return the ids of the subshells, oldest first."""

    def branch(self) -> Content:
        """Make a second live kernel with the same variables; return its pid and connection."""

    def checkpoint(self, name: str) -> Content:
        """Keep the state of now under a name."""

    def restore(self, name: str) -> Content:
        """Go back to that state once the running request is answered."""


class Overrides:
    """`shell` and `control`: msg_type -> handler. What is as `install` put it there stands for the kernel's own."""

    def __init__(self) -> None:
        self.shell: dict[str, Custom] = {}
        self.control: dict[str, Custom] = {}
        self.hooks: Hooks | None = None
        self._own: Mapping[str, Custom] = {}
        self._call: Callable[[Custom, Message, Parent, Lane], bool] | None = None

    def install(
        self, own: Mapping[str, Custom], call: Callable[[Custom, Message, Parent, Lane], bool], hooks: Hooks
    ) -> None:
        """Show `own` as the handlers; `call` runs a handler of the user's. Before the first message is handled."""
        self.shell.update(own)
        self.control.update(own)
        self._own, self._call, self.hooks = own, call, hooks

    def find(self, channel: Channel, msg_type: str) -> Custom | None:
        """Return the handler that user code put in the place of the kernel's, or None."""
        handler = (self.control if channel == "control" else self.shell).get(msg_type)
        # Equal, not the same: a bound method is a new object each time that it is asked for.
        return None if handler is None or handler == self._own.get(msg_type) else handler

    def call(self, handler: Custom, message: Message, parent: Parent, lane: Lane) -> bool:
        """Run a handler of the user's, as user code of the lane that the message was routed to.

        Returns whether it wants the kernel's own handler to run now.
        """
        assert self._call is not None
        return self._call(handler, message, parent, lane)
