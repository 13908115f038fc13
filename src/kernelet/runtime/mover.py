"""What `spill_process` does for one kernel, done by a zygote for all that it has borne: no process, no 3 MB for each.

The pipes and their spools are made before the fork; the zygote keeps the ends from which text is moved. It trusts
nothing that a kernel may do to them: it never waits for one. Linux only. In the zygote's one thread.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import time
from collections.abc import Iterable, Sequence
from typing import Final

from .capture import make_pipe
from .spill import Pipe
from .spill_process import LOOK_AGAIN_S, take, waiting

# One event is enough to look: it is asked for the next when nothing lies there any more.
_EVENTS: Final = select.EPOLLIN | select.EPOLLET | select.EPOLLONESHOT


def make_pipes() -> Sequence[Pipe]:
    """Return what the capture of a kernel's stdout and stderr needs. Raises OSError: too many descriptors."""
    pipes: list[Pipe] = []
    try:
        for name in ("stdout", "stderr"):
            spool = os.memfd_create(f"kernelet-{name}")
            try:
                pipes.append(Pipe(*make_pipe(), spool))
            except BaseException:
                os.close(spool)
                raise
    except BaseException:
        close(fd for pipe in pipes for fd in pipe)
        raise
    return pipes


def close(fds: Iterable[int]) -> None:
    """Close descriptors."""
    for fd in fds:
        os.close(fd)


class Mover:
    """Watches pipes. `fileno` is readable when there is something to `hear`; `look` once `pause_s` is over."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._streams: dict[int, tuple[int, int]] = {}
        self._lying: set[int] = set()
        self._due = 0.0

    def fileno(self) -> int:
        """Return a descriptor for a selector."""
        return self._epoll.fileno()

    def watch(self, pipes: Sequence[Pipe]) -> None:
        """Take over pipes whose kernel has been forked."""
        for pipe in pipes:
            os.close(pipe.writer)
            self._streams[pipe.reader] = pipe.spool, fcntl.fcntl(pipe.reader, fcntl.F_GETPIPE_SZ)
            self._epoll.register(pipe.reader, _EVENTS)

    def forget(self, pipes: Sequence[Pipe]) -> None:
        """Close the pipes of a kernel that has ended."""
        for pipe in pipes:
            del self._streams[pipe.reader]
            self._lying.discard(pipe.reader)
            with contextlib.suppress(FileNotFoundError):  # given up before
                self._epoll.unregister(pipe.reader)
            close((pipe.reader, pipe.spool))

    def close(self) -> None:
        """In a forked kernel: let go of what belongs to the others."""
        self._epoll.close()
        for reader, (spool, _) in self._streams.items():
            close((reader, spool))
        self._streams.clear()
        self._lying.clear()

    @property
    def pause_s(self) -> float | None:
        """In how many seconds to look; None when nothing lies anywhere."""
        return max(0.0, self._due - time.monotonic()) if self._lying else None

    def hear(self) -> None:
        """Note which pipes have something in them: their kernels get a moment to read it."""
        if not self._lying:
            self._due = time.monotonic() + LOOK_AGAIN_S
        for reader, event in self._epoll.poll(0):
            if event & select.EPOLLIN:
                self._lying.add(reader)
            else:  # nobody can write to it any more
                self._epoll.unregister(reader)

    def look(self) -> None:
        """Move what the kernels have left lying, if it is time."""
        if not self._lying or time.monotonic() < self._due:
            return
        for reader in list(self._lying):
            spool, capacity = self._streams[reader]
            try:
                while take(reader, spool, capacity):
                    pass
                if waiting(reader):
                    continue
            except OSError:  # whatever user code has done to it: it is that kernel's own loss
                pass
            else:
                self._epoll.modify(reader, _EVENTS)
            self._lying.discard(reader)
        self._due = time.monotonic() + LOOK_AGAIN_S
