"""Where sessions live on disk: one folder each, below a place of the operator's choice or a temporary one."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from kernelet.service.settings import Settings


class Folders:
    """Makes and removes the folders of sessions. Blocking, milliseconds."""

    def __init__(self, settings: Settings) -> None:
        self._chosen = settings.work_dir
        self._output = settings.output_dir
        self._root: Path | None = None

    def open(self) -> None:
        """Make the place."""
        if self._chosen is not None:
            self._chosen.mkdir(parents=True, exist_ok=True)
            self._root = self._chosen.resolve()
        else:
            self._root = Path(tempfile.mkdtemp(prefix="kernelet-work-")).resolve()

    def close(self) -> None:
        """Remove the place, if it was ours."""
        if self._root is not None and self._chosen is None:
            shutil.rmtree(self._root, ignore_errors=True)

    def make(self, session_id: str) -> tuple[Path, Path]:
        """Return the working folder of a session and the one in which its outputs are looked for."""
        assert self._root is not None, "open() comes first"
        work = self._root / session_id
        work.mkdir(exist_ok=True)
        if self._output is None:
            return work, work
        self._output.mkdir(parents=True, exist_ok=True)
        return work, self._output.resolve()

    def remove(self, session_id: str) -> None:
        """Remove the folder of a session, unless the operator chose the place: then it is theirs."""
        if self._root is not None and self._chosen is None:
            shutil.rmtree(self._root / session_id, ignore_errors=True)
