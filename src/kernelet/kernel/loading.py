"""When a kernel loads IPython: at once, or, where many threads wait for a CPU, once somebody asks for it.

Thirty kernels that are started together have bound their sockets and can answer kernel_info after a third of the CPU
that they need to be ready for cells. Whoever waits for them hears of all after that third: 1.6 s in place of 2.6.
"""

from __future__ import annotations

import os
import threading
from time import monotonic
from typing import Final

_LOADAVG: Final = "/proc/loadavg"
# More runnable threads than this for each CPU are a crowd.
_CROWD: Final = 3
_LOOK_S: Final = 0.02
# A machine that is crowded for good must not keep a kernel from being ready.
_AT_LAST_S: Final = 1.0


class Loading:
    """Of one kernel. `wait` in the main thread, once; `hurry` in any."""

    def __init__(self) -> None:
        self._wanted = threading.Event()

    def hurry(self) -> None:
        """Let IPython be loaded now: a request waits for it, or the kernel ends."""
        self._wanted.set()

    def wait(self) -> None:
        """Return when IPython is to be loaded."""
        at_last = monotonic() + _AT_LAST_S
        while is_crowded() and monotonic() < at_last and not self._wanted.wait(_LOOK_S):
            pass


def is_crowded() -> bool:
    """Whether many threads of this machine wait for a CPU; False where the system does not tell."""
    try:
        with open(_LOADAVG, "rb", buffering=0) as file:
            runnable = int(file.read(100).split()[3].partition(b"/")[0])
    except (OSError, ValueError, IndexError):
        return False
    return runnable > _CROWD * (os.cpu_count() or 1)
