"""jedi's cache on the disk: damaged files are parsed anew, and files are written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from kernelet.ipython.jedi_cache import mend

parso = pytest.importorskip("parso")
from parso import cache  # noqa: E402  # after the look whether it is there

INSIDE = ("_load_from_file_system", "_save_to_file_system")


@pytest.fixture(autouse=True)
def mended(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in INSIDE:
        monkeypatch.setattr(cache, name, getattr(cache, name))
    monkeypatch.setattr(cache, "parser_cache", {})
    mend.__wrapped__()


def parse(code: Path, folder: Path) -> str:
    """Return what parso finds in `code`, in memory or in its cache in `folder`."""
    module = parso.load_grammar().parse(path=code, cache=True, cache_path=folder)
    return str(module.get_code())


@pytest.fixture
def code(tmp_path: Path) -> Path:
    path = tmp_path / "code.py"
    path.write_text("value = 1\n")
    return path


@pytest.fixture
def kept(code: Path, tmp_path: Path) -> Path:
    """The file that parso has written for `code`."""
    assert parse(code, tmp_path / "cache") == "value = 1\n"
    (path,) = (tmp_path / "cache").rglob("*.pkl")
    cache.parser_cache.clear()
    return path


@pytest.mark.parametrize("left", [0, 1, 100, -1])
def test_a_file_cut_off_is_parsed_anew_and_written_again(kept: Path, code: Path, tmp_path: Path, left: int) -> None:
    whole = kept.read_bytes()
    kept.write_bytes(whole[:left])
    assert parse(code, tmp_path / "cache") == "value = 1\n"
    assert len(kept.read_bytes()) == len(whole)


def test_a_file_of_something_else_is_parsed_anew(kept: Path, code: Path, tmp_path: Path) -> None:
    kept.write_bytes(b"cno_such_module\nno_such_name\n.")
    assert parse(code, tmp_path / "cache") == "value = 1\n"


def test_a_whole_file_is_read(kept: Path, code: Path, tmp_path: Path) -> None:
    written = kept.stat().st_mtime_ns
    assert parse(code, tmp_path / "cache") == "value = 1\n"
    assert kept.stat().st_mtime_ns == written


def test_a_write_that_fails_leaves_nothing_and_the_answer(
    kept: Path, code: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(item: Any, file: Any, *_: Any) -> None:
        file.write(b"half")
        raise OSError(28, "No space left on device")

    before = kept.read_bytes()
    code.write_text("value = 2\n")
    later = kept.stat().st_mtime + 10
    os.utime(code, (later, later))
    monkeypatch.setattr(cache.pickle, "dump", full)
    assert parse(code, tmp_path / "cache") == "value = 2\n"
    assert kept.read_bytes() == before
    assert list(kept.parent.iterdir()) == [kept]
