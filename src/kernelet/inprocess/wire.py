"""The wire of a kernel without sockets: what it says is given to the clients at once, in the thread that says it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from jupyter_client.jsonutil import extract_dates

from ..protocol.codec import Codec, loads
from ..protocol.message import NO_PARENT, Buffer, Channel, Parent
from ..runtime.log import Log
from ..runtime.outlet import Outlet

_FIRST_JSON_FRAME = 2  # behind the delimiter and the signature


class InProcessWire(Outlet):
    """An outlet that delivers. Text waits for the end of its line, or for the next message."""

    def __init__(self, codec: Codec, deliver: Callable[[Channel, list[bytes], dict[str, Any]], None], log: Log) -> None:
        """`deliver` gets channel, idents and message."""
        super().__init__(codec, threading.current_thread(), -1)
        self.log = log
        self._deliver = deliver
        self._text: list[str] = []
        self._name = ""
        self._parent = NO_PARENT

    def put_text(self, name: str, parent: Parent, text: str) -> None:
        with self._lock:
            if (name, parent) != (self._name, self._parent):
                self._say_text()
            self._name, self._parent = name, parent
            self._text.append(text)
            if text.endswith("\n"):
                self._say_text()

    def _say_text(self) -> None:
        if self._text:
            text, self._text = "".join(self._text), []
            self.publish("stream", {"name": self._name, "text": text}, self._parent)

    def send_frames(self, channel: Channel, frames: Sequence[Buffer]) -> None:
        self._put(channel, list(frames), False)

    def _put(self, channel: Channel, frames: list[Buffer], lazy: bool) -> None:
        with self._lock:
            self._say_text()
        start = next(number for number, frame in enumerate(frames) if bytes(frame) == b"<IDS|MSG>")
        header, parent, metadata, content = (
            loads(bytes(frame)) for frame in frames[start + _FIRST_JSON_FRAME : start + _FIRST_JSON_FRAME + 4]
        )
        message = {
            "header": extract_dates(header),
            "msg_id": header["msg_id"],
            "msg_type": header["msg_type"],
            "parent_header": extract_dates(parent),
            "metadata": metadata,
            "content": content,
            "buffers": [memoryview(frame) for frame in frames[start + _FIRST_JSON_FRAME + 4 :]],
        }
        self._deliver(channel, [bytes(frame) for frame in frames[:start]], message)

    def _put_all(self, messages: Sequence[tuple[Channel, list[Buffer]]]) -> None:
        for channel, frames in messages:
            self._put(channel, frames, False)

    def leave(self) -> None:
        """Nothing: it has."""

    def barrier(self, call: Callable[[], None], waits: bool = False) -> None:
        call()

    def flush(self) -> None:
        with self._lock:
            self._say_text()

    def wait_for_room(self) -> None:
        """Nothing: nothing waits."""

    def receive_all(self) -> None:
        """Nothing: there are no requests on their way."""
