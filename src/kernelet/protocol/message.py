"""Messages as values: what a client asked (Message), whose output something is (Parent), and the small contents we
send.

Source: https://jupyter-client.readthedocs.io/en/stable/messaging.html (protocol 5.5).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

Channel = Literal["shell", "control", "stdin", "iopub"]
Content = dict[str, Any]
Buffer = bytes | bytearray | memoryview

PROTOCOL_VERSION = "5.5"


# Not frozen, and nothing generated but __init__: four times as fast to make, and ten times to define, at every start.
@dataclass(slots=True, eq=False, repr=False)
class Parent:
    """The request that an output belongs to.

    `raw` is the request's header exactly as it came over the wire; it is echoed, never re-encoded. `message` is the
    whole request as jupyter_client shows one (header, parent_header, metadata, content), for code that asks
    `get_parent()`. Compared by identity: text of two requests never merges.
    """

    raw: bytes = b"{}"
    header: dict[str, Any] = field(default_factory=dict)
    idents: tuple[bytes, ...] = ()
    channel: Channel = "shell"
    message: dict[str, Any] = field(default_factory=dict)
    allow_stdin: bool = False


NO_PARENT = Parent()


@dataclass(slots=True, eq=False, repr=False)  # as above; identity: two requests are never the same one
class Message:
    """One verified request. `content` and `metadata` stay encoded until the lane that handles it asks for them."""

    channel: Channel
    idents: tuple[bytes, ...]
    header: dict[str, Any]
    header_raw: bytes
    parent_raw: bytes
    metadata_raw: bytes
    content_raw: bytes
    buffers: tuple[memoryview, ...]
    loads: Callable[[bytes], Any]

    @property
    def msg_type(self) -> str:
        return str(self.header["msg_type"])

    @property
    def subshell_id(self) -> str | None:
        """The subshell that the request is for, or None for the main shell. Source: JEP 91."""
        return self.header.get("subshell_id")

    def parent(self, content: Content, metadata: dict[str, Any]) -> Parent:
        """Return this request as the parent of what its handling sends."""
        message = {
            "header": self.header,
            "msg_id": self.header["msg_id"],
            "msg_type": self.header["msg_type"],
            "parent_header": self.loads(self.parent_raw),
            "metadata": metadata,
            "content": content,
            "buffers": list(self.buffers),
        }
        allow_stdin = content.get("allow_stdin", True) is not False
        return Parent(self.header_raw, self.header, self.idents, self.channel, message, allow_stdin)


def reply_type(msg_type: str) -> str:
    """Return the type of the answer to a request: `execute_request` -> `execute_reply`."""
    return msg_type.removesuffix("_request") + "_reply"


def error_content(error: BaseException, traceback: list[str] | None = None) -> Content:
    """Return the content of an error reply for `error`."""
    return {
        "status": "error",
        "ename": type(error).__name__,
        "evalue": str(error),
        "traceback": traceback or [],
    }
