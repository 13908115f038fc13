"""Files of a session, in and out."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path as FilePath
from typing import Annotated

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response, StreamingResponse

from kernelet.service import files
from kernelet.service.errors import NotPossible, TooLarge
from kernelet.service.http.dependencies import EngineNow, Id
from kernelet.service.http.models import FileInfo, Files
from kernelet.service.http.problems import responses
from kernelet.service.session import Session

router = APIRouter(prefix="/v1/sessions/{session_id}/files", tags=["files"])

_CHUNK = 1 << 18
_BINARY = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
Place = Annotated[str, Path(description="A path below the session's folder.", examples=["plots/one.png"])]


def _root(session: Session) -> FilePath:
    if session.output is None or session.life.is_remote:
        raise NotPossible("The files of a remote kernel are where it runs.")
    return session.output


@router.get("", responses=responses(404, 501))
async def listing(session_id: Id, engine: EngineNow) -> Files:
    """List the files in the session's folder."""
    root = _root(engine.session(session_id))
    found = await asyncio.to_thread(files.listing, root)
    return Files(session_id=session_id, files=[FileInfo(**asdict(one)) for one in found])


@router.get(
    "/{path:path}",
    responses={**responses(404, 409, 501), 200: {"content": _BINARY}},
    response_class=StreamingResponse,
)
async def download(session_id: Id, path: Place, engine: EngineNow) -> Response:
    """Return a file's contents."""
    file = await asyncio.to_thread(files.open_to_read, _root(engine.session(session_id)), path)

    def contents() -> Iterator[bytes]:
        with file:
            while chunk := file.read(_CHUNK):
                yield chunk

    # Never as HTML: what user code writes must not run as a page of ours.
    headers = {"X-Content-Type-Options": "nosniff", "Content-Disposition": "attachment"}
    return StreamingResponse(contents(), media_type="application/octet-stream", headers=headers)


@router.put(
    "/{path:path}",
    status_code=201,
    responses=responses(404, 409, 413, 501),
    openapi_extra={"requestBody": {"content": _BINARY}},
)
async def upload(session_id: Id, path: Place, request: Request, engine: EngineNow) -> FileInfo:
    """Write a file, whole or not at all."""
    session = engine.session(session_id)
    limit = engine.settings.fsize_mb * (1 << 20) or (1 << 30)
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > limit:
            raise TooLarge(f"A file may have {limit} bytes.")
    written = await asyncio.to_thread(files.write, _root(session), path, bytes(data))
    await session.produced.look()
    return FileInfo(**asdict(written))


@router.delete("/{path:path}", status_code=204, responses=responses(404, 409, 501))
async def delete(session_id: Id, path: Place, engine: EngineNow) -> None:
    """Delete a file."""
    session = engine.session(session_id)
    await asyncio.to_thread(files.delete, _root(session), path)
