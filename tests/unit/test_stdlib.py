"""The standard library of sessions: the file, with a trial that stands for a scratch kernel."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kernelet.service.inside.expression import InsideError
from kernelet.service.inside.stdlib import kinds
from kernelet.service.stdlib import HEADER, Stdlib, StdlibError, without


class Trial:
    """Runs what it is given in this process, and counts."""

    def __init__(self) -> None:
        self.runs = 0

    async def __call__(self, source: str) -> Mapping[str, Any]:
        self.runs += 1
        try:
            answer: Mapping[str, Any] = kinds(SimpleNamespace(), source)
        except ZeroDivisionError as error:
            raise InsideError(type(error).__name__, str(error)) from error
        return answer


@pytest.fixture
def trial() -> Trial:
    return Trial()


@pytest.fixture
def library(tmp_path: Path, trial: Trial) -> Stdlib:
    return Stdlib(tmp_path / "private" / "repl_stdlib.py", trial)


def add(library: Stdlib, code: str) -> list[str]:
    return asyncio.run(library.add(code))


def test_a_library_that_is_not_there_is_empty(library: Stdlib) -> None:
    assert library.source() == ""
    assert asyncio.run(library.listing())["count"] == 0


def test_the_first_addition_makes_the_file(library: Stdlib) -> None:
    assert add(library, "\ndef one():\n    return 1\n") == ["one"]
    assert library.path.read_text() == HEADER + "\n\ndef one():\n    return 1\n"


def test_a_function_added_again_replaces_the_old_one(library: Stdlib) -> None:
    add(library, "import functools\n\n@functools.cache\ndef one():\n    return 1")
    add(library, "def two():\n    return 2")
    add(library, "def one():\n    return 'new'")
    source = library.source()
    assert source.count("def one") == 1
    assert "cache" not in source
    assert asyncio.run(library.listing()) == {
        "functions": ["two", "one"],
        "modules": ["functools"],
        "other": [],
        "count": 3,
    }


@pytest.mark.parametrize("code", ["def f(:", "def f():\nreturn", "x = '\0'"])
def test_code_that_is_no_python_changes_nothing(library: Stdlib, trial: Trial, code: str) -> None:
    add(library, "def one(): pass")
    before = library.source()
    with pytest.raises(StdlibError, match="no valid Python"):
        add(library, code)
    assert (library.source(), trial.runs) == (before, 1)


def test_code_that_fails_when_it_runs_changes_nothing(library: Stdlib) -> None:
    with pytest.raises(StdlibError, match="fails when it is run: ZeroDivisionError: division by zero"):
        add(library, "1 / 0")
    assert not library.path.exists()


def test_a_file_that_somebody_broke_is_told_and_not_dropped(library: Stdlib) -> None:
    add(library, "def one(): pass")
    library.path.write_text("def one(:\n")
    with pytest.raises(StdlibError, match=r"repl_stdlib.py is no valid Python, line 1"):
        library.source()
    with pytest.raises(StdlibError, match=r"repl_stdlib.py"):
        add(library, "def two(): pass")
    assert library.path.read_text() == "def one(:\n"


def test_a_listing_is_tried_once_until_the_file_changes(library: Stdlib, trial: Trial) -> None:
    add(library, "def one(): pass")
    asyncio.run(library.listing())
    assert trial.runs == 1
    library.path.write_text("N = 1")
    assert asyncio.run(library.listing())["other"] == ["N"]
    assert trial.runs == 2


def test_what_another_service_adds_during_a_trial_stays(tmp_path: Path, trial: Trial) -> None:
    path = tmp_path / "lib.py"

    async def slow(source: str) -> Mapping[str, Any]:
        await Stdlib(path, trial).add("def theirs(): pass")
        return await trial(source)

    add(Stdlib(path, slow), "def ours(): pass")
    assert Stdlib(path, trial).source().count("def ") == 2


def test_only_definitions_of_the_top_level_are_replaced() -> None:
    source = "class A:\n    def f(self): pass\ndef f():\n    pass\nx = 1\n"
    assert without(source, {"f"}) == "class A:\n    def f(self): pass\nx = 1\n"


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path, trial: Trial) -> None:
    (tmp_path / "lib.py.lock").mkdir()
    with pytest.raises(StdlibError, match="cannot be written"):
        add(Stdlib(tmp_path / "lib.py", trial), "def f(): pass")
