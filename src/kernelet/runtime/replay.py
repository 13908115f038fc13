"""What iopub said lately: the newest messages, up to so many bytes, for a client that was away.

`keep` runs in the wire thread, after a message has left; `again` in any. Statuses and inputs are not kept, so that
cells without output cost no memory: the client that asks is told which requests still run.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, Final, NamedTuple

from ..protocol.codec import DELIMITER, dumps, loads
from ..protocol.message import Buffer

LIMIT_BYTES: Final = 8 << 20
# A message is more than its bytes: a list of frames, objects around each.
_OVERHEAD_BYTES: Final = 600
# Requests of which messages were dropped, remembered by their headers; of one older than these nothing can be said.
_DROPPED_AT_MOST: Final = 1000
# Topics end with the type of the message; those of streams are named after the stream.
_NOT_KEPT: Final = (b"status", b"execute_input", b"shutdown_reply", b"iopub_welcome")
# Frames of a message behind its signature.
_HEADER, _PARENT, _METADATA, _CONTENT, _BUFFERS = range(5)
_LARGEST_SHARE: Final = 4


class Replay(NamedTuple):
    """Messages to send again, oldest first: their frames from the header on, and what is known of each request."""

    messages: list[list[Buffer]]
    requests: dict[str, dict[str, Any]]
    after_found: bool


class Recent:
    """The newest messages. One for the process."""

    def __init__(self, limit_bytes: int = LIMIT_BYTES) -> None:
        self.limit_bytes = limit_bytes
        self._lock = threading.Lock()
        self._messages: deque[tuple[list[Buffer], int]] = deque()
        self._size = 0
        self._dropped: dict[bytes, None] = {}
        self._forgot = False

    @property
    def size_bytes(self) -> int:
        """What is kept now, overhead included."""
        return self._size

    def keep(self, frames: list[Buffer], size: int) -> None:
        """Keep a message that has left; forget the oldest for it. Wire thread."""
        if bytes(frames[0]).endswith(_NOT_KEPT) or not self.limit_bytes:
            return
        if DELIMITER not in frames:  # user code sends what it likes
            return
        frames = frames[frames.index(DELIMITER) + 2 :]
        size += _OVERHEAD_BYTES
        with self._lock:
            if size > self.limit_bytes // _LARGEST_SHARE:  # it would push out everything else
                self._drop(frames)
                return
            if len(frames) > _BUFFERS:  # buffers are the user's memory: it may change, and would never be freed
                frames = [*frames[:_BUFFERS], *map(bytes, frames[_BUFFERS:])]
            self._messages.append((frames, size))
            self._size += size
            while self._size > self.limit_bytes:
                oldest, its_size = self._messages.popleft()
                self._size -= its_size
                self._drop(oldest)

    def _drop(self, frames: Sequence[Buffer]) -> None:
        parent = bytes(frames[_PARENT])
        if parent not in self._dropped:
            self._dropped[parent] = None
            if len(self._dropped) > _DROPPED_AT_MOST:
                del self._dropped[next(iter(self._dropped))]
                self._forgot = True

    def again(self, msg_ids: Collection[str] | None, after: str | None, mark: str) -> Replay:
        """Return what belongs to the requests `msg_ids` (None: to all), said after the message `after` (None: all).

        `mark` is put into the metadata of each message as `replay`: it tells them from the first time, and makes the
        signature another one, for clients refuse a signature that they have seen. Any thread.
        """
        with self._lock:
            kept = [frames for frames, _ in self._messages]
            dropped, forgot = {_msg_id(parent) for parent in self._dropped}, self._forgot
        said = [(frames, _msg_id(frames[_PARENT])) for frames in kept]
        of_requests = [(frames, parent) for frames, parent in said if msg_ids is None or parent in msg_ids]
        at = None if after is None else next((n for n, each in enumerate(kept) if _msg_id(each[_HEADER]) == after), -1)
        if at is not None and at >= 0:
            newer = {id(frames) for frames in kept[at + 1 :]}
            of_requests = [(frames, parent) for frames, parent in of_requests if id(frames) in newer]
        asked = ({parent for _, parent in said} | dropped) - {""} if msg_ids is None else msg_ids
        counts = dict.fromkeys(sorted(asked), 0)
        for _, parent in of_requests:
            if parent in counts:
                counts[parent] += 1
        known = {parent for _, parent in said}
        requests = {
            parent: {"messages": number, "complete": parent not in dropped and (parent in known or not forgot)}
            for parent, number in counts.items()
        }
        return Replay([_marked(frames, mark) for frames, _ in of_requests], requests, at is None or at >= 0)


def _msg_id(header: Buffer) -> str:
    value = loads(bytes(header))
    return str(value.get("msg_id", "")) if isinstance(value, dict) else ""


def _marked(frames: Sequence[Buffer], mark: str) -> list[Buffer]:
    metadata = dumps({**loads(bytes(frames[_METADATA])), "replay": mark})
    return [*frames[:_METADATA], metadata, *frames[_CONTENT:]]


def signed(
    message: Sequence[Buffer], idents: Iterable[bytes], sign: Callable[[Sequence[Buffer]], bytes]
) -> list[Buffer]:
    """Return the frames of a message that goes to one client."""
    return [*idents, DELIMITER, sign(message[:_BUFFERS]), *message]
