"""The states that a kernel tells, and the last words on a request: its reply, and that it is done."""

from __future__ import annotations

from typing import Any, Literal, get_args

from ..protocol.codec import dumps
from ..protocol.message import Content, Message, Parent, reply_type
from ..runtime.outlet import Outlet

State = Literal["starting", "busy", "idle"]
# Their contents, as JSON: two of them go with every request.
STATUS: dict[State, bytes] = {state: dumps({"execution_state": state}) for state in get_args(State)}


def conclude(
    wire: Outlet, message: Message, reply: Content | None, parent: Parent, metadata: dict[str, Any] | None = None
) -> None:
    """Reply to a request, unless it is one without reply, and tell that it is done. Any thread."""
    kind, broadcast = reply_type(message.msg_type), message.msg_type == "shutdown_request"
    wire.conclude(message.channel, kind, reply, parent, STATUS["idle"], metadata=metadata, broadcast=broadcast)
