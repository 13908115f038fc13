"""Capture of file descriptors 1 and 2: what subprocesses, `os.system`, C code and forked children write reaches the
cell.

The wire reads the pipes when they are readable; a lane drains them when a cell ends and before it writes itself, so
that text keeps its place among what Python prints. Any thread, guarded by one lock.
"""

from __future__ import annotations

import codecs
import contextlib
import fcntl
import os
import select
import threading
from collections.abc import Callable, Sequence
from typing import Final

from .attribution import Attribution
from .spill import Alarm, Pipe, Spool, possible, start
from .wire import Wire

_NAMES: Final = (("stdout", 1), ("stderr", 2))
_CHUNK: Final = 1 << 16
# As much as an unprivileged process may ask for; what C code writes past it while it holds the GIL is `spill`'s.
PIPE_BYTES: Final = 1 << 20
# At most this much in one go: a child that never stops must not keep a cell from ending.
_DRAIN_CHUNKS: Final = 32


def make_pipe() -> tuple[int, int]:
    """Return the ends of a large pipe, of which the first does not block. Raises OSError."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        with contextlib.suppress(OSError):  # over the user's quota of pipe pages: the default of 64 KiB stays
            fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    return reader, writer


class _Stream:
    def __init__(self, name: str, fd: int, pipe: Pipe | None = None) -> None:
        self.name = name
        self.fd = fd
        self.spool: Spool | None = None
        if pipe is None:
            self.reader, self._writer = make_pipe()
        else:
            self.reader, self._writer = pipe.reader, pipe.writer
            self.spool = Spool(name, pipe.spool)
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def readable(self) -> bool:
        """Whether something lies in the pipe, or no writer is left."""
        poll = select.poll()
        poll.register(self.reader, select.POLLIN)
        return bool(poll.poll(0))

    def redirect(self) -> None:
        os.dup2(self._writer, self.fd)
        os.close(self._writer)


class Capture:
    """Pipes for fds 1 and 2. Nothing is captured before `redirect`: what start-up says goes to whoever started us."""

    def __init__(self, pipes: Sequence[Pipe] = ()) -> None:
        """`pipes` for stdout and stderr where somebody moves text from them to their spools; by default new ones."""
        given = pipes or (None, None)
        self._streams = [_Stream(name, fd, pipe) for (name, fd), pipe in zip(_NAMES, given, strict=True)]
        self._lock = threading.Lock()
        self.draining: int | None = None  # the thread that holds the lock, while what it has read is not yet queued
        self._wire: Wire | None = None
        # Not select.poll: it refuses to be used by two threads at once.
        self._epoll = select.epoll() if hasattr(select, "epoll") else None
        # Called with (0, 1) it tells whether something has been written: one system call. Each print asks it.
        self.written: Callable[[int, int], object] = self._epoll.poll if self._epoll else lambda timeout, most: True
        self._attribution: Attribution | None = None
        self._others: list[Callable[[], None]] = []

    def attach(self, wire: Wire, attribution: Attribution) -> None:
        """Let `wire` read the pipes. Before the wire starts."""
        self._wire, self._attribution = wire, attribution
        for stream in self._streams:
            wire.watch(stream.reader, self.drain)
            if self._epoll is not None:
                self._epoll.register(stream.reader, select.EPOLLIN)

    def add(self, fd: int, drain: Callable[[], None]) -> None:
        """Drain one more descriptor, behind the pipes: what forked children publish. Any thread."""
        if self._wire is None:
            return
        wire = self._wire
        self._others.append(drain)
        if self._epoll is not None:
            self._epoll.register(fd, select.EPOLLIN)
        wire.barrier(lambda: wire.watch(fd, self.drain))

    def redirect(self) -> None:
        """Send fds 1 and 2 into the pipes from now on. Main thread."""
        for stream in self._streams:
            stream.redirect()
        if possible() and not all(stream.spool for stream in self._streams):
            Alarm(self._spill)

    def _spill(self) -> None:
        """Let another process take what lies in the pipes while nobody here can. Any thread, inside an import."""
        if self._wire is None:
            return
        with self._lock:
            if len(self._streams) < len(_NAMES):  # user code has closed a descriptor
                return
            for stream in self._streams:
                stream.spool = Spool(stream.name)
            capacity = min(fcntl.fcntl(stream.reader, fcntl.F_GETPIPE_SZ) for stream in self._streams)
            with contextlib.suppress(OSError):  # no process to be had: what the pipes hold has to do, as elsewhere
                start([(stream.reader, stream.spool) for stream in self._streams if stream.spool], capacity)

    def drain_if_written(self) -> None:
        """Queue what has been written, if anything: one system call where there is nothing. Any thread."""
        # First the pipes, then who reads them: what was read a moment ago, and is not yet queued, has been read by him.
        if self.written(0, 1) or self.draining:
            self.drain()

    def drain(self) -> None:
        """Queue what has been written to the descriptors, as output of the newest cell. Any thread."""
        here = threading.get_ident()
        if self._wire is None or self._attribution is None or self.draining == here:  # a __del__ prints, in the middle
            return
        with self._lock:
            self.draining = here
            try:
                for stream in list(self._streams):
                    self._drain_one(stream, self._wire, self._attribution)
                for drain in self._others:
                    drain()
            finally:
                self.draining = None

    def _drain_one(self, stream: _Stream, wire: Wire, attribution: Attribution) -> None:
        if stream.spool is None:
            self._drain_pipe(stream, wire, attribution)
            return
        if not stream.readable():  # then nothing lies in the spool
            return
        with stream.spool.locked():
            for data in stream.spool.take():
                wire.put_text(stream.name, attribution.latest, stream.decoder.decode(data))
            self._drain_pipe(stream, wire, attribution)

    def _drain_pipe(self, stream: _Stream, wire: Wire, attribution: Attribution) -> None:
        for _ in range(_DRAIN_CHUNKS):
            try:
                data = os.read(stream.reader, _CHUNK)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            text = stream.decoder.decode(data, final=not data)
            if text:
                wire.put_text(stream.name, attribution.latest, text)
            if not data:  # every writer is gone: user code closed the descriptor
                self._streams.remove(stream)
                if self._epoll is not None:
                    self._epoll.unregister(stream.reader)
                wire.barrier(lambda: wire.unwatch(stream.reader))
                return

    def forget(self) -> None:
        """In a forked child: the parent reads the pipes."""
        self._lock, self.draining = threading.Lock(), None
        self._wire = None
