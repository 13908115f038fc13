"""What several modules' tests need: a log that can be read, bound sockets, a running wire, a parked loop."""

from __future__ import annotations

import asyncio
import json
import os
import queue
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import zmq
from hypothesis import HealthCheck, settings

from kernelet.protocol.codec import Codec
from kernelet.protocol.connection import Connection, SocketName, parse
from kernelet.protocol.message import Message
from kernelet.runtime.interrupt import Interrupts
from kernelet.runtime.log import Log
from kernelet.runtime.parking import ParkedLoop
from kernelet.runtime.sockets import Sockets, bind
from kernelet.runtime.wire import Wire

DEADLINE_MS = 30_000

# Timings never decide: a loaded machine is slower than any deadline that would mean something.
settings.register_profile("kernelet", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("kernelet")


class ReadableLog(Log):
    """A log whose lines can be read."""

    def __init__(self) -> None:
        self._reader, writer = os.pipe()
        os.set_blocking(self._reader, False)
        super().__init__(writer, "debug")

    def lines(self) -> str:
        """Return what was written since the last call."""
        try:
            return os.read(self._reader, 1 << 16).decode()
        except BlockingIOError:
            return ""

    def close(self) -> None:
        os.close(self.fd)
        os.close(self._reader)


@pytest.fixture
def log() -> Iterator[ReadableLog]:
    log = ReadableLog()
    yield log
    log.close()


@pytest.fixture
def bound() -> Iterator[Callable[[Connection], Sockets]]:
    """A function that binds a connection; what it bound is closed in the end."""
    made: list[Sockets] = []

    def make(connection: Connection) -> Sockets:
        made.append(bind(connection))
        return made[-1]

    yield make
    for sockets in made:
        sockets.context.destroy(linger=0)


@pytest.fixture
def client() -> Iterator[Callable[..., zmq.Socket[bytes]]]:
    """A function that connects a client's socket, with deadlines; all are closed in the end."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    made: list[zmq.Socket[bytes]] = []

    def connect(kind: int, endpoint: str, **options: object) -> zmq.Socket[bytes]:
        socket = context.socket(kind)
        made.append(socket)
        socket.rcvtimeo = socket.sndtimeo = DEADLINE_MS
        socket.ipv6 = "[" in endpoint
        for name, value in options.items():
            setattr(socket, name, value)
        socket.connect(endpoint)
        return socket

    yield connect
    context.destroy(linger=0)


@pytest.fixture
def in_thread() -> Callable[[Callable[[], None]], None]:
    """A function that runs another one in a thread of its own, to its end, and raises what it raised."""

    def run(function: Callable[[], None]) -> None:
        errors: list[BaseException] = []

        def guarded() -> None:
            try:
                function()
            except BaseException as error:  # noqa: BLE001  # handed to the test
                errors.append(error)

        thread = threading.Thread(target=guarded)
        thread.start()
        thread.join(DEADLINE_MS / 1000)
        assert not thread.is_alive()
        if errors:
            raise errors[0]

    return run


class Rig:
    """A real wire with its sockets, and what arrived at it."""

    def __init__(self, sockets: Sockets, log: ReadableLog, connect: Callable[..., zmq.Socket[bytes]]) -> None:
        self.requests: queue.Queue[Message] = queue.Queue()
        self.subscriptions: queue.Queue[None] = queue.Queue()
        codec = Codec(sockets.connection.key, "hmac-sha256", "kernel", lambda: "now")
        self.wire = Wire(sockets, codec, self.requests.put, lambda: self.subscriptions.put(None), log)
        self.codec = Codec(sockets.connection.key, "hmac-sha256", "client", lambda: "now")
        self._connection = sockets.connection
        self._connect = lambda *args, **options: self._keep(connect(*args, **options))
        self._clients: list[zmq.Socket[bytes]] = []

    def _keep(self, socket: zmq.Socket[bytes]) -> zmq.Socket[bytes]:
        self._clients.append(socket)
        return socket

    def client(self, name: SocketName, **options: object) -> zmq.Socket[bytes]:
        """Return a DEALER of a client on one channel."""
        return self._connect(zmq.DEALER, self._connection.endpoint(name), **options)

    def subscriber(self, topic: bytes = b"", **options: object) -> zmq.Socket[bytes]:
        """Return a subscriber that got its welcome."""
        subscriber = self._connect(zmq.SUB, self._connection.endpoint("iopub"), **options)
        subscriber.subscribe(topic)
        assert self.received(subscriber)[:2] == ("iopub_welcome", {"subscription": topic.decode()})
        return subscriber

    def close_clients(self) -> None:
        """Close the sockets of all clients."""
        for socket in self._clients:
            socket.close(linger=0)

    def received(self, socket: zmq.Socket[bytes]) -> tuple[str, Any, Message]:
        """Return type, content and the whole of the next message."""
        message = self.codec.decode("iopub", socket.recv_multipart())
        return message.msg_type, json.loads(message.content_raw), message

    def text(self, subscriber: zmq.Socket[bytes], length: int) -> str:
        """Return stream text until so many characters have come."""
        text = ""
        while len(text) < length:
            msg_type, content, _ = self.received(subscriber)
            assert msg_type == "stream"
            text += content["text"]
        return text


@pytest.fixture
def rig(
    bound: Callable[[Connection], Sockets], log: ReadableLog, client: Callable[..., zmq.Socket[bytes]]
) -> Iterator[Rig]:
    """A wire that was not started yet; in the end it is stopped."""
    rig = Rig(bound(parse('{"key": "secret"}')), log, client)
    yield rig
    if rig.wire.thread.ident is not None:
        rig.wire.stop(DEADLINE_MS / 1000)
        assert not rig.wire.thread.is_alive()


@pytest.fixture
def running(rig: Rig) -> Rig:
    """A wire that runs."""
    rig.wire.start()
    return rig


@pytest.fixture
def errors() -> list[dict[str, Any]]:
    return []


@pytest.fixture
def parking(log: Log, errors: list[dict[str, Any]]) -> Iterator[ParkedLoop]:
    """A parked loop of the main thread, which takes SIGINT."""
    before = signal.getsignal(signal.SIGINT)
    interrupts = Interrupts()
    parking = ParkedLoop(interrupts, log, errors.append)
    interrupts.install()
    yield parking
    signal.signal(signal.SIGINT, before)
    parking.close()
    asyncio.set_event_loop(None)


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop that does not run, closed at the end."""
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()
