"""Readiness: which descriptors can be read, with epoll and without."""

from __future__ import annotations

import os
import select
from collections.abc import Iterator

import pytest
import zmq

from kernelet.runtime.readiness import Readiness

DEADLINE_S = 30


@pytest.fixture(params=["epoll", "zmq.Poller"])
def readiness(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Readiness]:
    if request.param == "epoll" and not hasattr(select, "epoll"):
        pytest.skip("no epoll here")
    if request.param != "epoll":
        monkeypatch.delattr(select, "epoll", raising=False)
    made = Readiness()
    yield made
    made.close()


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    yield reader, writer
    os.close(reader)
    os.close(writer)


def test_a_descriptor_is_told_while_it_can_be_read(readiness: Readiness, pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    readiness.add(reader)
    assert readiness.wait(0.0) == []
    os.write(writer, b"x")
    assert readiness.wait(DEADLINE_S) == readiness.wait(None) == [reader]
    os.read(reader, 1)
    assert readiness.wait(0.001) == []


def test_a_descriptor_that_was_removed_is_not_told(readiness: Readiness, pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    readiness.add(reader)
    os.write(writer, b"x")
    readiness.remove(reader)
    assert readiness.wait(0.0) == []
    readiness.add(reader)
    assert readiness.wait(0.0) == [reader]


def test_a_socket_is_told_by_its_descriptor(readiness: Readiness) -> None:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    receiving, sending = context.socket(zmq.PULL), context.socket(zmq.PUSH)
    sending.connect(f"tcp://127.0.0.1:{receiving.bind_to_random_port('tcp://127.0.0.1')}")
    receiving.getsockopt(zmq.EVENTS)
    fd = int(receiving.getsockopt(zmq.FD))
    readiness.add(fd)
    sending.send(b"x")
    while not receiving.getsockopt(zmq.EVENTS) & zmq.POLLIN:
        assert readiness.wait(DEADLINE_S) == [fd]
    assert receiving.recv() == b"x"
    context.destroy(linger=0)
