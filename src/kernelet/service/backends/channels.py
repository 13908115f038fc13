"""A client's end of one kernel's sockets: requests out, messages in. Only this and `broken.py` know ZMQ.

jupyter_client's channels would do as well, and were what was here: a third of the service's CPU for a small execution
(futures around every receive, dates that nobody reads made of text). Kernels are still started by jupyter_client.

Everything here runs in the service's loop.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, cast

import zmq

from kernelet.protocol.codec import Codec, MalformedMessage, loads, loads_object, split
from kernelet.service.backends.backend import GAP, Listener, Message
from kernelet.service.backends.broken import broken

logger = logging.getLogger("kernelet.service")

_REQUESTS: Final = ("shell", "stdin", "control")
_RECONNECT_MS: Final = 2
"""The same for each trial: doubled, as it was, a kernel that listens after 15 ms is found after 30."""
_UNREAD: Final = 16
"""Messages of up to a megabyte that may wait in a socket; what is behind them waits in the kernel."""
_AT_ONCE: Final = 32
"""Messages of one channel that are read before others of the loop have their turn."""
_LOOK_S: Final = 0.02


def decode(codec: Codec, frames: Sequence[bytes]) -> Message:
    """Return the message in frames from the wire, as jupyter_client has one. Raises MalformedMessage.

    Not `Codec.decode`: that one remembers signatures, against replayed requests; nobody replays a kernel's answers.
    """
    at, (signature, *parts) = split(frames)
    if not hmac.compare_digest(codec.sign(parts), signature):
        raise MalformedMessage("bad signature")
    header = loads_object(parts[0], "header")
    # Some kernels send null as the parent of what has none.
    parent, metadata = (value if isinstance(value := loads(part), dict) else {} for part in parts[1:3])
    if not isinstance(header.get("msg_type"), str) or not isinstance(header.get("msg_id"), str):
        raise MalformedMessage("header has no text 'msg_type' or 'msg_id'")
    return {
        "header": header,
        "msg_id": header["msg_id"],
        "msg_type": header["msg_type"],
        "parent_header": parent,
        "metadata": metadata,
        "content": loads_object(parts[3], "content"),
        "buffers": list(frames[at + 6 :]),
    }


class _Channel:
    """One socket, read whenever it has something, unless somebody still works on its last message."""

    def __init__(
        self, name: str, socket: zmq.Socket[bytes], take: Callable[[str, list[bytes]], Awaitable[None] | None]
    ) -> None:
        self.name = name
        self.socket = socket
        self._take = take
        self._loop = asyncio.get_running_loop()
        self._fd = int(socket.getsockopt(zmq.FD))
        self._working: asyncio.Task[None] | None = None
        self._loop.add_reader(self._fd, self.read)

    def read(self) -> None:
        """Hand over what has come. The descriptor tells of news only once: so to the last message, or again soon."""
        for _ in range(_AT_ONCE):
            if self._working is not None or self.socket.closed:
                return
            try:
                frames = self.socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            try:
                waiting = self._take(self.name, frames)
            except Exception:  # our bug: logged, and the next message is read
                logger.exception("could not take a message of %s", self.name)
                continue
            if waiting is not None:
                self._working = self._loop.create_task(self._go_on_after(waiting))
                return
        self._loop.call_soon(self.read)

    async def _go_on_after(self, waiting: Awaitable[None]) -> None:
        try:
            await waiting
        finally:
            self._working = None
            self._loop.call_soon(self.read)

    def send(self, frames: Sequence[bytes]) -> None:
        """Send a message. Raises ConnectionError where too many wait already."""
        try:
            self.socket.send_multipart(frames, zmq.NOBLOCK)
        except zmq.Again:
            raise ConnectionError("the kernel takes no more requests") from None
        if int(self.socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN:  # sending may have taken in the news of it
            self._loop.call_soon(self.read)

    @property
    def read_up(self) -> bool:
        """Whether nothing lies in the socket any more."""
        self.read()
        return self._working is None and not int(self.socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN

    def close(self) -> None:
        if not self.socket.closed:
            self._loop.remove_reader(self._fd)
            self.socket.close(0)
        if self._working is not None:
            self._working.cancel()


class Channels:
    """The channels of one kernel; its heartbeat is not asked: on one machine its death is told otherwise."""

    def __init__(self, connection: Mapping[str, Any], max_message: int, listener: Listener) -> None:
        """`connection` is what a connection file has, its key in bytes. `listener` may be replaced at any time.

        A message of more than `max_message` bytes breaks its connection: code can send what it likes.
        """
        self._connection = connection
        self._max_message = max_message
        self.listener = listener
        session = uuid.uuid4().hex
        scheme = connection.get("signature_scheme") or "hmac-sha256"
        self._codec = Codec(connection["key"], scheme, session, lambda: datetime.now(UTC).isoformat(), "kernelet")
        # One for each kernel: in a shared one a flood took 600 MB.
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._welcomed = False
        self._open = {name: self._connect(name, zmq.DEALER) for name in _REQUESTS}
        self._iopub = self._connect("iopub", zmq.SUB)
        self._mending = asyncio.create_task(self._mend())

    def send(self, channel: str, msg_type: str, content: Mapping[str, Any], msg_id: str) -> None:
        """Send a request. Raises ConnectionError."""
        header = {**self._codec.header(msg_type), "msg_id": msg_id}
        self._open[channel].send(cast("list[bytes]", self._codec.encode(msg_type, dict(content), header=header)))

    async def close(self) -> None:
        """Close all sockets; what was not sent is lost."""
        self._mending.cancel()
        await asyncio.gather(self._mending, return_exceptions=True)
        for channel in (*self._open.values(), self._iopub):
            channel.close()
        await asyncio.to_thread(self._context.term)

    def _connect(self, name: str, kind: int) -> _Channel:
        socket = self._context.socket(kind)
        socket.linger = 0
        socket.reconnect_ivl, socket.reconnect_ivl_max = _RECONNECT_MS, 0
        socket.rcvhwm = _UNREAD
        socket.maxmsgsize = self._max_message
        if kind == zmq.SUB:
            socket.subscribe(b"")
        else:  # a question on stdin goes to whoever asked on shell
            socket.identity = self._codec.session.encode()
        transport, ip, port = (self._connection[key] for key in ("transport", "ip", f"{name}_port"))
        socket.connect(f"{transport}://{ip}{'-' if transport == 'ipc' else ':'}{port}")
        return _Channel(name, socket, self._received)

    def _received(self, channel: str, frames: list[bytes]) -> Awaitable[None] | None:
        try:
            message = decode(self._codec, frames)
        except MalformedMessage as error:
            logger.warning("a kernel sent something unreadable on %s: %s", channel, error)
            return None
        if channel == "iopub" and message["msg_type"] == "iopub_welcome":
            # Each subscription is welcomed: a second one follows a broken connection.
            if self._welcomed:
                message = {**message, "header": {**message["header"], "msg_type": GAP}}
            self._welcomed = True
        return self.listener(channel, message)

    async def _mend(self) -> None:
        """Read iopub on a new socket whenever the one that it had hears nothing any more."""
        while True:
            await broken(self._iopub.socket)
            while not self._iopub.read_up:  # noqa: ASYNC110  # who works on its messages is told, nobody else
                await asyncio.sleep(_LOOK_S)
            # Not disconnect() and connect(): while messages of several parts came in, libzmq aborted (fq.cpp, !_more).
            self._iopub.close()
            self._iopub = self._connect("iopub", zmq.SUB)
