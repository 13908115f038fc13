"""C's own stdout: emptied at the end of a cell, and at every line of text before that.

On a pipe C holds back 4 KiB, so what printf says would come with a later cell. Any thread that runs cells.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from functools import partial

_LINE_BUFFERED = 1  # _IOLBF
_BUFFER_BYTES = 4096
_NAMES = ("stdout", "__stdoutp")  # glibc and musl; macOS


class CStdout:
    """Costs nothing until ctypes is loaded (numpy does), for importing it would cost the start 3 ms."""

    def __init__(self) -> None:
        # Held for good by the first thread that looks for the stream.
        self._looking = threading.Lock()
        self._flush: Callable[[], object] | None = None

    def flush(self) -> None:
        """Write out what C holds back, as far as C code can have been called from Python at all."""
        if self._flush is None:
            # The second of two cells that end at once leaves it to the first, which flushes when it has found it.
            if "ctypes" not in sys.modules or not self._looking.acquire(blocking=False):
                return
            self._flush = _find()
        self._flush()


def _find() -> Callable[[], object]:
    """Find the stream, make it flush at every line, so that printf keeps its place among prints; what flushes it.

    Just asking for lines is not enough: glibc goes by a pointer that it set when the stream last wrote, and a stream
    that was used before then holds on to its text. A new buffer makes it forget. It is C's for good: C flushes it at
    exit, when Python's objects are gone.
    """
    import ctypes

    for name in _NAMES:
        try:
            file = ctypes.c_void_p.in_dll(ctypes.pythonapi, name)
        except ValueError:
            continue
        c = ctypes.CDLL(None)  # not pythonapi: a flush may have to wait for the wire, which needs the GIL
        flush = partial(c.fflush, file)
        flush()
        malloc = c.malloc
        malloc.restype, malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
        buffer = malloc(_BUFFER_BYTES)
        c.setvbuf(file, ctypes.c_void_p(buffer), _LINE_BUFFERED, ctypes.c_size_t(_BUFFER_BYTES))
        return flush
    return lambda: None
