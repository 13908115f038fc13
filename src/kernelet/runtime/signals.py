"""Whether user code takes signals. Its handlers run in main between any two steps, and may raise there.

In the middle of a message that main sends or receives that would leave half of it: then the wire does both.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # CPython's C half of signal: see interrupt.py
import signal
from typing import Final

# The kernel's own are SIGINT (user code's handler of that goes with its cell) and SIGURG.
_LOOKED_AT: Final = tuple(
    sorted(int(one) for one in signal.valid_signals() if one < 32 and one.name not in ("SIGINT", "SIGURG"))
    if hasattr(signal, "pthread_kill")
    else ()
)


def taken_by_users() -> bool:
    """Whether a signal has a handler in Python that is not the kernel's. 2 us."""
    return any(map(callable, map(_signal.getsignal, _LOOKED_AT)))
