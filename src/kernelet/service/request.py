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
        self.replied: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.reply: dict[str, Any] | None = None
        self.sent = False
        self.over = False
        """It has ended, as the kernel said: what is left is to read what it had said before."""
        self._idle = False

    def take(self, channel: str, message: Message) -> Awaitable[None] | None:
        """Handle a message whose parent is this request."""
        match channel, message["header"]["msg_type"]:
            case "iopub", "status":
                self._idle = self._idle or message["content"].get("execution_state") == "idle"
            case "iopub", "error":
                self.over = True
            case (("shell" | "control"), _):
                self.reply, self.over = message["content"], True
                if not self.replied.done():
                    self.replied.set_result(None)
        self._end_if_known()
        return None

    def _end_if_known(self) -> None:
        if self._idle and self.reply is not None and not self.finished.done():
            self.finished.set_result(None)

    def gap(self) -> None:
        """Hear that some of what the kernel said on iopub was lost."""

    def missed_idle(self) -> None:
        """Hear that `idle` will not come any more: it was among what was lost."""
        self._idle = True
        self._end_if_known()
