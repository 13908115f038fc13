"""Which descriptors can be read: one system call waits on all of them, those of ZMQ sockets included.

Not `zmq.Poller`: it asks libzmq about every socket before it waits and after, two system calls each time. A socket's
own descriptor says as much to who keeps its rule: it tells of what is new, and whatever is done with the socket (a
send, too) may take that in. So EVENTS is to be looked at after all use of a socket, before the next wait.
"""

from __future__ import annotations

import select

import zmq


class Readiness:
    """A set of descriptors. `wait` in one thread; `add` and `remove` as well, or before it."""

    def __init__(self) -> None:
        self._epoll = select.epoll() if hasattr(select, "epoll") else None
        self._poller = zmq.Poller()  # elsewhere; of descriptors only

    def add(self, fd: int, exclusive: bool = False) -> None:
        """Watch `fd`, if it is not watched. `exclusive`: not while another watches who asked for that (Linux)."""
        if self._epoll is not None:
            self._epoll.register(fd, select.EPOLLIN | select.EPOLLEXCLUSIVE if exclusive else select.EPOLLIN)
        else:
            self._poller.register(fd, zmq.POLLIN)

    def remove(self, fd: int) -> None:
        """Stop watching `fd`."""
        if self._epoll is not None:
            self._epoll.unregister(fd)
        else:
            self._poller.unregister(fd)

    def wait(self, timeout_s: float | None) -> list[int]:
        """Return the descriptors that can be read; wait for one at most `timeout_s` (None: for ever)."""
        if self._epoll is not None:
            return [fd for fd, _ in self._epoll.poll(timeout_s)]
        return [
            fd for fd, _ in self._poller.poll(None if timeout_s is None else int(timeout_s * 1000) + (timeout_s > 0))
        ]

    def close(self) -> None:
        """Free what it owns."""
        if self._epoll is not None:
            self._epoll.close()
