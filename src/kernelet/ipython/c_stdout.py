"""C's own stdout: emptied at the end of a cell, and at every line of text before that.

On a pipe C holds back 4 KiB, so what printf says would come with a later cell. Any thread that runs cells.
"""

from __future__ import annotations

import sys
from typing import Any

_LINE_BUFFERED = 1  # _IOLBF
_BUFFER_BYTES = 4096
_NAMES = ("stdout", "__stdoutp")  # glibc and musl; macOS


class CStdout:
    """Costs nothing until ctypes is loaded (numpy does), for importing it would cost the start 3 ms."""

    def __init__(self) -> None:
        self._found = False
        self._file: Any = None
        self._fflush: Any = None

    def flush(self) -> None:
        """Write out what C holds back, as far as C code can have been called from Python at all."""
        if not self._found:
            if "ctypes" not in sys.modules:
                return
            self._found = True
            self._find()
        if self._file is not None:
            self._fflush(self._file)

    def _find(self) -> None:
        """Find the stream, and make it flush at every line, so that printf keeps its place among prints.

        Just asking for lines is not enough: glibc goes by a pointer that it set when the stream last wrote, and a
        stream that was used before then holds on to its text. A new buffer makes it forget. It is C's for good: C
        flushes it at exit, when Python's objects are gone.
        """
        import ctypes

        for name in _NAMES:
            try:
                self._file = ctypes.c_void_p.in_dll(ctypes.pythonapi, name)
            except ValueError:
                continue
            c = ctypes.CDLL(None)  # not pythonapi: a flush may have to wait for the wire, which needs the GIL
            self._fflush = c.fflush
            self._fflush(self._file)
            malloc = c.malloc
            malloc.restype, malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
            buffer = malloc(_BUFFER_BYTES)
            c.setvbuf(self._file, ctypes.c_void_p(buffer), _LINE_BUFFERED, ctypes.c_size_t(_BUFFER_BYTES))
            return
