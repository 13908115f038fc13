"""Whether a thread sleeps in epoll_wait: what no event tells."""

from __future__ import annotations

import threading

import pytest

_LOOKS = 1_000_000


def wait_until_asleep(thread: threading.Thread) -> None:
    """Return once `thread` sleeps there. Skips the test where the system does not say what a thread waits for."""
    for _ in range(_LOOKS):
        with open(f"/proc/self/task/{thread.native_id}/wchan", encoding="ascii") as file:
            where = file.read()
        if where in ("ep_poll", "do_epoll_wait"):
            return
    if where == "0":
        pytest.skip("/proc/self/task/*/wchan does not say here what a thread waits for")
    raise TimeoutError(f"it does not sleep in epoll_wait, but waits in {where}")
