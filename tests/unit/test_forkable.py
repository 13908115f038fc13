"""What keeps a process from being forked and going on as another kernel, each found in this very process."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator

import pytest

from needs import need_linux

need_linux()

from kernelet.runtime import forkable  # noqa: E402  # Linux only
from kernelet.runtime.forkable import close_sockets  # noqa: E402
from kernelet.runtime.sockets import mark_service_thread  # noqa: E402


def threads() -> set[str]:
    return set(forkable._threads())


@pytest.fixture
def running() -> Iterator[threading.Thread]:
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait, name="somebody's")
    thread.start()
    yield thread
    stop.set()
    thread.join()


def test_a_thread_is_an_obstacle_by_its_name(running: threading.Thread) -> None:
    assert 'the thread "somebody\'s" runs' in threads()


def test_a_thread_of_the_kernels_own_is_none(running: threading.Thread) -> None:
    running.name = "kernelet-mine"
    mark_service_thread(running)
    assert not [text for text in threads() if "kernelet-mine" in text]


def test_a_connection_of_the_network_is_an_obstacle_unless_it_is_the_kernels() -> None:
    with socket.create_server(("127.0.0.1", 0)) as one:
        port = one.getsockname()[1]
        assert f"a network connection is open: 127.0.0.1:{port}" in list(forkable._descriptors([]))
        assert not [text for text in forkable._descriptors([port]) if str(port) in text]


def test_a_socket_pair_is_no_obstacle() -> None:
    before = list(forkable._descriptors([]))
    first, second = socket.socketpair()
    with first, second:
        assert list(forkable._descriptors([])) == before


def test_only_the_sockets_chosen_are_closed() -> None:
    first, second = socket.socketpair()
    number, inode = first.fileno(), os.fstat(first.fileno()).st_ino
    close_sockets(lambda one: os.fstat(one.fileno()).st_ino == inode)
    try:
        with pytest.raises(OSError):
            os.fstat(number)
        assert second.recv(1) == b""
    finally:
        first.detach()
        second.close()
