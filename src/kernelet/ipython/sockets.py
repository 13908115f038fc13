"""The kernel's sockets as user code knows them: `iopub_socket`, `shell_stream`, `iopub_thread` of ipykernel.

None of them is a socket: what is sent on them goes into the outbox, in its order, and the wire sends it. Any thread.
"""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import zmq

from ..protocol.message import Buffer, Channel
from ..runtime.host import Host

if TYPE_CHECKING:
    from ..runtime.toolkit import Waiting


class WireSocket:
    """One channel of the wire. Frames (idents, delimiter, signature, four JSON frames) go out as they are."""

    closed = False

    def __init__(self, host: Host, channel: Channel) -> None:
        self.host = host
        self.channel = channel

    @property
    def socket(self) -> WireSocket:
        """Itself: a ZMQStream has its socket under this name."""
        return self

    def send_multipart(
        self, msg_parts: Sequence[Buffer], flags: int = 0, copy: bool = True, track: bool = False, **kwargs: Any
    ) -> None:
        """Queue a message. On iopub it waits while too much is queued."""
        if self.channel == "iopub":
            if self.host.capture is not None:
                self.host.capture.drain()
            self.host.wire.send_frames("iopub", msg_parts)
            self.host.wire.wait_for_room()
        else:
            self.host.wire.send_frames(self.channel, msg_parts)

    def send(self, data: Buffer, *args: Any, **kwargs: Any) -> None:
        """Queue a message of one frame."""
        self.send_multipart([data])

    def flush(self, flag: int = zmq.POLLOUT, limit: int | None = None) -> int:
        """Return when what is queued has left; for a GUI event loop, whether it is to give way to the kernel's."""
        waiting = self.waiting
        if waiting is not None:
            return int(waiting.input_is_ready())
        self.host.wire.flush()
        return 0

    @property
    def waiting(self) -> Waiting | None:
        """What the GUI event loop that runs now waits for."""
        toolkit = self.host.parking.toolkit
        return toolkit.waiting if self.channel == "shell" and toolkit is not None and toolkit.runs else None

    def getsockopt(self, option: int) -> int:
        """Return the descriptor for which a GUI event loop waits (zmq.FD). Raises ZMQError for anything else."""
        toolkit = self.host.parking.toolkit
        if self.channel != "shell" or option != zmq.FD or toolkit is None:
            raise zmq.ZMQError(errno.EINVAL, "the kernel's sockets are the wire's own")
        return toolkit.waiting.fileno()

    def recv_multipart(self, flags: int = 0, *args: Any, **kwargs: Any) -> list[bytes]:
        """Raise zmq.Again: what comes in is handled by the kernel, and nothing is left to read here."""
        raise zmq.Again

    def __repr__(self) -> str:
        return f"<{self.channel} of kernelet>"


class IOPubThread:
    """The thread that publishes. Made from a socket of another kernel in this process, it sends on that at once."""

    __module__ = "ipykernel.iostream"

    def __init__(self, socket: Any, pipe: bool = False, session: Any = False) -> None:
        self.socket = socket
        self.background_socket: Any = BackgroundSocket(self)
        self.host: Host | None = socket.host if isinstance(socket, WireSocket) else None
        self._lock = threading.Lock()

    @property
    def thread(self) -> threading.Thread:
        """The thread in which `schedule` calls."""
        return self.host.wire.thread if self.host is not None else threading.current_thread()

    closed = False

    def schedule(self, f: Callable[[], Any]) -> None:
        """Call `f` in the publishing thread, after all that is queued has left; an error in it goes to the log."""
        host = self.host
        if host is None:
            f()
            return

        def call() -> None:
            try:
                f()
            except Exception:  # noqa: BLE001  # the wire must not die of user code
                host.log.crash("a function given to iopub_thread.schedule failed")

        host.wire.barrier(call)

    def send_multipart(self, msg_parts: Sequence[Buffer], *args: Any, **kwargs: Any) -> None:
        """Publish frames that are already signed."""
        if self.host is not None:
            self.socket.send_multipart(msg_parts, *args, **kwargs)
            return
        with self._lock:
            self.socket.send_multipart(msg_parts, *args, **kwargs)

    def start(self) -> None:
        """Nothing: it runs."""

    def stop(self) -> None:
        """Nothing: it ends with the kernel."""

    def close(self) -> None:
        """Nothing: it ends with the kernel."""


class BackgroundSocket:
    """What `kernel.iopub_socket` is: sends through the publishing thread."""

    __module__ = "ipykernel.iostream"
    closed = False

    def __init__(self, io_thread: IOPubThread) -> None:
        self.io_thread = io_thread

    @property
    def socket(self) -> BackgroundSocket:
        """Itself."""
        return self

    def send_multipart(self, msg_parts: Sequence[Buffer], *args: Any, **kwargs: Any) -> None:
        """Publish frames that are already signed."""
        self.io_thread.send_multipart(msg_parts, *args, **kwargs)

    def send(self, msg: Buffer, *args: Any, **kwargs: Any) -> None:
        """Publish one frame."""
        self.send_multipart([msg], *args, **kwargs)

    def flush(self, *args: Any, **kwargs: Any) -> None:
        """Return when what is queued has left."""
        if self.io_thread.host is not None:
            self.io_thread.host.wire.flush()
