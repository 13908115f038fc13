"""The names of cells' files: the hash that debugger front ends compute for themselves, in the directory they expect."""

from __future__ import annotations

import importlib
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelet.ipython.cell_name import SEED, CellCompiler, directory, file_name, murmur2
from needs import need_module


def reference(data: bytes, seed: int) -> int:
    """Return MurmurHash2 of `data`, byte for byte as the C code of its author goes."""
    m, length = 0x5BD1E995, len(data)
    h = (seed ^ length) % 2**32
    at = 0
    while length >= 4:
        k = data[at] | data[at + 1] << 8 | data[at + 2] << 16 | data[at + 3] << 24
        k = k * m % 2**32
        k = (k ^ (k >> 24)) * m % 2**32
        h = (h * m % 2**32) ^ k
        at, length = at + 4, length - 4
    if length >= 3:
        h ^= data[at + 2] << 16
    if length >= 2:
        h ^= data[at + 1] << 8
    if length >= 1:
        h = (h ^ data[at]) * m % 2**32
    h = (h ^ (h >> 13)) * m % 2**32
    return h ^ (h >> 15)


@given(st.binary(), st.integers(0, 2**32 - 1))
def test_the_hash_is_murmur2(data: bytes, seed: int) -> None:
    assert murmur2(data, seed) == reference(data, seed)


@given(st.text(st.characters(codec="utf-8")))
def test_the_hash_is_ipykernels(code: str) -> None:
    need_module("ipykernel")
    theirs = importlib.import_module("ipykernel.compiler").murmur2_x86
    assert murmur2(code.encode()) == theirs(code, SEED)


def test_a_cell_lives_in_the_directory_that_names_its_process() -> None:
    assert directory() == os.path.join(tempfile.gettempdir(), f"ipykernel_{os.getpid()}")
    assert Path(file_name("1")).parent == Path(directory())
    assert Path(file_name("1")).name == f"{reference(b'1', SEED)}.py"


def test_equal_cells_have_equal_names_and_others_others() -> None:
    assert file_name("a = 1") == file_name("a = 1") != file_name("a = 2")


def test_a_cell_that_is_no_unicode_has_a_name() -> None:
    assert file_name("'\ud800'").endswith(".py")


def test_the_name_can_be_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IPYKERNEL_CELL_NAME", "/my/cell.py")
    assert file_name("1") == "/my/cell.py"


def test_the_compiler_names_cells_by_their_raw_text() -> None:
    compiler = CellCompiler()
    name = compiler.cache("transformed", 3, raw_code="%raw")
    assert name == file_name("%raw")
    assert compiler.format_code_name(name) == ("Cell", "In[3]")
    assert compiler.format_code_name("/of/the/user.py") is None
