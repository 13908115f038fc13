"""The wire: the thread that owns the sockets. In: receive, verify, route. Out: drain the outbox, in order.

Everything here runs in the wire thread, except `start` and `stop`, and `receive_here`: main receives from shell itself
while it has nothing else to do (`reception.py`). What any thread may call is the `Outlet` that it is.
"""

from __future__ import annotations

import heapq
import itertools
import os
import threading
import time
from collections.abc import Callable, Iterable
from typing import cast

import zmq

from ..protocol.codec import Codec, MalformedMessage
from ..protocol.message import Buffer, Channel, Message
from ..protocol.outbox import Frames
from .log import Log
from .outlet import NEVER
from .reception import Reception
from .reception import possible as reception_is_possible
from .sending import EVENTS, NOBLOCK, POLLIN, Sending, raw_socket
from .sockets import Heartbeat, Sockets, mark_service_thread, wake_pair

# After routing a request the wire looks at the outbox this much later by itself, so that a lane need not wake it.
LOOK_AGAIN_S = 0.004
# Thousands of queued requests are read in this time.
RECEIVE_ALL_S = 0.25
_RECEIVE_AT_MOST = 256
# Where a subscriber takes nothing it is asked again this often.
_BLOCKED_LOOK_S = 0.002
# Who waits for the sockets asks this often whether there are any left.
_GIVE_UP_LOOK_S = 0.1

Receiver = Callable[[Message], None]


class Wire(Sending):
    """Owns the sockets from `start` on; `receive` gets every verified message, `subscribed` hears of subscriptions."""

    def __init__(
        self, sockets: Sockets, codec: Codec, receive: Receiver, subscribed: Callable[[], None], log: Log
    ) -> None:
        thread = threading.Thread(target=self._run, name="kernelet-wire", daemon=True)
        mark_service_thread(thread)
        self._wake_r, wake_w = wake_pair()
        super().__init__(codec, thread, wake_w, sockets, log)
        self._receive = receive
        self._subscribed = subscribed
        self._inbound: dict[zmq.Socket[bytes], Channel] = {
            sockets.by_name["control"]: "control",
            sockets.by_name["shell"]: "shell",
            sockets.by_name["stdin"]: "stdin",
        }
        # The sockets by their descriptors, from `start` on.
        self._by_fd: dict[int, zmq.Socket[bytes]] = {}
        # Received in this turn, and not yet given on.
        self._received: list[Message] = []
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._timer_numbers = itertools.count()
        # Of other threads: with the lock held.
        self._reminders: list[tuple[float, Callable[[], None]]] = []
        self._heartbeat = Heartbeat(sockets.by_name["hb"])
        # Called when this thread cannot go on.
        self.broken: Callable[[], None] = lambda: os._exit(70)

    def call_later(self, delay_s: float, call: Callable[[], None]) -> None:
        """Call `call` in the wire thread, `delay_s` from now. Wire thread only."""
        heapq.heappush(self._timers, (time.monotonic() + delay_s, next(self._timer_numbers), call))

    def remind(self, delay_s: float, call: Callable[[], None]) -> None:
        """Call `call` in the wire thread in `delay_s` seconds. Any thread.

        The wire is not woken for it: whoever calls this has a reply to send as well.
        """
        with self._lock:
            self._reminders.append((time.monotonic() + delay_s, call))

    def start(self) -> None:
        """Start the wire, which starts the heartbeat when somebody listens for it."""
        for socket in (*self._inbound, self._iopub):
            fd = int(socket.getsockopt(zmq.FD))
            self._by_fd[fd] = socket
            self._ready.add(fd)
        self._unread.update(self._by_fd.values())  # what has come by now is not news
        self._ready.add(self._wake_r)
        self.watch(int(self.sockets.by_name["hb"].getsockopt(zmq.FD)), self._beat, pauses=False)
        self.thread.start()

    def stop(self, timeout_s: float) -> None:
        """Send all that is queued, close the sockets, and wait for that at most `timeout_s`."""
        self.barrier(self._stop, waits=True)
        if threading.current_thread() is not self.thread:
            self.thread.join(timeout_s)

    def _run(self) -> None:
        try:
            while not self._stopped:
                timeout_s = self._timeout_s()
                events = self._ready.wait(timeout_s)
                if timeout_s != 0.0:
                    self._sending.acquire()
                self._turn(events)
        except BaseException:  # noqa: BLE001  # without its wire the kernel is deaf and dumb
            self.log.crash("the wire broke; the kernel ends")
            self.broken()
        self._close()

    def _turn(self, events: Iterable[int]) -> None:
        self._look_at = 0.0
        for fd in events:
            if fd == self._wake_r:
                os.read(fd, 8)
            elif fd in self._by_fd:
                self._unread.add(self._by_fd[fd])
            elif fd in self._fds:
                self._fds[fd]()
        while self._unread:
            socket = self._unread.pop()
            if socket is self._iopub:
                self._welcome()
            else:
                self._receive_from(socket, _RECEIVE_AT_MOST)
        while self._timers and self._timers[0][0] <= time.monotonic():
            heapq.heappop(self._timers)[2]()
        if len(self._outbox):
            self._give_on()
        self._drain()
        self._look_for_unread()
        # Last of all: who is woken by it finds the GIL free a moment later, and has not to wait for it, nor we for him.
        self._give_on()

    def _give_on(self) -> None:
        received, self._received = self._received, []
        for message in received:
            self._receive(message)

    def _timeout_s(self) -> float | None:
        """Decide when to look at the outbox next, and return how long to wait until then (None: for ever).

        Unless that is 0.0, whoever has something to say may send it from here on, until `_run` has the sockets again.
        """
        now = time.monotonic()
        with self._lock:
            while self._reminders:
                at, call = self._reminders.pop()
                heapq.heappush(self._timers, (at, next(self._timer_numbers), call))
            timeout_s = self._until_next_look(now)
            if timeout_s != 0.0:
                self._sending.release()
            return timeout_s

    def _until_next_look(self, now: float) -> float | None:
        if self._blocked_since is not None:
            self._look_at = 0.0
            return _BLOCKED_LOOK_S
        deadline = self._outbox.deadline()
        if self._unread or deadline == 0.0:
            self._look_at = 0.0
            return 0.0
        look_at = NEVER if deadline is None else deadline
        if self._expecting:
            look_at = min(look_at, now + LOOK_AGAIN_S)
            self._expecting = False
        if self._timers:
            look_at = min(look_at, self._timers[0][0])
        self._look_at = look_at
        # A millisecond more, never less: waiting 0 until the deadline would spin.
        return None if look_at == NEVER else max(look_at - now, 0.0) + 0.001

    def _receive_from(self, socket: zmq.Socket[bytes], at_most: int) -> None:
        channel = self._inbound[socket]
        for _ in range(at_most):
            frames = _receive_frames(socket)
            if frames is None:
                return
            message = self._decode(channel, frames)
            if message is None:
                continue
            self._received.append(message)
            if not raw_socket.get(socket, EVENTS) & POLLIN:
                return
        self._used.add(socket)

    def _decode(self, channel: Channel, frames: list[Buffer]) -> Message | None:
        """Return the message in frames that were received; None, and a line in the log, where there is none."""
        try:
            message = self.codec.decode(channel, frames)
        except MalformedMessage as error:
            self.log("warning", f"dropped a message on {channel}: {error}")
            return None
        self._expecting = True
        return message

    def reception(self, accept: Callable[[Message], bool]) -> Reception | None:
        """Return where main may sleep to receive requests on shell itself; None where the system cannot do that.

        `accept` takes a message that main is to handle now, or tells that somebody else is to look at it first.
        """
        if not reception_is_possible():
            return None
        fd = int(self.sockets.by_name["shell"].getsockopt(zmq.FD))
        reception = Reception(fd, lambda: self.receive_here(accept), lambda: self._leave_to_wire(True), self)
        # Behind it: who comes first is woken first.
        self._ready.remove(fd)
        self._ready.add(fd, exclusive=True)
        return reception

    def receive_here(self, accept: Callable[[Message], bool]) -> bool:
        """Receive one request on shell, and return whether `accept` took it. The thread of a `Reception`.

        What it does not take, and what has come behind it, is the wire's.
        """
        while not self._sending.acquire(timeout=_GIVE_UP_LOOK_S):
            if self._stopped:  # and the sockets are gone
                return False
        accepted, shell = False, self.sockets.by_name["shell"]
        try:
            self._sender = threading.get_ident()
            frames = _receive_frames(shell)
            message = None if frames is None else self._decode("shell", frames)
            if message is not None:
                accepted = not self._received and accept(message)
                if not accepted:
                    self._received.append(message)
            self._used.add(shell)
            self._look_for_unread()
            rest = bool(self._received or self._unread)
        finally:
            self._sender = None
            self._sending.release()
        if rest or accepted:
            self._leave_to_wire(rest)
        return accepted

    def _leave_to_wire(self, now: bool) -> None:
        """Make the wire look at the sockets `now`, or at the outbox when it usually does after a request."""
        with self._lock:
            if now:
                self._unread.add(self.sockets.by_name["shell"])
            if now or self._look_at > time.monotonic() + LOOK_AGAIN_S:
                self._wake()

    def receive_all(self) -> None:
        """Receive what has reached the shell socket, as far as that can be told from what arrives meanwhile.

        Wire thread only, in a barrier. Bounded: a client that never stops sending must not stop everything else.
        """
        shell = self.sockets.by_name["shell"]
        until = time.monotonic() + RECEIVE_ALL_S
        while time.monotonic() < until and int(shell.getsockopt(zmq.EVENTS)) & zmq.POLLIN:
            self._receive_from(shell, _RECEIVE_AT_MOST)
            self._give_on()
        self._used.add(shell)

    def _beat(self) -> None:
        """Let the heartbeat have its socket, at the first news there: a client has connected.

        Not at its first beat: that may come while C code holds the GIL, and Python cannot start a thread then.
        """
        self.unwatch(int(self.sockets.by_name["hb"].getsockopt(zmq.FD)))
        self._heartbeat.start()

    def _welcome(self) -> None:
        """Answer subscriptions with iopub_welcome (JEP 65), the first with what was said before it as well."""
        while True:
            try:
                frame = self._iopub.recv(zmq.NOBLOCK)
            except zmq.Again:
                return
            topic = frame[1:]
            if frame[:1] != b"\x01":
                self._iopub.setsockopt(zmq.UNSUBSCRIBE, topic)
                continue
            self._iopub.setsockopt(zmq.SUBSCRIBE, topic)
            content = {"subscription": topic.decode(errors="replace")}
            first: list[list[Buffer]] = [[topic, *self.codec.encode("iopub_welcome", content)], *self._unheard.take()]
            try:
                while first:
                    self._iopub.send_multipart(cast("list[bytes]", first[0]), zmq.NOBLOCK)
                    del first[0]
            except zmq.Again:  # another subscriber lags: the welcome waits for it, before all that is queued
                with self._lock:
                    for frames in reversed(first):
                        self._outbox.put_back(Frames("iopub", frames, sum(map(len, frames))))
            self._subscribed()

    def _stop(self) -> None:
        with self._lock:
            self._stopped = True
            self._admit()

    def _close(self) -> None:
        self._heartbeat.close()
        for name, socket in self.sockets.by_name.items():
            if name != "hb":
                socket.close()
        self.sockets.context.term()
        self._ready.close()
        os.close(self._wake_r)
        if self._wake_w != self._wake_r:
            os.close(self._wake_w)


def _receive_frames(socket: zmq.Socket[bytes]) -> list[Buffer] | None:
    """Receive one message, None where there is none; what follows its seven first frames (buffers) is not copied."""
    try:
        frame = raw_socket.recv(socket, NOBLOCK, False)
    except zmq.Again:
        return None
    frames: list[Buffer] = [frame.bytes]
    while frame.more:
        frame = raw_socket.recv(socket, 0, False)
        frames.append(frame.bytes if len(frames) < 7 else memoryview(frame.buffer))
    return frames
