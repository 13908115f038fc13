"""A kernel process that is not our child, with the methods of subprocess.Popen that jupyter_client uses. Linux only.

The zygote, whose child it is, says how it ended; where the zygote has ended before, a pidfd still tells that it did.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import threading
import time
from typing import IO, Any

UNKNOWN_STATUS = 255
"""The exit code of a kernel that outlived its zygote: nobody could wait for it."""


class ForkedProcess:
    """A kernel that a zygote has borne. Any thread."""

    def __init__(self, pid: int, pidfd: int, connection: socket.socket, args: list[str]) -> None:
        self.pid = pid
        self.args = args
        self.returncode: int | None = None
        self.stdin: IO[Any] | None = None
        self.stdout: IO[Any] | None = None
        self.stderr: IO[Any] | None = None
        self._pidfd = pidfd
        self._connection: socket.socket | None = connection
        self._lock = threading.Lock()

    def poll(self) -> int | None:
        """Return the exit code (negative: the signal that ended it), or None while it runs."""
        with self._lock:
            if self.returncode is None:
                self._look()
            return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end and return the exit code. Raises subprocess.TimeoutExpired."""
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            with self._lock:
                if self.returncode is None:
                    self._look()
                if self.returncode is not None:
                    return self.returncode
                watched = os.dup(self._pidfd if self._connection is None else self._connection.fileno())
            try:
                left = None if end is None else end - time.monotonic()
                if left is not None and left <= 0:
                    raise subprocess.TimeoutExpired(self.args, timeout or 0)
                select.select([watched], [], [], left)
            finally:
                os.close(watched)

    def send_signal(self, number: int) -> None:
        """Signal the process; nothing happens when it has ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # it ended just now
                signal.pidfd_send_signal(self._pidfd, number)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def _look(self) -> None:
        """Learn from the zygote, or without it from the pidfd, whether the process has ended."""
        if self._connection is not None:
            try:
                message = self._connection.recv(1 << 12, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except OSError:
                message = b""
            if message:
                self._end(int(json.loads(message)["status"]))
                return
            self._connection.close()  # the zygote has ended; the kernel may live on
            self._connection = None
        if select.select([self._pidfd], [], [], 0)[0]:
            self._end(UNKNOWN_STATUS)

    def _end(self, status: int) -> None:
        self.returncode = status
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        os.close(self._pidfd)
        self._pidfd = -1

    def __del__(self) -> None:
        if self._connection is not None:
            self._connection.close()
        if self._pidfd >= 0:
            os.close(self._pidfd)
