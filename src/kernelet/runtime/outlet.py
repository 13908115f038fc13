"""The outlet: where everything that the kernel says goes in, from any thread, on its way to the wire.

Guards the outbox with a lock, wakes the wire only when it would otherwise look too late, and makes writers wait while
too much is queued. `Wire` is the other half: the thread that takes things out.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from ..protocol.codec import Codec
from ..protocol.message import Buffer, Channel, Content, Parent
from ..protocol.outbox import HOLD_S, Barrier, Frames, Outbox, Text
from .frames import interruptible
from .interrupt import checkpoint
from .replay import Recent

# How long busy, execute_input and the reply before an idle may wait to leave in one go with what follows.
LAZY_S = 0.01
# Over this many waiting bytes (and characters) writers wait: output is never dropped and memory stays bounded.
FULL_BYTES = 32 << 20
# A flush does not wait longer than this for a subscriber that is slow.
FLUSH_WITHIN_S = 1.0
NEVER = float("inf")


class Outlet:
    """Takes text and messages. `thread` is the wire's: it never waits for itself."""

    def __init__(self, codec: Codec, thread: threading.Thread, wake_fd: int) -> None:
        self.codec = codec
        self.thread = thread
        self._wake_w = wake_fd
        self._outbox = Outbox()
        # RLock: a __del__ that prints may run inside put_text, in the same thread.
        self._lock = threading.RLock()
        self._waiting_for_room: list[threading.Lock] = []
        # When the wire will look at the outbox by itself: it need not be woken for what may leave later than that.
        self._look_at = NEVER
        self._stopped = False
        # Held by who has the sockets: the wire while it is awake, else who sends in `leave`, with its thread's ident.
        self._sending = threading.Lock()
        self._sending.acquire()
        self._sender: int | None = None
        self._flushed = 0.0
        # Handlers of the user's might raise where main sends or receives (`signals.py`): the wire does both then.
        self.main_keeps_out = False
        # What clients that were away may ask for again. Whoever takes things out keeps them here.
        self.recent = Recent()

    def write(self, name: str, parent: Parent, text: str) -> Text | None:
        """Queue text of a stream; waits while too much is queued. Any thread.

        Returns the item that more text of this stream and parent may join (see `Text`), if there is one.
        """
        self.put_text(name, parent, text)
        if self._outbox.size > FULL_BYTES:
            self.wait_for_room()
        checkpoint()
        growing = self._outbox.growing
        return growing if growing is not None and growing.parent is parent and growing.name == name else None

    def rescue(self, closed: Text) -> None:
        """Queue what was appended to an item when it could take no more. Any thread."""
        with self._lock:
            deadline = self._outbox.rescue(closed, time.monotonic())
            if deadline is not None and deadline < self._look_at:
                self._wake()

    def put_text(self, name: str, parent: Parent, text: str) -> None:
        """Queue text of a stream and never wait. Any thread."""
        with self._lock:
            deadline = self._outbox.put_text(name, parent, text, time.monotonic())
            if deadline < self._look_at:
                self._wake()

    def publish(
        self,
        msg_type: str,
        content: Content | bytes,
        parent: Parent,
        *,
        metadata: dict[str, Any] | None = None,
        buffers: Sequence[Buffer] = (),
        topic: str | None = None,
        lazy: bool = False,
    ) -> None:
        """Queue a message for IOPub, encoded here and now. Any thread.

        `lazy` lets it wait up to LAZY_S for what follows. Raises TypeError or ValueError when it has no JSON form.
        """
        self._put("iopub", self._published(msg_type, content, parent, metadata, buffers, topic), lazy)
        if self._outbox.size > FULL_BYTES:
            self.wait_for_room()
        checkpoint()

    def send(
        self,
        channel: Channel,
        msg_type: str,
        content: Content,
        parent: Parent,
        *,
        metadata: dict[str, Any] | None = None,
        lazy: bool = False,
    ) -> dict[str, Any]:
        """Queue a message to the client that sent `parent`, and return its header. Any thread; never waits."""
        header = self.codec.header(msg_type)
        frames = self.codec.encode(msg_type, content, parent.raw, metadata, (), header)
        self._put(channel, [*parent.idents, *frames], lazy)
        return header

    def conclude(
        self,
        channel: Channel,
        msg_type: str,
        reply: Content | None,
        parent: Parent,
        status: Content | bytes,
        *,
        metadata: dict[str, Any] | None = None,
        broadcast: bool = False,
    ) -> None:
        """Queue a reply (None: there is none) and the last status of its request, with nothing between; then `leave`.

        `broadcast`: the reply goes to IOPub as well. Any thread, as for `leave`. Raises as `publish` does.
        """
        said: list[tuple[Channel, list[Buffer]]] = []
        if reply is not None:
            said.append((channel, [*parent.idents, *self.codec.encode(msg_type, reply, parent.raw, metadata)]))
            if broadcast:
                said.append(("iopub", self._published(msg_type, reply, parent)))
        said.append(("iopub", self._published("status", status, parent)))
        self._put_all(said)
        self.leave()

    def _published(
        self,
        msg_type: str,
        content: Content | bytes,
        parent: Parent,
        metadata: dict[str, Any] | None = None,
        buffers: Sequence[Buffer] = (),
        topic: str | None = None,
    ) -> list[Buffer]:
        frames = self.codec.encode(msg_type, content, parent.raw, metadata, buffers)
        return [(topic or f"kernel.{self.codec.session}.{msg_type}").encode(), *frames]

    def send_frames(self, channel: Channel, frames: Sequence[Buffer]) -> None:
        """Queue frames that are already signed (for code that brings its own session). Any thread."""
        self._put(channel, list(frames), False)

    def leave(self) -> None:
        """Let what is queued leave now, at best in this thread. Any thread, when no code of the user's runs in it.

        The lane that has the last word on a request sends it: that costs neither a wake-up of the wire nor a hand-over
        of the GIL, which are half of what a small request takes. Not in the middle of user code: an exception that
        another signal handler raises, or a debugger, might stop it with half a message sent.
        """
        with self._lock:
            self._wake()

    def barrier(self, call: Callable[[], None], waits: bool = False) -> None:
        """Call `call` in the wire thread after all that is queued has left and before anything queued later does.

        Unless it `waits`, not after what a subscriber does not take.
        """
        with self._lock:
            self._outbox.put(Barrier(call, waits))
            self._wake()

    def remind(self, delay_s: float, call: Callable[[], None]) -> None:
        """Call `call`, which must be quick, in `delay_s` seconds, in a thread of the kernel's. Any thread."""
        timer = threading.Timer(delay_s, call)
        timer.daemon = True
        timer.name = "kernelet-reminder"
        timer.start()

    @interruptible
    def flush(self) -> None:
        """Return when what is queued has left, for who needs it out before it does something that stops the wire.

        Any thread. Asked again within HOLD_S it returns at once: the text leaves by then anyhow, and a program that
        flushes after every line (logging does) must not turn every line into a message.
        """
        now = time.monotonic()
        if now - self._flushed < HOLD_S or self._sends_itself() or self._stopped:
            return
        self._flushed = now
        with self._lock:
            if not len(self._outbox) and not self._sending.locked():  # else the last of it may still be on its way
                return
            # A bare lock, not an Event: an interrupt inside Event.wait's Python code breaks its lock.
            left = threading.Lock()
            left.acquire()
            self._outbox.put(Barrier(left.release))
            self._wake()
        left.acquire(timeout=FLUSH_WITHIN_S)

    def begin_cell(self) -> None:
        """Let the first flush of a cell take effect, however short the last one is ago."""
        self._flushed = 0.0

    @interruptible
    def wait_for_room(self) -> None:
        """Wait until the outbox is half empty. Returns at once in the wire thread and when the wire has stopped."""
        if self._sends_itself():
            return
        with self._lock:
            if self._outbox.size <= FULL_BYTES // 2 or self._stopped:
                return
            room = threading.Lock()
            room.acquire()
            self._waiting_for_room.append(room)
            self._wake()
        room.acquire()

    def forget(self) -> None:
        """In a forked child: drop what the parent will send, and never touch its sockets."""
        self._lock = threading.RLock()
        self._sending = threading.Lock()
        self._waiting_for_room = []
        self._outbox.clear()
        self._stopped = True

    def _sends_itself(self) -> bool:
        """Whether this thread is the one that takes things out: a __del__ may print there, and must not wait for it."""
        return threading.current_thread() is self.thread or threading.get_ident() == self._sender

    def _admit(self) -> None:
        """Let everybody write who waits for room. With the lock held."""
        for room in self._waiting_for_room:
            room.release()
        self._waiting_for_room.clear()

    def _put(self, channel: Channel, frames: list[Buffer], lazy: bool) -> None:
        size = sum(map(len, frames))
        with self._lock:
            if self._stopped:
                return
            self._outbox.put(Frames(channel, frames, size))
            if not lazy or time.monotonic() + LAZY_S < self._look_at:
                self._wake()

    def _put_all(self, messages: Sequence[tuple[Channel, list[Buffer]]]) -> None:
        """Queue messages next to each other; `leave` follows."""
        with self._lock:
            for channel, frames in messages if not self._stopped else ():
                self._outbox.put(Frames(channel, frames, sum(map(len, frames))))

    def _wake(self) -> None:
        """Make the wire look now, unless it will anyway. With the lock held."""
        if self._look_at > 0.0 and not self._stopped:
            self._look_at = 0.0
            os.write(self._wake_w, b"\1\0\0\0\0\0\0\0")
