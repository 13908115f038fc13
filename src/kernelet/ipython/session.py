"""The session of the kernel: messages built, signed, sent and read the way jupyter_client's Session does it.

`kernel.session` and `sys.stdout.session` are this. It is not jupyter_client's class, which a kernel need not have
installed and which takes 60 ms to import; the methods have its names, arguments and results. Any thread.
Source: https://jupyter-client.readthedocs.io/en/stable/api/jupyter_client.html#session
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import zmq

from ..protocol.codec import DELIMITER, dumps, loads
from ..protocol.message import Buffer
from ..runtime.host import Host

_FRAMES_OF_A_MESSAGE = 5


def extract_header(message_or_header: dict[str, Any]) -> dict[str, Any]:
    """Return the header of a message, or the header that was given; {} of nothing."""
    header: dict[str, Any] = message_or_header.get("header", message_or_header) if message_or_header else {}
    return header


class Session:
    """One for the kernel; it has the kernel's key, session id and counter of messages."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.key: bytes = host.connection.key
        self.signature_scheme = host.connection.signature_scheme
        self.session = host.wire.codec.session
        self.bsession = self.session.encode()
        self.username = host.wire.codec.username
        self.metadata: dict[str, Any] = {}
        self.pid = os.getpid()
        self.check_pid = True
        self.adapt_version = 0
        self.copy_threshold = 1 << 16

    @property
    def msg_id(self) -> str:
        """A new message id."""
        return str(self.msg_header("")["msg_id"])

    def clone(self) -> Session:
        """Return another session object of the same kernel."""
        return Session(self.host)

    # -- building

    def msg_header(self, msg_type: str) -> dict[str, Any]:
        """Return a new header."""
        return {**self.host.wire.codec.header(msg_type), "username": self.username}

    def msg(
        self,
        msg_type: str,
        content: dict[str, Any] | None = None,
        parent: dict[str, Any] | None = None,
        header: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Return a message as a dict. `parent` is a message or a header."""
        header = self.msg_header(msg_type) if header is None else header
        return {
            "header": header,
            "msg_id": header["msg_id"],
            "msg_type": header["msg_type"],
            "parent_header": extract_header(parent or {}),
            "content": {} if content is None else content,
            "metadata": {**self.metadata, **(metadata or {})},
        }

    def pack(self, value: Any) -> bytes:
        """Return `value` as JSON."""
        return dumps(value)

    def unpack(self, raw: bytes | str) -> Any:
        """Return the value of JSON text."""
        return loads(raw.encode() if isinstance(raw, str) else raw)

    def sign(self, parts: Iterable[Buffer]) -> bytes:
        """Return the signature of the four JSON frames of a message."""
        return self.host.wire.codec.sign(list(parts))

    def serialize(self, msg: dict[str, Any], ident: bytes | Sequence[bytes] | None = None) -> list[Any]:
        """Return the frames of a message, without its buffers. Raises TypeError for content that is no JSON."""
        content = msg.get("content")
        if isinstance(content, str):
            content = content.encode()
        parts = [
            self.pack(msg["header"]),
            self.pack(msg["parent_header"]),
            self.pack(msg["metadata"]),
            content if isinstance(content, bytes) else self.pack({} if content is None else content),
        ]
        idents = [] if ident is None else [ident] if isinstance(ident, bytes) else list(ident)
        return [*idents, DELIMITER, self.sign(parts), *parts]

    # -- sending

    def send(
        self,
        stream: Any,
        msg_or_type: dict[str, Any] | str,
        content: dict[str, Any] | None = None,
        parent: dict[str, Any] | None = None,
        ident: bytes | Sequence[bytes] | None = None,
        buffers: Sequence[Any] | None = None,
        track: bool = False,
        header: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> dict[str, Any] | None:
        """Send a message on `stream` (anything with send_multipart; None: nowhere) and return it.

        Returns None in a forked child, whose messages would mix with the parent's. Raises TypeError for a buffer that
        is none, ValueError for one that is not contiguous.
        """
        if isinstance(msg_or_type, dict):
            message = msg_or_type
            buffers = buffers or message.get("buffers") or ()
        else:
            message = self.msg(msg_or_type, content, parent, header, metadata)
        if self.check_pid and os.getpid() != self.pid:
            warnings.warn("a forked process cannot send messages of the kernel", RuntimeWarning, stacklevel=2)
            return None
        frames = [*self.serialize(message, ident), *map(_view, buffers or ())]
        if stream is not None:
            stream.send_multipart(frames, copy=max(map(len, frames)) < self.copy_threshold)
        message["tracker"] = zmq.MessageTracker()
        return message

    def send_raw(
        self,
        stream: Any,
        msg_list: Sequence[Buffer],
        flags: int = 0,
        copy: bool = True,
        ident: bytes | Sequence[bytes] | None = None,
    ) -> None:
        """Sign and send four JSON frames (and buffers) that are already encoded."""
        idents = [] if ident is None else [ident] if isinstance(ident, bytes) else list(ident)
        stream.send_multipart([*idents, DELIMITER, self.sign(msg_list[:4]), *msg_list], flags, copy=copy)

    # -- reading

    def recv(
        self, socket: Any, mode: int = zmq.NOBLOCK, content: bool = True, copy: bool = True
    ) -> tuple[list[bytes] | None, dict[str, Any] | None]:
        """Return idents and message from a zmq socket; (None, None) when there is none yet."""
        try:
            frames = socket.recv_multipart(mode, copy=copy)
        except zmq.Again:
            return None, None
        idents, frames = self.feed_identities(frames, copy)
        return idents, self.deserialize(frames, content, copy)

    def feed_identities(self, msg_list: Sequence[Any], copy: bool = True) -> tuple[list[bytes], list[Any]]:
        """Split frames into the idents before the delimiter, and what follows it. Raises ValueError without one."""
        frames = [_bytes(frame) for frame in msg_list] if not copy else list(msg_list)
        if DELIMITER not in frames:
            raise ValueError("DELIM not in msg_list")
        at = frames.index(DELIMITER)
        return list(map(bytes, frames[:at])), frames[at + 1 :]

    def deserialize(self, msg_list: Sequence[Any], content: bool = True, copy: bool = True) -> dict[str, Any]:
        """Return the message in frames that begin with the signature. Raises ValueError, TypeError if malformed."""
        if len(msg_list) < _FRAMES_OF_A_MESSAGE:
            raise TypeError(f"malformed message, must have at least {_FRAMES_OF_A_MESSAGE} elements")
        signature, *parts = (_bytes(frame) for frame in msg_list[:_FRAMES_OF_A_MESSAGE])
        if self.key and signature != self.sign(parts):
            raise ValueError(f"Invalid Signature: {signature!r}")
        header = self.unpack(parts[0])
        return {
            "header": header,
            "msg_id": header["msg_id"],
            "msg_type": header["msg_type"],
            "parent_header": self.unpack(parts[1]),
            "metadata": self.unpack(parts[2]),
            "content": self.unpack(parts[3]) if content else parts[3],
            "buffers": [memoryview(_bytes(frame)) for frame in msg_list[_FRAMES_OF_A_MESSAGE:]],
        }


def _bytes(frame: Any) -> bytes:
    return frame.bytes if isinstance(frame, zmq.Frame) else bytes(frame)


def _view(buffer: Any) -> memoryview:
    """Return a buffer as zmq sends it."""
    try:
        view = memoryview(buffer)
    except TypeError:
        raise TypeError("Buffer objects must support the buffer protocol.") from None
    if not view.contiguous:
        raise ValueError(f"Buffer ({buffer!r:.60}) is not contiguous")
    return view.cast("B") if view.nbytes else memoryview(b"")
