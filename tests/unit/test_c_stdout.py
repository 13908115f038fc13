"""C's stdout is looked for once, whoever else flushes it meanwhile."""

from __future__ import annotations

import ctypes
from types import SimpleNamespace

import pytest

from kernelet.ipython.c_stdout import CStdout


class Malloc:
    """C's function, as far as ctypes shows it."""

    restype: object = None
    argtypes: object = None

    def __call__(self, size: int) -> int:
        return 4096


def test_two_cells_that_end_at_once_find_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    stdout, flushed, buffered = CStdout(), [], []

    def load(_: object) -> SimpleNamespace:
        stdout.flush()  # stands for the other cell's thread, in the middle of the search
        return SimpleNamespace(fflush=flushed.append, malloc=Malloc(), setvbuf=lambda *args: buffered.append(args))

    monkeypatch.setattr(ctypes, "CDLL", load)
    stdout.flush()
    found = len(flushed)
    assert (found > 0, len(buffered)) == (True, 1)
    stdout.flush()
    assert (len(flushed), len(buffered)) == (found + 1, 1)
