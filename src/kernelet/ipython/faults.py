"""faulthandler writes where it can still be read: a process that crashes shows no more output in a cell.

SIGUSR1 makes it write the stacks of all threads there.

Main thread, once, at the start.
"""

from __future__ import annotations

import faulthandler
import signal
from typing import Any

from .streams import OutStream


def install(stderr_fd: int) -> None:
    """Let `faulthandler.enable` and `register` write to the stderr that the process was started with, unless told."""
    faulthandler.enable = _to(faulthandler.enable, 0, stderr_fd)
    if hasattr(faulthandler, "register"):  # not on Windows
        if signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL:  # else whoever started us wants something of it
            # In C, so that it works while C code holds the GIL. A handler of the user's takes its place.
            faulthandler.register(signal.SIGUSR1, stderr_fd, all_threads=True)
        faulthandler.register = _to(faulthandler.register, 1, stderr_fd)


def _to(function: Any, position: int, stderr_fd: int) -> Any:
    """Return `function` with its argument `file` (at `position`) being a descriptor where it would be our stream."""

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        before, given, after = args[:position], args[position : position + 1], args[position + 1 :]
        file = given[0] if given else kwargs.pop("file", None)
        return function(*before, stderr_fd if file is None or isinstance(file, OutStream) else file, *after, **kwargs)

    wrapper.__name__, wrapper.__doc__ = function.__name__, function.__doc__
    return wrapper
