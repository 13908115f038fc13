"""Forked children: what they publish reaches the front end by way of the parent's wire; their text goes to fds 1 and 2.

A child has no wire: the sockets are the parent's. Finished frames go through a socket pair, one datagram for each
message, so that those of several children never mix; what is too large for a datagram travels as a file descriptor.
"""

from __future__ import annotations

import array
import contextlib
import fcntl
import os
import socket as socketlib
import struct
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, NoReturn

from ..protocol.message import Buffer, Channel, Content, Parent
from .capture import Capture
from .outlet import Outlet

# Every system takes datagrams of this size.
_DATAGRAM_BYTES: Final = 2000
# At most so many in one go: children that never stop must not keep a cell from ending.
_RECEIVE_AT_MOST: Final = 256
# A parent that is busy may take longer; the order of text and messages is then not that of the child.
_SETTLE_S: Final = 0.05
_FDS: Final = {"stdout": 1, "stderr": 2}
# Of the request as a whole: the parent says it.
_OF_THE_REQUEST: Final = frozenset({"execute_input", "execute_result"})


class Relay:
    """The socket pair between children and parent. `receive` gets the frames of one message. Made before a fork."""

    def __init__(self) -> None:
        self._reader, self._writer = socketlib.socketpair(socketlib.AF_UNIX, socketlib.SOCK_DGRAM)
        self._reader.setblocking(False)
        self.fd = self._reader.fileno()

    def send(self, frames: Sequence[Buffer]) -> None:
        """Send one message to the parent; waits while the parent has many to read. In a child, any thread."""
        packed = b"".join([struct.pack(f"!I{len(frames)}I", len(frames), *map(len, frames)), *frames])
        if len(packed) <= _DATAGRAM_BYTES:
            self._writer.send(packed)
        else:
            with tempfile.TemporaryFile() as file:
                file.write(packed)
                file.flush()
                socketlib.send_fds(self._writer, [b"\0"], [file.fileno()])
        _wait_until_taken(self._writer.fileno(), termios.TIOCOUTQ)

    def receive(self, take: Callable[[list[Buffer]], None]) -> None:
        """Give `take` the messages that have arrived. In the parent."""
        for _ in range(_RECEIVE_AT_MOST):
            try:
                packed, rights, _, _ = self._reader.recvmsg(_DATAGRAM_BYTES, socketlib.CMSG_SPACE(4))
            except BlockingIOError:
                return
            for _, _, data in rights:
                with open(array.array("i", data)[0], "rb") as file:
                    file.seek(0)
                    packed = file.read()
            take(_unpack(packed))


def _wait_until_taken(fd: int, request: int) -> None:
    """Wait a moment for the parent to read what lies in `fd`: text and messages then keep their order. In a child."""
    end = time.monotonic() + _SETTLE_S
    with contextlib.suppress(OSError):  # user code has put something else there, or closed it
        while any(fcntl.ioctl(fd, request, b"\0\0\0\0")) and time.monotonic() < end:
            time.sleep(_SETTLE_S / 50)


def _unpack(packed: bytes) -> list[Buffer]:
    (count,) = struct.unpack_from("!I", packed)
    at, frames = 4 + 4 * count, list[Buffer]()
    for length in struct.unpack_from(f"!{count}I", packed, 4):
        frames.append(packed[at : at + length])
        at += length
    return frames


class ChildOutlet(Outlet):
    """What the wire becomes in a forked child. It has nobody to answer: a child that comes to that ends."""

    relay: Relay

    def put_text(self, name: str, parent: Parent, text: str) -> None:
        data = text.encode("utf-8", "replace")
        while data:
            data = data[os.write(_FDS[name], data) :]

    def publish(self, msg_type: str, content: Content | bytes, parent: Parent, **more: Any) -> None:
        if msg_type == "status":
            leave()
        if msg_type not in _OF_THE_REQUEST:
            super().publish(msg_type, content, parent, **more)

    def send(self, channel: Channel, *message: Any, **more: Any) -> dict[str, Any]:
        if channel == "stdin":
            raise EOFError("a forked child cannot ask for input")
        leave()

    def conclude(self, *message: Any, **more: Any) -> None:
        leave()

    def barrier(self, call: Callable[[], None], waits: bool = False) -> None:
        """Nothing: there is no wire thread that would call it."""

    def flush(self) -> None:
        """Nothing: nothing waits."""

    def _put(self, channel: Channel, frames: list[Buffer], lazy: bool) -> None:
        if channel == "iopub":
            sys.stdout.flush()
            for fd in _FDS.values():
                _wait_until_taken(fd, termios.FIONREAD)
            self.relay.send(frames)


def leave(status: int = 0) -> NoReturn:
    """End a child that fell out of the request that forked it: the parent goes on serving."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


class Forks:
    """Sees to it that a child finds its relay. Costs nothing before the first fork (subprocess makes none)."""

    def __init__(self, wire: Outlet, capture: Capture) -> None:
        self._wire = wire
        self._capture = capture
        self._relay: Relay | None = None

    def install(self) -> None:
        """Take part in every fork from now on. Main thread."""
        os.register_at_fork(before=self._before, after_in_child=self._in_child)

    def _before(self) -> None:
        if self._relay is None:
            relay = self._relay = Relay()
            self._capture.add(relay.fd, lambda: relay.receive(self._publish))

    def _publish(self, frames: list[Buffer]) -> None:
        self._wire.send_frames("iopub", frames)

    def _in_child(self) -> None:
        self._wire.forget()
        self._capture.forget()
        if self._relay is not None:
            self._wire.__class__ = ChildOutlet
            vars(self._wire)["relay"] = self._relay
