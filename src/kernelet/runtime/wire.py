"""The wire: the one thread that owns every socket. In: receive, verify, route. Out: drain the outbox, in order.

Everything here runs in the wire thread, except `start` and `stop`; what any thread may call is the `Outlet` that it is.
"""

from __future__ import annotations

import heapq
import itertools
import os
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, cast

import zmq

from ..protocol.codec import Codec, MalformedMessage
from ..protocol.message import Buffer, Channel, Message
from ..protocol.outbox import Frames
from .log import Log
from .outlet import NEVER
from .sending import Sending
from .sockets import Heartbeat, Sockets, mark_service_thread, wake_pair

# After routing a request the wire looks at the outbox this much later by itself, so that a lane need not wake it.
LOOK_AGAIN_S = 0.004
# Thousands of queued requests are read in this time.
RECEIVE_ALL_S = 0.25
_RECEIVE_AT_MOST = 256

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
        self._expecting = False
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
        for socket in self._inbound:
            self._poller.register(socket, zmq.POLLIN)
        self._poller.register(self._iopub, zmq.POLLIN)
        self._poller.register(self._wake_r, zmq.POLLIN)
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
                self._turn(self._poller.poll(self._timeout_ms()))
        except BaseException:  # noqa: BLE001  # without its wire the kernel is deaf and dumb
            self.log.crash("the wire broke; the kernel ends")
            self.broken()
        self._close()

    def _turn(self, events: Iterable[tuple[Any, int]]) -> None:
        self._look_at = 0.0
        for ready, _ in events:
            if isinstance(ready, int):
                if ready == self._wake_r:
                    os.read(self._wake_r, 8)
                elif ready in self._fds:
                    self._fds[ready]()
            elif ready is self._iopub:
                self._welcome()
            else:
                self._receive_from(ready, _RECEIVE_AT_MOST)
        while self._timers and self._timers[0][0] <= time.monotonic():
            heapq.heappop(self._timers)[2]()
        self._drain()

    def _timeout_ms(self) -> int | None:
        """Decide when to look at the outbox next, and return how long to poll until then (None: for ever)."""
        now = time.monotonic()
        with self._lock:
            while self._reminders:
                at, call = self._reminders.pop()
                heapq.heappush(self._timers, (at, next(self._timer_numbers), call))
            deadline = self._outbox.deadline()
            if deadline is None and not self._expecting and not self._timers:
                self._look_at = NEVER
                return None
            if self._blocked_since is not None:
                self._look_at = 0.0
                return 2
            look_at = NEVER if deadline is None else deadline
            if self._expecting:
                look_at = min(look_at, now + LOOK_AGAIN_S)
                self._expecting = False
            if self._timers:
                look_at = min(look_at, self._timers[0][0])
            self._look_at = look_at
        # Up to the next millisecond, never down: polling with 0 until the deadline would spin.
        return int((look_at - now) * 1000) + 1 if look_at > now else 0

    def _receive_from(self, socket: zmq.Socket[bytes], at_most: int) -> None:
        channel = self._inbound[socket]
        for _ in range(at_most):
            if not int(socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN:
                return
            frames = _receive_frames(socket)
            try:
                message = self.codec.decode(channel, frames)
            except MalformedMessage as error:
                self.log("warning", f"dropped a message on {channel}: {error}")
                continue
            self._expecting = True
            self._receive(message)

    def receive_all(self) -> None:
        """Receive what has reached the shell socket, as far as that can be told from what arrives meanwhile.

        Wire thread only, in a barrier. Bounded: a client that never stops sending must not stop everything else.
        """
        shell = self.sockets.by_name["shell"]
        until = time.monotonic() + RECEIVE_ALL_S
        while time.monotonic() < until and int(shell.getsockopt(zmq.EVENTS)) & zmq.POLLIN:
            self._receive_from(shell, _RECEIVE_AT_MOST)

    def _beat(self) -> None:
        """Let the heartbeat have its socket, once a beat has come; other news there are clients that connect."""
        fd = int(self.sockets.by_name["hb"].getsockopt(zmq.FD))
        if self._heartbeat.start_if_asked():
            self.unwatch(fd)

    def _welcome(self) -> None:
        """Answer subscriptions with iopub_welcome (JEP 65)."""
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
            welcome: list[Buffer] = [topic, *self.codec.encode("iopub_welcome", content)]
            try:
                self._iopub.send_multipart(cast("list[bytes]", welcome), zmq.NOBLOCK)
            except zmq.Again:  # another subscriber lags: the welcome waits for it, before all that is queued
                with self._lock:
                    self._outbox.put_back(Frames("iopub", welcome, sum(map(len, welcome))))
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
        os.close(self._wake_r)
        if self._wake_w != self._wake_r:
            os.close(self._wake_w)


def _receive_frames(socket: zmq.Socket[bytes]) -> list[Buffer]:
    """Receive one message; what follows its seven first frames (buffers, mostly) is not copied."""
    frames: list[Buffer] = [socket.recv(zmq.NOBLOCK)]
    while socket.getsockopt(zmq.RCVMORE):
        frames.append(socket.recv() if len(frames) < 7 else memoryview(socket.recv(copy=False).buffer))
    return frames
