"""The whole of an output that a result shows in part: a file below the session's outputs. Blocking, small writes."""

from __future__ import annotations

from pathlib import Path

from kernelet.service.files import HIDDEN


class Spool:
    """The files of one execution's cut outputs; nothing is made before something is cut."""

    def __init__(self, root: Path | None, execution_id: str) -> None:
        self._root = root
        self._id = execution_id
        self.written: list[str] = []
        """Paths below the outputs, in order of appearance."""

    def path(self, suffix: str) -> str | None:
        """Return the path, below the outputs, of the file that ends in `suffix`."""
        return f"{HIDDEN}/{self._id}.{suffix}" if self._root is not None else None

    def append(self, suffix: str, data: str | bytes) -> str | None:
        """Append to the file that ends in `suffix`; return its path below the outputs, None where nothing is kept."""
        path = self.path(suffix)
        if self._root is None or path is None:
            return None
        place = self._root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        raw = data.encode("utf-8", "replace") if isinstance(data, str) else data
        with place.open("ab") as file:
            file.write(raw)
        if path not in self.written:
            self.written.append(path)
        return path
