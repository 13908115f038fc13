"""The files that sessions wrote, as MCP resources `output://SESSION/PATH`: a client reads what a result has named."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote

import mcp_types as types
from mcp import MCPError

from kernelet.service import files
from kernelet.service.engine import Engine
from kernelet.service.errors import ServiceError

SCHEME: Final = "output://"
MAX_BYTES: Final = 10_000_000

TEMPLATE: Final = types.ResourceTemplate(
    name="output",
    uri_template=SCHEME + "{session}/{+path}",
    description="A file that the code of a session wrote to its output folder.",
)


class Resources:
    """Lists and reads the output folders of an engine's sessions."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def list(self) -> types.ListResourcesResult:
        """Return the files of all sessions, at most a hundred of each."""
        found = []
        for session in self._engine.sessions():
            if session.output is None:
                continue
            for entry in await asyncio.to_thread(files.listing, session.output):
                uri = f"{SCHEME}{session.id}/{quote(entry.path)}"
                found.append(types.Resource(uri=uri, name=entry.path, mime_type=entry.mime, size=entry.size))
        return types.ListResourcesResult(resources=found)

    async def read(self, uri: str) -> types.ReadResourceResult:
        """Return a file: as text if it is that, else as a blob.

        Raises:
            MCPError: there is no such file, it leads out of the folder, or it is too large.
        """
        session_id, slash, path = unquote(uri.removeprefix(SCHEME)).partition("/")
        if not uri.startswith(SCHEME) or not slash:
            raise MCPError(types.INVALID_PARAMS, f"{uri} is not of the form {TEMPLATE.uri_template}")
        try:
            root = self._engine.session(session_id).output
            if root is None:
                raise files.AbsentError("This session has no output folder.")
            data = await asyncio.to_thread(_read, root, path)
        except (ServiceError, files.FileError) as error:
            raise MCPError(types.INVALID_PARAMS, str(error)) from error
        mime = files.mime_of(path)
        try:
            contents: types.TextResourceContents | types.BlobResourceContents = types.TextResourceContents(
                uri=uri, mime_type=mime, text=data.decode()
            )
        except UnicodeDecodeError:
            blob = base64.b64encode(data).decode()
            contents = types.BlobResourceContents(uri=uri, mime_type=mime, blob=blob)
        return types.ReadResourceResult(contents=[contents])


def _read(root: Path, path: str) -> bytes:
    with files.open_to_read(root, path) as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise files.FileError(f"{path!r} has more than {MAX_BYTES} bytes; get it over HTTP.")
    return data
