"""Objects whose references are no longer counted: the pages they lie in stay shared by all kernels of a zygote.

Whoever calls a function or reads a global writes a reference count into the object, and the kernel that does so gets a
copy of the page. CPython from 3.12 on knows immortal objects (PEP 683), whose count nobody writes: None is one. Here
all that a zygote has imported gets None's count. It is never freed then, as no module ever is; nothing else differs but
what sys.getrefcount says. Called before any kernel is forked, in the one thread that there is.
"""

from __future__ import annotations

import ctypes
import gc
import sys
from types import CodeType, FrameType
from typing import Any, Final

# The lower half of the count on 64 bits: what CPython's own macros look at, and change.
_Count: Final = ctypes.c_uint32
_IMMORTAL_FROM: Final = 1 << 31
_GROUP: Final = 10_000


def stop_counting() -> int:
    """Make all objects immortal that the collector knows and has not frozen, and what they refer to; return how many.

    0 where this Python has no immortal objects, or where counts do not lie where they are looked for.
    """
    immortal = _count_of(None).value
    if not _is_understood(immortal):
        return 0
    known = [one for one in gc.get_objects() if not isinstance(one, FrameType)]
    total = len(known)
    at = _Count.from_address
    for start in range(0, total, _GROUP):  # in parts: a list of everything would leave a hole in the heap
        # Code, its text and its constants are not the collector's.
        others = [one for one in gc.get_referents(*known[start : start + _GROUP]) if not gc.is_tracked(one)]
        others += [part for one in others if type(one) is CodeType for part in one.co_consts if type(part) is CodeType]
        for one in others:
            at(id(one)).value = immortal
    for one in known:
        at(id(one)).value = immortal
    return total


def _count_of(one: Any) -> ctypes.c_uint32:
    return _Count.from_address(id(one))


def _is_understood(immortal: int) -> bool:
    """Whether an object begins with its count, and None's means that nobody counts."""
    if sys.implementation.name != "cpython" or sys.maxsize < 1 << 32 or immortal < _IMMORTAL_FROM:
        return False
    before = _count_of(None).value
    sample = object()
    once = _count_of(sample).value
    more = [sample, None] * 3
    counted = _count_of(sample).value - once == len(more) // 2
    return counted and 0 < once < _IMMORTAL_FROM and _count_of(None).value == before == immortal
