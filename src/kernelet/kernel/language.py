"""What a language must offer to be run by this kernel. IPython is one; the tests have one of thirty lines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, runtime_checkable

from ..protocol.message import Content, Message, Parent
from ..runtime.deadline import Deadline
from ..runtime.lane import Lane
from .controls import NO_CONTROLS, Controls


class Request(NamedTuple):
    """A message while it is handled: decoded, with the parent of all that its handling sends, and its lane.

    `deadline` is not started: the language starts it with the user's code.
    """

    message: Message
    content: Content
    metadata: dict[str, Any]
    parent: Parent
    lane: Lane
    controls: Controls = NO_CONTROLS
    deadline: Deadline | None = None


class Language(Protocol):
    """Runs code and knows about it. Each method returns the content of the reply to a request, without `status` when
    ok.

    Output goes through the Host that the language was made with. An exception becomes an error reply.
    """

    def execute(self, request: Request) -> Content:
        """Run code; publish execute_input and all output; return the whole execute_reply content, `status` included."""

    def complete(self, request: Request) -> Content:
        """Return matches, cursor_start, cursor_end, metadata."""

    def inspect(self, request: Request) -> Content:
        """Return found, data, metadata."""

    def is_complete(self, request: Request) -> Content:
        """Return status (complete, incomplete, invalid, unknown) and indent."""

    def history(self, request: Request) -> Content:
        """Return history."""

    def comm_info(self, request: Request) -> Content:
        """Return comms."""

    def comm(self, request: Request) -> None:
        """Handle comm_open, comm_msg or comm_close."""

    def debug(self, request: Request, done: Callable[[Content], None]) -> None:
        """Call `done` with the whole content of a debug_reply: now or later, here or in another thread."""

    def close(self) -> None:
        """Save what must be saved (history). Any thread; the process ends afterwards."""


@runtime_checkable
class RunsTasks(Protocol):
    """A language whose cells can run as a task of their lane's loop (`concurrency: task`); others run in their turn."""

    def execute_as_task(self, request: Request, done: Callable[[Content], None]) -> None:
        """Publish execute_input, begin the cell and return; call `done` with the reply's content when it has ended."""
