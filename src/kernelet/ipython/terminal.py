"""`!command`: run by the user's shell on a terminal of its own; what it writes there is output of the cell, at once.

On a terminal, because most programs write into a pipe only when they end, and have neither colours nor progress bars
there. It hands lines over as they are, with no carriage returns added: that costs the kernel of the system twice as
much as all the rest. The thread of the cell.
"""

from __future__ import annotations

import codecs
import contextlib
import fcntl
import os
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from typing import Final

from IPython.utils.encoding import DEFAULT_ENCODING

from ..runtime.interrupt import woken_by
from ..runtime.sockets import wake_pair

_ROWS, _COLUMNS = 24, 80
_CHUNK: Final = 1 << 16
# What lies in the terminal is written in one go, up to this many bytes.
_AT_MOST: Final = 1 << 18
# How long a command has to end after an interrupt, and after the hang-up that follows.
_AFTER_INTERRUPT_S, _AFTER_HANG_UP_S = 0.2, 0.1
_CONTROL_C: Final = b"\3"
# The leader of a session gets the first terminal that it opens: ^C then reaches the command and all its children, and
# so does the end of the kernel.
_ON_TERMINAL: Final = 'exec "$1" -c "$2" <>"$0"'


def run(command: str) -> int:
    """Run a shell command to its end; return its exit status, negative for a signal. Raises OSError without a shell.

    An interrupt is the command's: it gets ^C, and is ended if it goes on.
    """
    name = os.environ.get("SHELL", "sh")
    shell = shutil.which(name)
    if shell is None:
        raise OSError(f'"{name}" shell not found')
    ours, theirs = os.openpty()
    try:
        try:
            _prepare(theirs)
            # Not a fork that runs Python: this process may be big, and has threads.
            child = subprocess.Popen(
                ["/bin/sh", "-c", _ON_TERMINAL, os.ttyname(theirs), shell, command],
                stdin=theirs,
                stdout=theirs,
                stderr=theirs,
                start_new_session=True,
            )
        finally:
            os.close(theirs)
        output = _Output(ours)
        try:
            output.copy()
            child.wait()
        except KeyboardInterrupt:
            _interrupt(child, ours, output)
        status = child.wait()
        return 128 - status if status > 128 else status
    finally:
        os.close(ours)


def _prepare(terminal: int) -> None:
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, _COLUMNS, 0, 0))
    modes = termios.tcgetattr(terminal)
    modes[1] &= ~termios.OPOST
    termios.tcsetattr(terminal, termios.TCSANOW, modes)


def _interrupt(child: subprocess.Popen[bytes], terminal: int, output: _Output) -> None:
    """Press ^C, show what the command says to that, and end it if it does not."""
    try:
        with contextlib.suppress(OSError):  # it takes no input any more
            os.write(terminal, _CONTROL_C)
        output.copy(_AFTER_INTERRUPT_S)
        _ends(child, _AFTER_HANG_UP_S)
    except KeyboardInterrupt:  # pressed again: no more patience
        pass
    finally:
        for number in (signal.SIGHUP, signal.SIGKILL):
            if child.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.pid, number)
                _ends(child, _AFTER_HANG_UP_S)


def _ends(child: subprocess.Popen[bytes], within_s: float) -> None:
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(within_s)


class _Output:
    """What comes out of a terminal."""

    def __init__(self, terminal: int) -> None:
        self._terminal = terminal
        os.set_blocking(terminal, False)
        self._decoder = codecs.getincrementaldecoder(DEFAULT_ENCODING)("replace")
        self._poll = select.poll()
        self._poll.register(terminal, select.POLLIN)

    def copy(self, within_s: float | None = None) -> None:
        """Write it to sys.stdout until it ends, or for some time. Raises KeyboardInterrupt."""
        until = None if within_s is None else time.monotonic() + within_s
        with self._wakeable():
            more = True
            while more:
                left_ms = None if until is None else 1000 * max(0.0, until - time.monotonic())
                if not self._poll.poll(left_ms):
                    return
                data, more = self._read()
                text = self._decoder.decode(data, final=not more)
                if text:
                    sys.stdout.write(text)

    def _read(self) -> tuple[bytes, bool]:
        """Read what is there; also whether more may come."""
        chunks, size = list[bytes](), 0
        while size < _AT_MOST:
            try:
                chunk = os.read(self._terminal, _CHUNK)
            except BlockingIOError:
                return b"".join(chunks), True
            except OSError:  # EIO: nobody has the other end any more
                chunk = b""
            if not chunk:
                return b"".join(chunks), False
            chunks.append(chunk)
            size += len(chunk)
        return b"".join(chunks), True

    @contextlib.contextmanager
    def _wakeable(self) -> Iterator[None]:
        """Let an interrupt reach a thread beside main, whose wait no signal ends."""
        if threading.current_thread() is threading.main_thread():
            yield
            return
        reader, writer = wake_pair()

        def wake() -> None:
            os.write(writer, b"\1\0\0\0\0\0\0\0")

        self._poll.register(reader, select.POLLIN)
        try:
            with woken_by(wake):
                yield
        finally:
            self._poll.unregister(reader)
            for fd in {reader, writer}:
                os.close(fd)
