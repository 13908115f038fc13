"""What a debug request is answered with when it is not debugpy that answers.

Source: https://jupyter-client.readthedocs.io/en/stable/messaging.html#debug-request, DAP (Response).
"""

from __future__ import annotations

from typing import Any

from ..protocol.message import Content


class DebugError(Exception):
    """A debug request that cannot be fulfilled; the text tells the person at the front end why."""


def response(request: Content, body: Any) -> Content:
    """Return the content of a successful debug_reply, without its `seq`."""
    return {**_answers(request), "success": True, "body": body}


def failure(request: Content, text: str) -> Content:
    """Return the content of an unsuccessful debug_reply, without its `seq`."""
    error = {"id": 1, "format": text, "showUser": True}
    return {**_answers(request), "success": False, "message": text, "body": {"error": error}}


def _answers(request: Content) -> Content:
    seq, command = request.get("seq"), request.get("command")
    return {
        "type": "response",
        "request_seq": seq if isinstance(seq, int) else 0,
        "command": command if isinstance(command, str) else "",
    }


def text_argument(arguments: Content, name: str) -> str:
    """Return an argument that must be text. Raises DebugError."""
    value = arguments.get(name)
    if not isinstance(value, str):
        raise DebugError(f"the argument {name!r} must be a text")
    return value


def source_path(arguments: Content) -> str:
    """Return the path in the argument `source`. Raises DebugError."""
    source = arguments.get("source")
    if not isinstance(source, dict):
        raise DebugError("the argument 'source' must be an object with a path")
    return text_argument(source, "path")
