"""The sessions: made, listed, executed in, interrupted, restarted, looked into, ended."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from kernelet.service.http.dependencies import EngineNow, Id, checked
from kernelet.service.http.models import (
    CreateRequest,
    Destroyed,
    Done,
    ExecuteRequest,
    History,
    Interrupted,
    SessionInfo,
    SessionList,
    Variable,
    Variables,
)
from kernelet.service.http.problems import responses
from kernelet.service.http.streaming import NDJSON, SSE, outcome, plain, stream, wanted
from kernelet.service.inspection import stats
from kernelet.service.result import ExecutionResult

router = APIRouter(prefix="/v1/sessions", tags=["sessions"])

_STREAMS: dict[str, Any] = {
    "description": "The result; or the events, with `Accept: text/event-stream` or `application/x-ndjson`.",
    "content": {SSE: {"schema": {"type": "string"}}, NDJSON: {"schema": {"type": "string"}}},
}


@router.post("", status_code=201, responses=responses(404, 409, 429, 501, 503))
async def create(body: CreateRequest, engine: EngineNow) -> SessionInfo:
    """Start a session: an interpreter whose variables last from call to call."""
    session = await engine.create(body.session_id, body.options())
    # A new kernel takes tens of milliseconds for its first question, and has no variables.
    return SessionInfo(**await stats(session, ask=False))


@router.get("", responses=responses())
async def sessions(engine: EngineNow) -> SessionList:
    """List the sessions."""
    found = await asyncio.gather(*(stats(session) for session in engine.sessions()))
    return SessionList(count=len(found), sessions=[SessionInfo(**one) for one in found])


@router.get("/{session_id}", responses=responses(404))
async def session(session_id: Id, engine: EngineNow) -> SessionInfo:
    """Return a session's statistics."""
    return SessionInfo(**await stats(engine.session(session_id)))


@router.delete("/{session_id}", responses=responses(404))
async def destroy(session_id: Id, engine: EngineNow) -> Destroyed:
    """End a session with all that it runs."""
    last = await engine.destroy(session_id)
    return Destroyed(message=f"Session '{session_id}' destroyed", final_stats=SessionInfo(**last))


@router.post(
    "/{session_id}/execute",
    response_model=ExecutionResult,
    responses={**responses(404, 409, 413, 429, 503), 200: _STREAMS},
)
async def execute(session_id: Id, body: ExecuteRequest, request: Request, engine: EngineNow) -> Response:
    """Run code. That it fails is a result like any other (`status`), not an HTTP error."""
    code = checked(body.code, engine)
    session = await engine.obtain(session_id)
    mime = wanted(request)
    execution = session.submit(code, body.options("sse" if mime == SSE else "ndjson" if mime else "rest"))
    go_on = body.on_disconnect == "continue"
    if mime is not None:
        return stream(session, execution, mime, go_on)
    return plain(await outcome(request, session, execution, go_on))


@router.post("/{session_id}/interrupt", responses=responses(404))
async def interrupt(session_id: Id, engine: EngineNow) -> Interrupted:
    """Interrupt what runs; what waits comes next."""
    return Interrupted(session_id=session_id, interrupted=engine.session(session_id).interrupt())


@router.post("/{session_id}/restart", responses=responses(404, 503))
async def restart(session_id: Id, engine: EngineNow) -> Done:
    """Replace the interpreter: variables and imports are gone, the history stays."""
    session = engine.session(session_id)
    await session.restart()
    return Done(message=f"Session '{session_id}' restarted", session_id=session_id, generation=session.generation)


@router.post("/{session_id}/clear", responses=responses(404, 503))
async def clear(session_id: Id, engine: EngineNow) -> Done:
    """Replace the interpreter and forget the history; the counts stay."""
    session = engine.session(session_id)
    await session.clear()
    return Done(
        message=f"Session '{session_id}' namespace cleared", session_id=session_id, generation=session.generation
    )


@router.get("/{session_id}/variables", responses=responses(404, 409, 429, 503))
async def variables(
    session_id: Id,
    engine: EngineNow,
    name: Annotated[str | None, Query(description="One variable, as text.")] = None,
    max_chars: Annotated[int | None, Query(ge=1, le=1_000_000)] = None,
) -> Variables | Variable:
    """List the variables, or show one of them. Waits for its turn behind running code."""
    found = await engine.session(session_id).variables(name, max_chars)
    return Variables(session_id=session_id, **found) if name is None else Variable(session_id=session_id, **found)


@router.get("/{session_id}/history", responses=responses(404))
async def history(session_id: Id, engine: EngineNow) -> History:
    """List the latest executions, oldest first."""
    return History(session_id=session_id, history=list(engine.session(session_id).journal.entries))  # type: ignore[arg-type]  # pydantic makes entries of dicts
