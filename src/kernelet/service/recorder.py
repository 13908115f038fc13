"""The Jupyter messages of an execution as JSON, for callers who want them raw."""

from __future__ import annotations

import base64
from typing import Any

from kernelet.service.backends.backend import Message


class Recorder:
    """Keeps outputs up to a number of characters, and everything that is short and that clients wait for."""

    def __init__(self, limit: int) -> None:
        self.messages: list[dict[str, Any]] = []
        self._left = limit

    def take(self, channel: str, message: Message) -> None:
        """Keep a message. Status and reply are always kept: they are short, and clients wait for them."""
        msg_type = message["header"]["msg_type"]
        if msg_type not in ("status", "execute_reply", "execute_input", "error"):
            self._left -= len(repr(message["content"]))
            if self._left < 0:
                return
        self.messages.append(
            {
                "header": message["header"],
                "parent_header": message.get("parent_header", {}),
                "metadata": message.get("metadata", {}),
                "content": message["content"],
                "buffers": [base64.b64encode(bytes(one)).decode("ascii") for one in message.get("buffers", [])],
                "msg_type": msg_type,
                "channel": channel,
            }
        )
