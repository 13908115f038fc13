"""The date of now as message headers have it. Any thread."""

from __future__ import annotations

import time


class Clock:
    """Called, it returns now as ISO-8601 with a time zone. Six times a cell: the second is written once."""

    def __init__(self) -> None:
        self._known = (0, "")

    def __call__(self) -> str:
        second, microsecond = divmod(time.time_ns() // 1000, 1_000_000)
        known = self._known  # one object: other threads ask as well
        if known[0] != second:
            known = self._known = (second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)))
        return f"{known[1]}.{microsecond:06d}Z"
