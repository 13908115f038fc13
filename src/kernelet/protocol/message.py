"""Messages as values: what a client asked (Message), whose output something is (Parent), and the small contents we
send.

Source: https://jupyter-client.readthedocs.io/en/stable/messaging.html (protocol 5.5).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

Channel = Literal["shell", "control", "stdin", "iopub"]
Content = dict[str, Any]
Buffer = bytes | bytearray | memoryview

PROTOCOL_VERSION = "5.5"


# These two are written out: made by `dataclass` they took ten times as long to define, at every start.
class Parent:
    """The request that an output belongs to.

    `raw` is the request's header exactly as it came over the wire; it is echoed, never re-encoded. `message` is the
    whole request as jupyter_client shows one (header, parent_header, metadata, content), for code that asks
    `get_parent()`. Compared by identity: text of two requests never merges.
    """

    __slots__ = ("allow_stdin", "channel", "header", "idents", "message", "raw")

    def __init__(
        self,
        raw: bytes = b"{}",
        header: dict[str, Any] | None = None,
        idents: tuple[bytes, ...] = (),
        channel: Channel = "shell",
        message: dict[str, Any] | None = None,
        allow_stdin: bool = False,
    ) -> None:
        self.raw = raw
        self.header = {} if header is None else header
        self.idents = idents
        self.channel: Channel = channel
        self.message = {} if message is None else message
        self.allow_stdin = allow_stdin

    def replaced(self, **changes: Any) -> Parent:
        """Return a copy with other values."""
        return Parent(**{name: getattr(self, name) for name in self.__slots__} | changes)


NO_PARENT = Parent()


class Message:
    """One verified request. `content` and `metadata` stay encoded until the lane that handles it asks for them."""

    __slots__ = (
        "buffers",
        "channel",
        "content_raw",
        "header",
        "header_raw",
        "idents",
        "loads",
        "metadata_raw",
        "parent_raw",
    )

    def __init__(
        self,
        channel: Channel,
        idents: tuple[bytes, ...],
        header: dict[str, Any],
        header_raw: bytes,
        parent_raw: bytes,
        metadata_raw: bytes,
        content_raw: bytes,
        buffers: tuple[memoryview, ...],
        loads: Callable[[bytes], Any],
    ) -> None:
        self.channel: Channel = channel
        self.idents = idents
        self.header = header
        self.header_raw = header_raw
        self.parent_raw = parent_raw
        self.metadata_raw = metadata_raw
        self.content_raw = content_raw
        self.buffers = buffers
        self.loads = loads

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
