"""The files of a session."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kernelet.service.files import (
    AbsentError,
    EscapeError,
    FileEntry,
    FileError,
    OutputFolder,
    delete,
    inside,
    listing,
    open_to_read,
    write,
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_text("secret")
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


@pytest.mark.parametrize(
    "path",
    ["../secret", "a/../../secret", "/etc/passwd", "link/secret", "link/new", "to_secret", "loop", "a\0b"],
)
def test_no_path_leads_out(root: Path, path: str) -> None:
    (root / "link").symlink_to("..")
    (root / "to_secret").symlink_to("../secret")
    (root / "loop").symlink_to("loop")
    with pytest.raises(FileError):
        open_to_read(root, path)
    with pytest.raises(FileError):
        write(root, path, b"x")
    assert (root.parent / "secret").read_text() == "secret"
    assert sorted(entry.name for entry in root.parent.iterdir()) == ["root", "secret"]


def test_a_path_within_may_wander(root: Path) -> None:
    write(root, "a/b/file.txt", b"text")
    (root / "link").symlink_to("a/b")
    for path in ("a/b/file.txt", "a/../a/./b/file.txt", "link/file.txt"):
        with open_to_read(root, path) as file:
            assert file.read() == b"text"
    assert inside(root, "") == root.resolve()


def test_a_file_is_written_whole_and_described(root: Path) -> None:
    assert write(root, "plots/one.png", b"1234") == FileEntry("plots/one.png", 4, "image/png")
    assert write(root, "plots/one.png", b"12").size == 2
    assert [path.name for path in (root / "plots").iterdir()] == ["one.png"]
    with pytest.raises(FileError, match="has a name"):
        write(root, "", b"")
    with pytest.raises(FileError, match="cannot be written"):
        write(root, "plots/one.png/two", b"")
    with pytest.raises(FileError, match="cannot be written"):
        write(root, "plots", b"")


def test_what_is_no_regular_file_is_not_read(root: Path) -> None:
    os.mkfifo(root / "pipe")
    (root / "folder").mkdir()
    for path in ("pipe", "folder"):
        with pytest.raises(FileError, match="no regular file"):
            open_to_read(root, path)
    with pytest.raises(AbsentError):
        open_to_read(root, "absent")


def test_deleting_takes_the_link_and_not_what_it_leads_to(root: Path) -> None:
    (root / "to_secret").symlink_to("../secret")
    delete(root, "to_secret")
    assert list(root.iterdir()) == []
    assert (root.parent / "secret").exists()
    for path, error in (("absent", AbsentError), ("../secret", EscapeError), ("..", EscapeError), ("", EscapeError)):
        with pytest.raises(error):
            delete(root, path)
    (root / "folder").mkdir()
    with pytest.raises(FileError, match="cannot be deleted"):
        delete(root, "folder")


def test_a_listing_follows_no_links_and_has_an_end(root: Path) -> None:
    (root / "up").symlink_to("..")
    (root / "to_secret").symlink_to("../secret")
    write(root, ".exec/1.stdout", b"")
    for number in range(5):
        write(root, f"d/{number}.csv", b"x")
    assert [entry.path for entry in listing(root, limit=3)] == ["d/0.csv", "d/1.csv", "d/2.csv"]
    assert listing(root)[0].mime == "text/csv"
    assert listing(root / "absent") == []


def test_an_execution_names_what_it_wrote(root: Path) -> None:
    write(root, "old", b"1")
    write(root, "changed", b"1")
    outputs = OutputFolder(root)
    outputs.look()
    (root / "changed").write_bytes(b"22")
    write(root, "new.txt", b"333")
    assert outputs.changes() == [
        FileEntry("changed", 2, "application/octet-stream"),
        FileEntry("new.txt", 3, "text/plain"),
    ]
    assert len(outputs.changes(limit=1)) == 1
    outputs.look()
    assert outputs.changes() == []
