"""Where the kernel itself speaks: lines on the stderr it was started with, never on a user's output.

Not the logging package: it is needed before IPython (which imports logging) and in the wire thread, and a handler
that user code replaces must not make it write to a cell. Any thread.
"""

from __future__ import annotations

import os
import sys
from typing import Literal

Level = Literal["debug", "info", "warning", "error"]
_LEVELS: tuple[Level, ...] = ("debug", "info", "warning", "error")


class Log:
    """Writes lines to a file descriptor. `level` is the least that is written."""

    def __init__(self, fd: int = 2, level: Level = "warning") -> None:
        self.fd = fd
        self.level = level

    def __call__(self, level: Level, text: str) -> None:
        """Write one line, or nothing when `level` is under the threshold."""
        if _LEVELS.index(level) < _LEVELS.index(self.level):
            return
        line = f"[kernelet] {level}: {text}\n".encode(errors="backslashreplace")
        try:
            os.write(self.fd, line)
        except OSError:  # the terminal or pipe we were started on is gone: there is nobody left to tell
            return

    def crash(self, text: str) -> None:
        """Write the current exception with its traceback."""
        import traceback  # only when something went wrong

        self("error", f"{text}\n{''.join(traceback.format_exception(*sys.exc_info()))}")
