"""The files of a session as clients see them: one folder, no way out of it, and what an execution made there.

Paths of clients are resolved first and checked then: `..`, absolute paths and symbolic links that lead out are refused.
"""

from __future__ import annotations

import mimetypes
import os
import stat
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

MAX_LISTED: Final = 100
"""How many files a listing or a result names."""

HIDDEN: Final = ".exec"
"""The folder below the outputs for the whole text of results; no output of the user."""


class FileError(Exception):
    """Why a path is refused; the message is one sentence."""


class EscapeError(FileError):
    """The path leads out of the folder."""


class AbsentError(FileError):
    """There is nothing at the path."""


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file: its path below the folder with `/`, its size in bytes, its type by its name."""

    path: str
    size: int
    mime: str


def inside(root: Path, path: str) -> Path:
    """Return where `path` below `root` really is, every symbolic link resolved. It need not exist.

    Raises:
        EscapeError: outside of `root`.
    """
    if "\0" in path:
        raise EscapeError("A path has no null characters.")
    base = root.resolve()
    try:
        resolved = (base / path).resolve()
    except (OSError, RuntimeError) as error:  # a loop of links
        raise EscapeError(f"The path {path!r} cannot be followed: {error}") from error
    if not resolved.is_relative_to(base) or os.path.isabs(path):
        raise EscapeError(f"The path {path!r} leads out of the folder.")
    return resolved


def open_to_read(root: Path, path: str) -> IO[bytes]:
    """Open a regular file below `root`.

    Raises:
        EscapeError, AbsentError, FileError: it leads out, is not there, or is no regular file.
    """
    place = inside(root, path)
    try:
        # Not following the last link closes the moment between the check and this; not blocking, that on a pipe.
        handle = os.open(place, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except (FileNotFoundError, NotADirectoryError):
        raise AbsentError(f"There is no file {path!r}.") from None
    except OSError as error:
        raise FileError(f"The file {path!r} cannot be read: {error.strerror}.") from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise FileError(f"{path!r} is no regular file.")
    return os.fdopen(handle, "rb")


def write(root: Path, path: str, data: bytes) -> FileEntry:
    """Write a file below `root`, whole or not at all; folders on the way are made.

    Raises:
        EscapeError, FileError: it leads out, or cannot be written.
    """
    place = inside(root, path)
    if place == root.resolve():
        raise FileError("A file has a name.")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        handle, unfinished = tempfile.mkstemp(dir=place.parent, prefix=".upload-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            os.chmod(unfinished, 0o644)
            os.replace(unfinished, place)
        except BaseException:
            os.unlink(unfinished)
            raise
    except OSError as error:
        raise FileError(f"The file {path!r} cannot be written: {error.strerror}.") from error
    return _entry(place, root.resolve(), place.stat().st_size)


def delete(root: Path, path: str) -> None:
    """Delete a file, or a link itself, below `root`.

    Raises:
        EscapeError, AbsentError, FileError: it leads out, is not there, or is a folder.
    """
    name = os.path.basename(path.rstrip("/"))
    if name in ("", ".", ".."):
        raise EscapeError(f"{path!r} names no file.")
    # The folder is resolved, the last name is not: it is the link that goes, not what it leads to.
    place = inside(root, os.path.dirname(path)) / name
    try:
        place.unlink()
    except FileNotFoundError:
        raise AbsentError(f"There is no file {path!r}.") from None
    except OSError as error:
        raise FileError(f"The file {path!r} cannot be deleted: {error.strerror}.") from error


def listing(root: Path, limit: int = MAX_LISTED) -> list[FileEntry]:
    """Return the files below `root`, in order of their paths, at most `limit`; links are not followed."""
    base = root.resolve()
    found = sorted(_walk(base), key=lambda item: item[0])
    return [_entry(path, base, status.st_size) for path, status in found[:limit]]


class OutputFolder:
    """The folder to which the user's code writes, and what of it changed since the last look."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._known: Mapping[Path, tuple[int, int, int]] = {}

    def look(self) -> None:
        """Remember how things are: before an execution. Milliseconds for some thousand files; in a worker thread."""
        self._known = self._state()

    def changes(self, limit: int = MAX_LISTED) -> list[FileEntry]:
        """Return the files that are new or were written since the last `look`, at most `limit`."""
        now = self._state()
        changed = sorted(path for path, state in now.items() if self._known.get(path) != state)
        base = self.root.resolve()
        return [_entry(path, base, now[path][1]) for path in changed[:limit]]

    def _state(self) -> dict[Path, tuple[int, int, int]]:
        return {
            path: (status.st_mtime_ns, status.st_size, status.st_ino) for path, status in _walk(self.root.resolve())
        }


def _walk(base: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Yield the regular files below `base`; files that vanish meanwhile are left out."""
    for folder, folders, names in os.walk(base):
        folders[:] = sorted(name for name in folders if name != HIDDEN or folder != str(base))
        for name in names:
            path = Path(folder, name)
            try:
                status = path.lstat()
            except OSError:
                continue
            if stat.S_ISREG(status.st_mode):
                yield path, status


def mime_of(path: str) -> str:
    """Return the type that a file's name stands for."""
    return mimetypes.guess_type(path)[0] or "application/octet-stream"


def _entry(path: Path, base: Path, size: int) -> FileEntry:
    return FileEntry(path.relative_to(base).as_posix(), size, mime_of(path.name))
