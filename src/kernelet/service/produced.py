"""The files that executions of one session produce, as results name them."""

from __future__ import annotations

import asyncio
from pathlib import Path

from kernelet.service.files import OutputFolder
from kernelet.service.result import OutputFile


class Produced:
    """Looks at the output folder of a session after each execution."""

    def __init__(self, session_id: str, output: Path | None) -> None:
        self._session_id = session_id
        self._folder = OutputFolder(output) if output else None

    async def look(self) -> None:
        """Take what is there now as known: it is no execution's."""
        if self._folder:
            await asyncio.to_thread(self._folder.look)

    async def new(self) -> list[OutputFile]:
        """Return the files that are new or changed since the last look, and take them as known."""
        if self._folder is None:
            return []
        changed = await asyncio.to_thread(self._folder.changes)
        if changed:
            await self.look()
        base = f"/v1/sessions/{self._session_id}/files"
        return [OutputFile(path=one.path, size=one.size, mime=one.mime, url=f"{base}/{one.path}") for one in changed]
