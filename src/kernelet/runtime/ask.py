"""Asks the person at the front end for a line: input_request out, input_reply back.

`ask` may be called from any thread, one asks at a time; `answer` is called by the wire thread.
Source: https://jupyter-client.readthedocs.io/en/stable/messaging.html#messages-on-the-stdin-router-dealer-channel
"""

from __future__ import annotations

import queue
import threading

from ..protocol.codec import MalformedMessage, loads_object
from ..protocol.message import Message, Parent
from .attribution import Attribution
from .interrupt import woken_by
from .wire import Wire

# What front ends send for Ctrl-D.
_END_OF_FILE = "\x04"


class StdinRefused(RuntimeError):
    """The client that sent the request said allow_stdin=False, or there is none."""


class Asker:
    """Owns the stdin channel's replies."""

    def __init__(self, wire: Wire, attribution: Attribution) -> None:
        self._wire = wire
        self._attribution = attribution
        self._lock = threading.Lock()
        # Not a Condition: SimpleQueue.get waits in C and is still interrupted by a signal in the main thread.
        self._replies: queue.SimpleQueue[Message | None] = queue.SimpleQueue()

    def ask(self, prompt: str, password: bool = False) -> str:
        """Return the line that the client of the current request sends.

        Raises StdinRefused, EOFError for Ctrl-D, KeyboardInterrupt when interrupted.
        """
        parent = self._attribution.current()
        if not parent.allow_stdin or not parent.idents:
            raise StdinRefused
        with woken_by(lambda: self._replies.put(None)), self._lock:
            while not self._replies.empty():  # answers to a question that was interrupted
                self._replies.get()
            asked = self._wire.send("stdin", "input_request", {"prompt": prompt, "password": password}, parent)
            while True:
                reply = self._replies.get()
                if reply is None:  # an interrupt: raised by now, in the thread that it was for
                    continue
                value = self._value(reply, str(asked["msg_id"]), parent)
                if value == _END_OF_FILE:
                    raise EOFError
                if value is not None:
                    return value

    def answer(self, message: Message) -> None:
        """Take a message of the stdin channel. Wire thread."""
        if message.msg_type == "input_reply":
            self._replies.put(message)
        else:
            self._wire.log("warning", f"dropped a message on stdin: {message.msg_type!r} is no input_reply")

    def _value(self, reply: Message, msg_id: str, parent: Parent) -> str | None:
        """Return the line in a reply, None when it answers another question, another client sent it, or it has none."""
        try:
            asked = loads_object(reply.parent_raw, "parent_header").get("msg_id")
            value = loads_object(reply.content_raw, "content").get("value")
        except MalformedMessage as error:
            self._wire.log("warning", f"dropped an input_reply: {error}")
            return None
        if asked not in (None, msg_id) or reply.idents != parent.idents or not isinstance(value, str):
            self._wire.log("warning", "dropped an input_reply: it answers another question, or has no text value")
            return None
        return value
