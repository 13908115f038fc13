"""Noticing the first import of a module."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernelet.runtime.on_import import OnImport, call_after_import


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    (tmp_path / "noticed_module.py").write_text("value = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    before = list(sys.meta_path)
    yield "noticed_module"
    sys.modules.pop("noticed_module", None)
    sys.meta_path[:] = before


def test_the_call_comes_once_and_after_the_module_has_run(module: str) -> None:
    seen: list[int] = []
    OnImport(module, lambda: seen.append(sys.modules[module].value))
    assert seen == []
    imported = importlib.import_module(module)
    importlib.import_module(module)
    assert (imported.value, seen) == (1, [1])


def test_the_module_is_as_it_would_be(module: str) -> None:
    hook = OnImport(module, lambda: None)
    imported = importlib.import_module(module)
    assert imported.__spec__ is not None
    assert type(imported.__loader__).__name__ == type(imported.__spec__.loader).__name__ == "SourceFileLoader"
    assert hook not in sys.meta_path  # hooks for other modules may be there, of tests before this one


def test_a_module_that_is_not_there_is_still_not_there() -> None:
    before = list(sys.meta_path)
    OnImport("no_such_module_of_ours", lambda: None)
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("no_such_module_of_ours")
    assert sys.meta_path == before


def test_other_modules_are_none_of_its_business(module: str) -> None:
    OnImport("another_module", lambda: None)
    assert importlib.import_module(module).value == 1
    assert any(isinstance(one, OnImport) for one in sys.meta_path)


def test_a_call_after_an_import_that_was_made_comes_at_once(module: str) -> None:
    seen: list[int] = []
    call_after_import(module, lambda: seen.append(1))
    assert seen == []
    importlib.import_module(module)
    call_after_import(module, lambda: seen.append(2))
    assert seen == [1, 2]
