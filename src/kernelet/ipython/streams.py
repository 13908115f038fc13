"""sys.stdout and sys.stderr of the kernel: text streams that write into the outbox.

Any thread. In a forked child they write to the captured descriptors instead, and the parent's wire brings the text
home.
"""

from __future__ import annotations

import io
import os
import sys
import threading
from collections.abc import Iterable
from typing import Any, TextIO

from ..protocol.outbox import SHORT_CHARS, Text
from ..runtime.attribution import PARENT
from .hooks import Hook, Hooked, Hooks, Parented
from .session import Session
from .sockets import IOPubThread


class _Here(threading.local):
    """What the calling thread is known to say belongs to."""

    joined: Text | None = None


class OutStream(io.TextIOBase, Parented, Hooked):
    """A text stream of the kernel. `name` is stdout or stderr; `fileno()` is the captured descriptor.

    User code makes some too (`OutStream(session, pub_thread, name)`, from those of sys.stdout): log handlers do.
    """

    __module__ = "ipykernel.iostream"
    # What each write looks at. CPython finds any other attribute of an io object by its slow path, 50 ns each.
    __slots__ = ("_capture", "_growing", "_here")

    flush_interval = 0.2
    flush_timeout = 10.0

    def __init__(
        self,
        session: Session,
        pub_thread: Any,
        name: str,
        pipe: Any = None,
        echo: Any = None,
        *,
        watchfd: bool = True,
        isatty: bool = False,
        fd: int | None = None,
        outside: TextIO | None = None,
    ) -> None:
        """`outside` is for what code says that no request has asked for, of a program that has a kernel inside.

        `echo` is a stream that gets a copy. `pipe` and `watchfd` are accepted and not needed.

        Raises TypeError for a pub_thread that is not the kernel's, and for an echo that cannot be written to.
        """
        super().__init__()
        host = pub_thread.host if isinstance(pub_thread, IOPubThread) else None
        if host is None:
            raise TypeError(f"pub_thread must be the kernel's, as sys.stdout.pub_thread is, not {pub_thread!r:.80}")
        if echo is not None and not hasattr(echo, "write"):
            raise TypeError("echo must be a file-like object")
        self.session = session
        self.pub_thread: IOPubThread = pub_thread
        self.host = host
        self._capture = host.capture
        self.topic = b"stream." + name.encode()
        self._echo = echo
        self._outside = outside
        self._name = name
        self._fd = fd
        self._tty = isatty
        # What the last write went into, as long as the next may join it with nothing but an append. None where
        # writing means more: an echo, hooks, a program outside, a forked child.
        self._growing: Text | None = None
        self._here = _Here()
        self._partial = ""  # in a forked child: the line that has no end yet
        self._forked = False
        self._hooks = Hooks()
        self._hooked = False  # once any thread has a hook: looking for one costs as much as the rest of a write
        os.register_at_fork(after_in_child=self._after_fork)

    @property
    def hooks(self) -> Hooks:
        return self._hooks

    def register_hook(self, hook: Hook) -> None:
        self._hooked = True
        self._growing = None
        super().register_hook(hook)

    @property
    def echo(self) -> Any:
        """A stream that gets a copy of what is written, or None."""
        return self._echo

    @echo.setter
    def echo(self, echo: Any) -> None:
        self._echo = echo
        self._growing = None

    @property
    def name(self) -> str:
        return self._name

    @property
    def encoding(self) -> str:  # type: ignore[override]  # TextIOBase has it as a plain attribute
        return "UTF-8"

    @property
    def errors(self) -> str:  # type: ignore[override]  # TextIOBase has it as a plain attribute
        return "replace"

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return self._tty

    def fileno(self) -> int:
        """Return the captured descriptor. Raises io.UnsupportedOperation without capture (Windows)."""
        if self._fd is None and self._outside is not None:
            return self._outside.fileno()
        if self._fd is None:
            raise io.UnsupportedOperation("fileno: file descriptors are not captured here")
        return self._fd

    def write(self, text: str) -> int:
        """Queue text as output of the current cell; return its length.

        Waits while more than 32 MiB are queued. Raises TypeError for anything but text, ValueError when closed.
        """
        growing = self._growing
        if (
            growing is not None
            and type(text) is str
            and (size := len(text)) <= SHORT_CHARS
            and len(parts := growing.parts) < growing.limit
            and ((parent := PARENT.get()) is growing.parent or (parent is None and self._joins(growing)))
        ):
            # What C code or a child wrote since the last write comes first. Not between print's text and its end.
            if text != "\n" and (capture := self._capture) is not None and (capture.written(0, 1) or capture.draining):
                capture.drain()
            parts.append(text)
            if growing.closed:
                self._growing = None
                self.host.wire.rescue(growing)
            return size
        return self._write(text)

    def _write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        if self.closed:
            raise ValueError("I/O operation on closed file")
        if self._outside is not None and (self._forked or self.host.attribution.origin() is None):
            return self._outside.write(text)
        if self._forked:
            self._write_in_child(text)
        elif text:
            if text != "\n" and self._capture is not None:  # as above
                self._capture.drain_if_written()
            if self._hooked and self._hooks.functions:
                self._write_through_hooks(text)
            else:
                growing = self.host.wire.write(self._name, self.host.attribution.current(), text)
                self._growing = growing if self._writes_plainly() else None
            if self._echo is not None:
                self._echo.write(text)
        return len(text)

    def _joins(self, growing: Text) -> bool:
        """Whether a text is of whose output this is, where no ContextVar says so: in a thread."""
        here = self._here
        if here.joined is not growing or growing.closed:  # closed, a new cell may have begun
            if self.host.attribution.current() is not growing.parent:
                return False
            here.joined = growing
        return True

    def _writes_plainly(self) -> bool:
        """Whether a write means nothing more than that its text is queued."""
        return not self._hooked and self._outside is None and self._echo is None

    def _write_through_hooks(self, text: str) -> None:
        content = self.through_hooks("stream", {"name": self._name, "text": text})
        if content is not None:
            self.host.wire.publish("stream", content, self.host.attribution.current(), topic=f"stream.{self._name}")

    def writelines(self, lines: Iterable[str]) -> None:  # type: ignore[override]  # typeshed wants any buffer
        self.write("".join(lines))

    def flush(self) -> None:
        """Return when what is queued has left (see `Wire.flush`). Order needs no flush."""
        if self._outside is not None:
            self._outside.flush()
        if self._forked:
            self._write_in_child("", flush=True)
        elif not self.closed:
            self.host.wire.flush()
            if self._echo is not None:
                self._echo.flush()

    def _flush(self) -> None:
        """Flush, under the name that old code calls."""
        self.flush()

    def close(self) -> None:
        """Do nothing: user code that closes sys.stdout would silence the kernel for good."""

    def _after_fork(self) -> None:
        self._forked = True
        self._growing = None
        self._partial = ""

    def _write_in_child(self, text: str, flush: bool = False) -> None:
        """Write whole lines to the descriptor: what two children print at once does not mix within a line."""
        pending = self._partial + text
        end = len(pending) if flush else pending.rfind("\n") + 1
        self._partial = pending[end:]
        data = pending[:end].encode("utf-8", "replace")
        while data and self._fd is not None:
            data = data[os.write(self._fd, data) :]

    def __del__(self) -> None:
        """Not io's: it would close."""

    def __repr__(self) -> str:
        return f"<OutStream name={self._name!r} mode='w' encoding='UTF-8'>"

    def __reduce__(self) -> Any:
        raise TypeError("a kernel's output stream cannot be pickled")


def flush_foreign_streams() -> None:
    """Flush what user code put in the place of sys.stdout and sys.stderr (a tee, a buffer): ours need no flush."""
    for stream in (sys.stdout, sys.stderr):
        if not isinstance(stream, OutStream) and stream is not None:
            stream.flush()
