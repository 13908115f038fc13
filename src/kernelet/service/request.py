"""A request to a kernel, and the two signs of its end: the reply on shell and `idle` on iopub, in either order."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

from kernelet.service.backends.backend import Message


class Request:
    """Collects the end of one request; `id` is its msg_id."""

    def __init__(self, msg_id: str) -> None:
        self.id = msg_id
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.reply: dict[str, Any] | None = None
        self.sent = False
        self._idle = False

    def take(self, channel: str, message: Message) -> Awaitable[None] | None:
        """Handle a message whose parent is this request."""
        match channel, message["header"]["msg_type"]:
            case "iopub", "status":
                self._idle = self._idle or message["content"].get("execution_state") == "idle"
            case (("shell" | "control"), _):
                self.reply = message["content"]
        if self._idle and self.reply is not None and not self.finished.done():
            self.finished.set_result(None)
        return None
