"""The names of what can be imported: both lists, and that a changed folder is seen."""

from __future__ import annotations

import os
import sys
import zipfile
from pathlib import Path

import pytest

from kernelet.ipython import modules


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder that is all of sys.path, and the current one."""
    (tmp_path / "one.py").touch()
    (tmp_path / "not-a-module.py").touch()
    (tmp_path / "stub.pyi").touch()
    (tmp_path / "__init__.py").touch()
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").touch()
    (tmp_path / "space").mkdir()
    (tmp_path / "thing-1.0.dist-info").mkdir()
    monkeypatch.setattr(sys, "path", ["", str(tmp_path), str(tmp_path / "no_such_folder")])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def added(names: list[str] | None) -> set[str]:
    assert names is not None
    assert len(names) == len(set(names))
    return set(names) - set(sys.builtin_module_names)


def test_jedi_takes_any_folder_for_a_package_and_ipython_one_with_an_init(folder: Path) -> None:
    assert added(modules.names_for_jedi()) == {"one", "not-a-module", "stub", "package", "space"}
    assert added(modules.names_for_ipython("")) == {"one", "package"}
    assert set(sys.builtin_module_names) <= set(modules.names_for_jedi() or ())


def test_ipython_gets_what_begins_with_the_text_in_any_case(folder: Path) -> None:
    (folder / "Other.py").touch()
    assert added(modules.names_for_ipython("o")) == {"one", "Other"}


def test_a_folder_is_listed_again_only_when_it_changed(folder: Path) -> None:
    long_ago = 1_000_000_000
    os.utime(folder, (long_ago, long_ago))
    assert "two" not in added(modules.names_for_jedi())
    (folder / "two.py").touch()
    os.utime(folder, (long_ago, long_ago))
    assert "two" not in added(modules.names_for_jedi())
    os.utime(folder, (long_ago, long_ago + 1))
    assert "two" in added(modules.names_for_jedi())
    assert "two" in added(modules.names_for_ipython("t"))


def test_a_folder_that_has_just_changed_is_not_trusted(folder: Path) -> None:
    """A file written within the same tick of the file system's clock does not change the folder's time."""
    now = os.stat(folder).st_mtime_ns
    modules.names_for_jedi()
    (folder / "two.py").touch()
    os.utime(folder, ns=(now, now))
    assert "two" in added(modules.names_for_jedi())


def test_a_zip_file_on_the_path_is_left_to_others(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(folder / "library.zip", "w") as library:
        library.writestr("inside.py", "")
    monkeypatch.setattr(sys, "path", [str(folder), str(folder / "library.zip")])
    assert modules.names_for_jedi() is None
    assert modules.names_for_ipython("i") is None


def test_a_deleted_current_folder_is_left_to_others(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = folder / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert modules.names_for_jedi() is None
