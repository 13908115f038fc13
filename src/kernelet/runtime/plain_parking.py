"""Where a lane waits that runs no user code: a bare lock. Runs in the lane's thread, except `wake`."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Any


class PlainParking:
    """Waits on a lock: for lanes that run no user code."""

    def __init__(self) -> None:
        self.serve: Callable[[], None] = lambda: None
        # Free after a wake-up. Not an Event: that makes a lock for each wait, and takes ten times as long.
        self._gate = threading.Lock()
        self._gate.acquire()

    def wait(self) -> None:
        self._gate.acquire()

    def turn(self) -> None:
        return None

    def wake(self) -> None:
        with contextlib.suppress(RuntimeError):  # it is free already
            self._gate.release()

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    def serve_soon(self) -> None:
        return None

    def close(self) -> None:
        return None
