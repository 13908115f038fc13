"""Sessions saved by name and made again: the kernel reads and writes the data, the service moves files and opens none.

A name is a file below `snapshot_dir`. The kernel works in its own folder, so that an isolated one can save too, and
user code reaches no snapshot of others.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import tempfile
import uuid
from pathlib import Path
from typing import Any, Final

from kernelet.service import files
from kernelet.service.engine import Engine, SessionOptions
from kernelet.service.errors import BadRequest, Forbidden, NotFound, NotPossible
from kernelet.service.inside import snapshot
from kernelet.service.inside.expression import InsideError
from kernelet.service.session import Session

MAX_BYTES: Final = 512 * 1024 * 1024
MAX_SECONDS: Final = 20.0
"""For each of the two or three passes over the variables."""


class Snapshots:
    """Saves sessions of an engine and makes sessions of what was saved."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._root = engine.settings.snapshot_dir

    async def save(self, session_id: str, name: str) -> dict[str, Any]:
        """Save a session's variables; return `path`, `size_bytes`, `saved` and, with reasons, `skipped`.

        Raises:
            NotFound: there is no such session.
            Forbidden: the name leads out of the folder of snapshots.
            BadRequest: nothing could be saved at all.
        """
        session = self._engine.session(session_id)
        place = self._place(name)
        cwd = self._folder(session)
        own = f".snapshot-{uuid.uuid4().hex}"
        try:
            report: dict[str, Any] = await session.inside(
                snapshot.save, path=str(cwd / own), max_bytes=MAX_BYTES, max_seconds=MAX_SECONDS
            )
            size = await asyncio.to_thread(_take, cwd, own, place)
        except (InsideError, OSError, files.FileError) as error:
            raise BadRequest(f"The session cannot be saved: {error}") from error
        finally:
            await asyncio.to_thread(_remove, cwd / own)
        return {**report, "path": name, "size_bytes": size}

    async def load(self, session_id: str, name: str, options: SessionOptions | None = None) -> dict[str, Any]:
        """Make a session of what was saved; return `session_id`, `variable_count`, `variables` and `skipped`.

        Raises:
            NotFound: there is no such snapshot.
            Forbidden: the name leads out of the folder of snapshots.
            Exists, TooMany, Unavailable: as when a session is created.
            BadRequest: it is no snapshot, was changed, or is of another Python; no session was made.
        """
        place = self._place(name)
        if not place.is_file():
            raise NotFound(f"Snapshot {name!r} not found.")
        session = await self._engine.create(session_id, options)
        try:
            cwd = self._folder(session)
            own = cwd / f".snapshot-{uuid.uuid4().hex}"
            try:
                await asyncio.to_thread(shutil.copyfile, place, own)
                report: dict[str, Any] = await session.inside(snapshot.load, path=str(own), max_bytes=MAX_BYTES)
            finally:
                await asyncio.to_thread(_remove, own)
        except BaseException as error:
            await self._engine.destroy(session_id)
            if isinstance(error, InsideError | OSError):
                raise BadRequest(f"Snapshot {name!r} cannot be loaded: {error}") from error
            raise
        return {"session_id": session_id, **report}

    def _place(self, name: str) -> Path:
        try:
            place = files.inside(self._root, name)
        except files.EscapeError as error:
            raise Forbidden(f"{error} A snapshot has a name below it, such as 'calc.pkl'.") from error
        if place == self._root.resolve() or place.is_dir():
            raise BadRequest("A snapshot has a name, such as 'calc.pkl'.")
        return place

    def _folder(self, session: Session) -> Path:
        cwd = session.life.request.cwd
        if self._engine.backend.name != "local" or cwd is None:
            raise NotPossible("Snapshots need kernels on this machine.")
        return cwd


def _take(cwd: Path, name: str, place: Path) -> int:
    """Put the file that a kernel wrote in its place, whole or not at all. User code may have made a link of it."""
    place.parent.mkdir(parents=True, exist_ok=True)
    handle, unfinished = tempfile.mkstemp(dir=place.parent, prefix=".snapshot-")
    try:
        with files.open_to_read(cwd, name) as source, os.fdopen(handle, "wb") as target:
            shutil.copyfileobj(source, target)
        os.replace(unfinished, place)
    except BaseException:
        os.unlink(unfinished)
        raise
    return place.stat().st_size


def _remove(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
