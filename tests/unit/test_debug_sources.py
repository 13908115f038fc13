"""Files of cells, their text, and the breakpoints kept for front ends that come later."""

from __future__ import annotations

import linecache
from pathlib import Path

import pytest

from kernelet.ipython.debug_reply import DebugError
from kernelet.ipython.debug_sources import Sources, modules, page, prefix


def test_cell_that_cannot_be_written_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("IPYKERNEL_CELL_NAME", str(tmp_path / "file" / "cell.py"))
    with pytest.raises(DebugError, match="cannot write the cell"):
        Sources().dump_cell({"code": "1"})


def test_source_knows_encodings_and_what_was_never_a_file(tmp_path: Path) -> None:
    latin = tmp_path / "latin.py"
    latin.write_bytes("# coding: latin-1\ns = 'é'\n".encode("latin-1"))
    assert "é" in Sources().source({"source": {"path": str(latin)}})["content"]
    linecache.cache["<never a file>"] = (3, None, ["x = 1\n"], "<never a file>")
    assert Sources().source({"source": {"path": "<never a file>"}})["content"] == "x = 1\n"
    with pytest.raises(DebugError, match="unavailable"):
        Sources().source({"source": {"path": str(tmp_path / "absent.py")}})


def test_breakpoints_are_kept_where_debugpy_put_them_with_all_that_they_have() -> None:
    sources = Sources()
    wanted = [{"line": 1, "condition": "x"}, {"line": 4}]
    sources.remember(
        {"source": {"path": "a"}, "breakpoints": wanted}, {"breakpoints": [{"line": 2}, {"verified": False}]}
    )
    assert sources.listing() == [{"source": "a", "breakpoints": [{"line": 2, "condition": "x"}, {"line": 4}]}]
    assert wanted[0]["line"] == 1, "the request is not ours to change"
    sources.remember({"source": {"path": "a"}, "breakpoints": []}, {"breakpoints": []})
    assert sources.listing() == []


def test_modules_and_pages() -> None:
    found = modules({})
    assert found["totalModules"] == len(found["modules"])
    assert modules({"startModule": 1, "moduleCount": 1})["modules"] == found["modules"][1:2]
    assert page([1, 2, 3], {}, "start", "count") == [1, 2, 3]
    assert page([1, 2, 3], {"start": 1, "count": 0}, "start", "count") == [2, 3]
    with pytest.raises(DebugError, match="'start'"):
        page([1], {"start": "x"}, "start", "count")


def test_prefix_is_the_directory_of_this_process() -> None:
    assert Path(prefix()).name.startswith("ipykernel_")
