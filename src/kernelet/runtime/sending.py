"""The half of the wire that sends: what waits in the outbox leaves in order, and what becomes of it where nobody reads.

Everything here runs in the wire thread, except `leave`: while that thread sleeps, who has the last word on a request
sends it (and main may receive one: `Wire.receive_here`). A libzmq socket may go from thread to thread if a memory fence
lies between them: the lock `_sending` is one, and who holds it has the sockets. `Wire` adds the half that receives.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from itertools import chain, repeat
from typing import Any, cast

import zmq
import zmq.backend

from ..protocol.codec import Codec, clean_text
from ..protocol.message import Buffer, Channel
from ..protocol.outbox import Barrier, Frames, Text
from .log import Log
from .outlet import FULL_BYTES, Outlet
from .readiness import Readiness
from .sockets import Sockets
from .unheard import Unheard

# A subscriber that takes nothing for this long loses messages, rather than stopping the kernel for everybody.
STALL_S = 20.0
# Beside a stalled subscriber every message waits this long: time for those who read to make room for it.
STALLED_PATIENCE_S = 0.002
# Replies do not wait longer than this behind messages that a subscriber does not take.
REPLIES_WAIT_S = 0.2
# How long a question may wait for its client to connect stdin, and how often that is looked at.
STDIN_CONNECTS_WITHIN_S, STDIN_LOOK_S = 30.0, 0.02
_COPY_BELOW = 1 << 18
_SEND_AT_MOST = 256
# pyzmq's own methods, without the wrapper around each that looks for options of other kinds of sockets.
raw_socket: Any = zmq.backend.Socket
# Plain numbers: with pyzmq's enums each of these costs a microsecond and more.
EVENTS, POLLIN, NOBLOCK = int(zmq.EVENTS), int(zmq.POLLIN), int(zmq.NOBLOCK)
_MORE, _LAST = int(zmq.NOBLOCK | zmq.SNDMORE), (NOBLOCK,)
_exhaust = deque[Any](maxlen=0).extend


class Sending(Outlet):
    """Owns the sockets as far as they are sent on, and the descriptors whose text is to be sent."""

    def __init__(self, codec: Codec, thread: threading.Thread, wake_fd: int, sockets: Sockets, log: Log) -> None:
        super().__init__(codec, thread, wake_fd)
        self.log = log
        self.sockets = sockets
        self._iopub = sockets.by_name["iopub"]
        self._ready = Readiness()
        # The sockets used since EVENTS was asked of them, and those that had something to read then.
        self._used: set[zmq.Socket[bytes]] = set()
        self._unread: set[zmq.Socket[bytes]] = set()
        self._fds: dict[int, Callable[[], None]] = {}
        self._paused: set[int] = set()
        self._unpaused: set[int] = set()
        self._blocked_since: float | None = None
        self._stalled = False
        self._unheard = Unheard()
        self._pass_again = 0.0
        # Something is about to be said: the wire looks at the outbox a moment later by itself.
        self._expecting = False

    def watch(self, fd: int, ready: Callable[[], None], pauses: bool = True) -> None:
        """Call `ready` in the wire thread whenever `fd` is readable. Before `start`, or in the wire thread.

        `pauses`: not while the outbox is full, for a descriptor whose text goes there.
        """
        self._fds[fd] = ready
        if not pauses:
            self._unpaused.add(fd)
        self._ready.add(fd)

    def unwatch(self, fd: int) -> None:
        """Stop watching `fd`. Wire thread only."""
        if self._fds.pop(fd, None) and fd not in self._paused:
            self._ready.remove(fd)
        self._paused.discard(fd)
        self._unpaused.discard(fd)

    def call_later(self, delay_s: float, call: Callable[[], None]) -> None:
        """Call `call` in the wire thread, `delay_s` from now. The wire does."""
        raise NotImplementedError

    def _drain(self) -> None:
        for _ in range(_SEND_AT_MOST):  # then look at what came in: a flood of output must not starve requests
            if self._stopped:
                break
            with self._lock:
                item = self._outbox.take(time.monotonic())
            if item is None:
                break
            if isinstance(item, Barrier):
                item.call()
            elif not self._send(item):
                with self._lock:
                    self._outbox.put_back(item)
                self._let_replies_pass()
                break
            else:
                self._blocked_since = None
                self._expecting = True  # more of it, soon: a cell that shows one thing often shows a hundred
        with self._lock:
            roomy = self._outbox.size <= FULL_BYTES // 2
            if roomy:
                self._admit()
        self._pause_fds(not roomy)

    def leave(self) -> None:
        if self.main_keeps_out:
            super().leave()
            return
        while self._leaves_here() and self._sending.acquire(blocking=False):
            try:
                self._sender = threading.get_ident()
                all_left = self._send_here()
            finally:
                self._sender = None
                self._sending.release()
            if not all_left:
                with self._lock:
                    self._wake()
            # Once more: somebody may have come with more, and found the sockets taken.

    def _leaves_here(self) -> bool:
        """Whether something may leave now, and the wire sleeps. Awake, it sees to that itself."""
        with self._lock:
            return self._look_at > 0.0 and not self._stopped and self._outbox.deadline() == 0.0

    def _send_here(self) -> bool:
        """Send what may leave; False when there is something to do that only the wire does."""
        while True:
            with self._lock:
                item = self._outbox.take(time.monotonic())
            if item is None:
                self._look_for_unread()
                return not self._unread
            if (
                isinstance(item, Barrier)
                or (isinstance(item, Frames) and item.channel == "stdin")
                or not self._send(item)
            ):
                with self._lock:
                    self._outbox.put_back(item)
                return False

    def _look_for_unread(self) -> None:
        """Note the sockets that have something to read: using one has taken in the news that its descriptor tells."""
        while self._used:
            socket = self._used.pop()
            if raw_socket.get(socket, EVENTS) & POLLIN:
                self._unread.add(socket)

    def _let_replies_pass(self) -> None:
        """Send the replies that wait behind messages for a subscriber that lags: their clients wait for them.

        Order among the messages of IOPub stays as it is, so idle is still the last word on its request there.
        """
        now = time.monotonic()
        if self._blocked_since is None or now - self._blocked_since < REPLIES_WAIT_S or now < self._pass_again:
            return
        self._pass_again = now + REPLIES_WAIT_S / 10  # all that waits is looked at
        with self._lock:
            passing = self._outbox.take_past_iopub()
        for item in passing:
            if isinstance(item, Barrier):
                item.call()
            else:
                self._send(item)

    def _ask_when_connected(self, frames: list[Buffer], until: float) -> None:
        """Send a question once its client has connected stdin: sockets connect one by one, and a ROUTER drops."""
        try:
            self.sockets.by_name["stdin"].send_multipart(cast("list[bytes]", frames), zmq.NOBLOCK)
        except zmq.ZMQError as error:
            if time.monotonic() > until:
                self.log("warning", f"could not send on stdin: {error.strerror}")
            else:
                self.call_later(STDIN_LOOK_S, lambda: self._ask_when_connected(frames, until))

    def _send(self, item: Text | Frames) -> bool:
        """Send one item; False when a subscriber's queue is full and we still wait for it."""
        if isinstance(item, Text):
            channel: Channel = "iopub"
            content = {"name": item.name, "text": clean_text(item.text)}
            frames = [f"stream.{item.name}".encode(), *self.codec.encode("stream", content, item.parent.raw)]
            size = item.size
        else:
            channel, frames, size = item.channel, item.frames, item.size
        socket = self.sockets.by_name[channel]
        self._used.add(socket)
        try:
            _send_frames(socket, frames, size)
            if channel == "iopub":
                self._stalled = False
                self.recent.keep(frames, size)
                self._unheard.keep(frames, size)
            return True
        except zmq.Again:
            now = time.monotonic()
            self._blocked_since = self._blocked_since or now
            if channel != "iopub" or now - self._blocked_since < (STALLED_PATIENCE_S if self._stalled else STALL_S):
                return False
            if not self._stalled:
                self._stalled = True
                self.log("warning", f"a subscriber took nothing for {STALL_S:g} s; it loses messages from now on")
            self._iopub.setsockopt(zmq.XPUB_NODROP, 0)
            _send_frames(socket, frames, size)
            self._iopub.setsockopt(zmq.XPUB_NODROP, 1)
            self.recent.keep(frames, size)
            return True
        except zmq.ZMQError as error:
            if channel == "stdin" and error.errno == zmq.EHOSTUNREACH:
                self._ask_when_connected(frames, time.monotonic() + STDIN_CONNECTS_WITHIN_S)
                return True
            # EHOSTUNREACH and its kin: the client is gone, and with it whoever wanted this.
            self.log("warning", f"could not send on {channel}: {error.strerror}")
            return True

    def _pause_fds(self, pause: bool) -> None:
        """Stop reading captured descriptors while the outbox is full: their writers then wait on the pipe."""
        for fd in self._fds:
            if pause and fd not in self._paused and fd not in self._unpaused:
                self._ready.remove(fd)
                self._paused.add(fd)
            elif not pause and fd in self._paused:
                self._ready.add(fd)
                self._paused.discard(fd)


def _send_frames(socket: zmq.Socket[bytes], frames: list[Buffer], size: int) -> None:
    """Send a message, or raise zmq.Again before any of it is sent."""
    if size >= _COPY_BELOW:
        socket.send_multipart(cast("list[bytes]", frames), zmq.NOBLOCK, copy=False)
        return
    # The loop is C's: a fifth of the bytecodes, and no signal handler of the user's runs with half a message sent.
    flags = chain(repeat(_MORE, len(frames) - 1), _LAST)
    _exhaust(map(raw_socket.send, repeat(socket), frames, flags))
