"""What display_pub, displayhook, stdout and stderr share: a parent that can be set, and hooks that see each message.

Any thread. The parent is the one ContextVar's: set on one of them, it holds for all output of the calling code.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import Token
from typing import Any

from ..protocol.codec import dumps
from ..protocol.message import Parent
from ..runtime.attribution import PARENT
from ..runtime.host import Host

Hook = Callable[[dict[str, Any]], dict[str, Any] | None]
ParentToken = Token[Parent | None]


def message_parent(message: dict[str, Any], like: Parent) -> Parent:
    """Return a message (or a bare header) as a parent; who may be asked for input stays as in `like`."""
    header: dict[str, Any] = message.get("header", message)
    if "header" not in message:
        message = {"header": header}
    raw = like.raw if header is like.header else dumps(header)
    return like.replaced(raw=raw, header=header, message=message)


class Hooks(threading.local):
    """Functions of one thread that see a message before it leaves; one that returns None swallows it."""

    def __init__(self) -> None:
        self.functions: list[Hook] = []


class Hooked:
    """Has `register_hook` and `unregister_hook`."""

    host: Host

    @property
    def hooks(self) -> Hooks:
        """The hooks of the calling thread."""
        raise NotImplementedError

    def register_hook(self, hook: Hook) -> None:
        """Let `hook` see, change or swallow (by returning None) the messages that this thread publishes here."""
        self.hooks.functions.append(hook)

    def unregister_hook(self, hook: Hook) -> bool:
        """Remove a hook; return whether it was there."""
        try:
            self.hooks.functions.remove(hook)
        except ValueError:
            return False
        return True

    def through_hooks(self, msg_type: str, content: dict[str, Any]) -> dict[str, Any] | None:
        """Return the content as the hooks of this thread leave it, or None when one of them swallowed it."""
        message: dict[str, Any] = {
            "header": self.host.wire.codec.header(msg_type),
            "msg_type": msg_type,
            "parent_header": self.host.attribution.current().header,
            "metadata": {},
            "content": content,
        }
        for hook in list(self.hooks.functions):
            changed = hook(message)
            if changed is None:
                return None
            message = changed
        left: dict[str, Any] = message["content"]
        return left


class Parented:
    """Has `parent_header`: the bare header of the request that the calling code's output belongs to."""

    host: Host

    @property
    def parent_header(self) -> dict[str, Any]:
        return self.host.attribution.current().header

    @parent_header.setter
    def parent_header(self, header: dict[str, Any]) -> None:
        self.set_thread_parent(header)

    def set_parent(self, parent: dict[str, Any]) -> None:
        """Make `parent` (a message, or a header) what later output of the calling code belongs to."""
        self.set_thread_parent(parent)

    def set_thread_parent(self, parent: dict[str, Any]) -> ParentToken:
        """Do the same, and return what `reset_thread_parent` takes."""
        current = self.host.attribution.current()
        same = parent is current.header or parent is current.message
        return PARENT.set(current if same else message_parent(parent, current))

    def reset_thread_parent(self, token: ParentToken) -> None:
        """Undo `set_thread_parent`."""
        PARENT.reset(token)
