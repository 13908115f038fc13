"""What several modules' tests need: a log that can be read, and bound sockets."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator

import pytest
import zmq

from kernelet.protocol.connection import Connection
from kernelet.runtime.log import Log
from kernelet.runtime.sockets import Sockets, bind

DEADLINE_MS = 30_000


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

    def connect(kind: int, endpoint: str, **options: object) -> zmq.Socket[bytes]:
        socket = context.socket(kind)
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
