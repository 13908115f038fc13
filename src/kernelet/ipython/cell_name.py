"""The file names that cells compile to: `<tmp>/ipykernel_<pid>/<hash>.py`.

numba, joblib, line_profiler, executing and every debugger front end rely on the directory's name and on the hash, which
JupyterLab computes for itself from debugInfo (Murmur2, seed 0xC70F6907). `IPYKERNEL_CELL_NAME` overrides it (VS Code).
"""

from __future__ import annotations

import linecache
import os
import struct
import tempfile
from typing import Any

from .cell_source import CellSource
from .shared import FlagsByThread

SEED = 0xC70F6907
_MULTIPLIER = 0x5BD1E995
_MASK = 0xFFFFFFFF


def murmur2(data: bytes, seed: int = SEED) -> int:
    """Return the 32-bit MurmurHash2 of `data`. Source: https://github.com/aappleby/smhasher, MurmurHash2.cpp."""
    value = (seed ^ len(data)) & _MASK
    whole = len(data) & ~3
    for (block,) in struct.iter_unpack("<I", data[:whole]):
        block = block * _MULTIPLIER & _MASK
        block = (block ^ block >> 24) * _MULTIPLIER & _MASK
        value = value * _MULTIPLIER & _MASK ^ block
    tail = data[whole:]
    if tail:
        value = (value ^ int.from_bytes(tail, "little")) * _MULTIPLIER & _MASK
    value = (value ^ value >> 13) * _MULTIPLIER & _MASK
    return value ^ value >> 15


def directory() -> str:
    """Return the directory of this process's cells; in a forked kernel it is another one."""
    return f"{tempfile.gettempdir()}{os.sep}ipykernel_{os.getpid()}"


def file_name(code: str) -> str:
    """Return the file name that a cell with this text compiles to."""
    given = os.environ.get("IPYKERNEL_CELL_NAME")
    return given if given is not None else f"{directory()}{os.sep}{murmur2(code.encode('utf-8', 'replace'))}.py"


class CellCompiler(FlagsByThread):
    """IPython's compiler, with our file names."""

    def cache(self, transformed_code: str, number: int = 0, raw_code: str | None = None) -> str:
        """Let tracebacks find a cell; return its file name. IPython's, but for what it puts into linecache."""
        if raw_code is None:
            raw_code = transformed_code
        name = self.get_code_name(raw_code, transformed_code, number)
        self._filename_map[name] = number
        # The lines of both are the same; the history has the one of most cells already.
        code = raw_code if transformed_code == raw_code + "\n" else transformed_code
        linecache.cache[name] = CellSource(code, name)  # type: ignore[assignment]  # behaves as one
        return name

    def get_code_name(self, raw_code: str, transformed_code: str, number: int) -> str:
        return file_name(raw_code)

    def format_code_name(self, name: str) -> Any:
        """Return how tracebacks name a cell (`Cell In[3]`), or None for a file of the user's."""
        return super().format_code_name(name)
