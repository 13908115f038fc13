"""A cell in linecache: whoever reads it finds what IPython's own compiler puts there."""

from __future__ import annotations

import inspect
import linecache
import sys
import traceback
from collections.abc import Iterator
from typing import Any

import pytest
from IPython.core.compilerop import CachingCompiler

from kernelet.ipython.cell_name import CellCompiler
from kernelet.ipython.cell_source import CellSource

CODES = ["", "x = 1\n", "def f():\n    return 1 / 0\n\nf()\n", "a = '\x0c'\nb = 2\n", "s = 'é😀'\n\n"]


@pytest.fixture(autouse=True)
def cache() -> Iterator[dict[str, Any]]:
    before = dict(linecache.cache)
    yield linecache.cache  # type: ignore[misc]
    linecache.cache.clear()
    linecache.cache.update(before)


@pytest.mark.parametrize("code", CODES)
def test_the_entry_behaves_as_ipythons(code: str, cache: dict[str, Any]) -> None:
    theirs = CachingCompiler()
    theirs.get_code_name = lambda raw, transformed, number: "cell.py"  # type: ignore[method-assign]
    expected = cache[theirs.cache(code, 3)]
    entry = CellSource(code, "cell.py")
    assert entry == expected
    assert entry == CellSource(code, "cell.py")
    assert entry != CellSource(code, "another.py")
    assert (len(entry), list(entry), entry[2], entry[-1], entry[:2]) == (
        4,
        [*expected],
        expected[2],
        "cell.py",
        expected[:2],
    )
    size, mtime, lines, name = entry
    assert (size, mtime, lines, name) == expected


def test_a_cell_is_found_by_who_looks_for_its_source(cache: dict[str, Any]) -> None:
    compiler = CellCompiler()
    code = "def f():\n    return 1 / 0"
    name = compiler.cache(code, 7)
    assert compiler.format_code_name(name) == ("Cell", "In[7]")
    names: dict[str, Any] = {}
    exec(compile(code, name, "exec"), names)
    linecache.checkcache()
    linecache.checkcache(name)
    assert linecache.getline(name, 2) == "    return 1 / 0\n"
    assert inspect.getsource(names["f"]) == code + "\n"
    with pytest.raises(ZeroDivisionError) as raised:
        names["f"]()
    assert "return 1 / 0" in "".join(traceback.format_exception(raised.value))


def test_the_text_of_the_history_is_kept_where_its_lines_are_those_of_the_cell(cache: dict[str, Any]) -> None:
    raw = "x = 'ab'\n\ny = 2"
    entry = cache[CellCompiler().cache(raw + "\n", 1, raw_code=raw)]
    assert entry._code is raw
    assert entry == (len(raw) + 1, None, ["x = 'ab'\n", "\n", "y = 2\n"], entry[3])
    assert cache[CellCompiler().cache("y = 1\n", 1, raw_code="%y")][2] == ["y = 1\n"]


def test_an_entry_is_small(cache: dict[str, Any]) -> None:
    assert sys.getsizeof(CellSource("x = 1", "name")) <= 48


def test_the_name_is_made_of_what_the_user_wrote() -> None:
    compiler = CellCompiler()
    assert compiler.cache("get_ipython().run_line_magic('x', '')", 1, raw_code="%x") == compiler.cache("%x", 2)
    assert compiler.cache("%x", 2) != compiler.cache("%y", 3)
