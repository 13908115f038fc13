"""What a language must offer to be run by this kernel. IPython is one; the tests have one of thirty lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from ..protocol.message import Content, Message, Parent
from ..runtime.lane import Lane


@dataclass(frozen=True, slots=True)
class Request:
    """A message while it is handled: decoded, with the parent of all that its handling sends, and its lane."""

    message: Message
    content: Content
    metadata: dict[str, Any]
    parent: Parent
    lane: Lane


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

    def close(self) -> None:
        """Save what must be saved (history). Any thread; the process ends afterwards."""
