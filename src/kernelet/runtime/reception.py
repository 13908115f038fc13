"""Where main sleeps beside the shell's socket, and receives the next request itself: no other thread stands between.

The wire watches that socket as well. Two epoll sets share it by EPOLLEXCLUSIVE: Linux wakes the one that came first,
main's, if somebody sleeps on it, else the other. So the wire hears of requests exactly while main does not wait for
them, and neither tells the other anything. (A hop through the wire costs two wake-ups and a hand-over of the GIL.)

The thread that sleeps, except `wake`. Linux only.
"""

from __future__ import annotations

import contextlib
import os
import select
from collections.abc import Callable
from typing import Protocol

from .dozing import NO_SELECTOR, Bed


class KeptOut(Protocol):
    """What tells whether main is to leave the socket to the wire (`outlet.py`)."""

    main_keeps_out: bool


class Reception(Bed):
    """A bed with a socket at its side. Owns an epoll set."""

    def __init__(
        self, descriptor: int, receive: Callable[[], bool], pass_on: Callable[[], None], outlet: KeptOut
    ) -> None:
        """`descriptor` is the socket's.

        `receive` takes what has come there and tells whether it is for this thread; `pass_on` lets the wire look.
        """
        super().__init__()
        self._outlet = outlet
        # The selector that is watched here; what a bed without a socket watches is its own business.
        self._watched = NO_SELECTOR
        self._descriptor = descriptor
        self._receive = receive
        self._pass_on = pass_on
        self._epoll = select.epoll()
        self._epoll.register(self._wake_r, select.EPOLLIN)
        self._epoll.register(descriptor, select.EPOLLIN | select.EPOLLEXCLUSIVE)

    def sleep(self, selector: int) -> bool:
        """Return True when there is a request to handle, or `wake` was called; False when `selector` has something."""
        if self._outlet.main_keeps_out:
            return super().sleep(selector)
        if selector != self._watched or selector >= 0:
            self._look_at(selector)
        while True:
            ready = self._epoll.poll()
            try:
                done = False
                for fd, _ in ready:
                    if fd == self._descriptor:
                        done = self._receive() or done
                    elif fd == self._wake_r:
                        os.read(fd, 8)
                        done = True
                if done or any(fd == selector for fd, _ in ready):
                    return done
            except BaseException:  # of a signal handler: nobody else was told of what has come
                self._pass_on()
                raise

    def _look_at(self, selector: int) -> None:
        if selector != self._watched and self._watched >= 0:
            with contextlib.suppress(OSError):  # its loop was closed, and with it the descriptor
                self._epoll.unregister(self._watched)
        self._watched = selector
        if selector >= 0:
            try:  # each time: another loop's may have got the same number
                self._epoll.modify(selector, select.EPOLLIN)
            except FileNotFoundError:
                self._epoll.register(selector, select.EPOLLIN)

    def close(self) -> None:
        if not self._closed:
            self._epoll.close()
        super().close()


def possible() -> bool:
    """Whether this system has what it takes."""
    return hasattr(select, "EPOLLEXCLUSIVE")
