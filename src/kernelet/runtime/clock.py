"""The date of now as message headers have it. Any thread."""

from __future__ import annotations

import time


class Clock:
    """Called, it returns now as ISO-8601 with a time zone. Six times a cell: the second is written once."""

    def __init__(self) -> None:
        self._known = (1 << 62, "")

    def __call__(self) -> str:
        now = time.time_ns() // 1000
        began, written = self._known  # one object: other threads ask as well
        microsecond = now - began
        if not 0 <= microsecond < 1_000_000:
            second, microsecond = divmod(now, 1_000_000)
            written = time.strftime("%Y-%m-%dT%H:%M:%S.", time.gmtime(second))
            self._known = (second * 1_000_000, written)
        return f"{written}{microsecond:06d}Z"
