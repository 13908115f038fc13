"""Events on the way to an HTTP client, as JSON lines or server-sent events. A client that goes away ends the code."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from kernelet.service.execution import Execution
from kernelet.service.result import Event, ExecutionResult
from kernelet.service.session import Session

SSE = "text/event-stream"
NDJSON = "application/x-ndjson"

Holder = AbstractAsyncContextManager[object]
"""What must be left when the answer is complete: the session of a one-shot."""


def wanted(request: Request) -> str | None:
    """Return the stream that the client asks for in Accept, None for plain JSON."""
    accept = request.headers.get("accept", "")
    return next((mime for mime in (SSE, NDJSON) if mime in accept), None)


def line(event: Event, mime: str) -> bytes:
    """Return an event as it goes over the wire."""
    body = event.model_dump_json()
    return f"data: {body}\n\n".encode() if mime == SSE else f"{body}\n".encode()


async def outcome(request: Request, session: Session, execution: Execution, go_on: bool) -> ExecutionResult:
    """Return the result; if the client goes away before, the code is interrupted unless it may `go_on`."""
    gone = asyncio.create_task(_disconnected(request))
    try:
        ends: set[asyncio.Future[Any]] = {execution.result, gone}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if not execution.result.done() and not go_on:
            session.stop(execution, "disconnect")
        return await execution.result
    finally:
        gone.cancel()
        if not execution.result.done() and not go_on:
            session.stop(execution, "disconnect")


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def stream(
    session: Session, execution: Execution, mime: str, go_on: bool, holder: Holder | None = None
) -> StreamingResponse:
    """Return the events as they happen."""
    subscription = execution.subscribe()

    async def body() -> AsyncIterator[bytes]:
        async with holder or nullcontext():
            try:
                async for event in subscription.events():
                    yield line(event, mime)
            finally:
                if not go_on:
                    session.stop(execution, "disconnect")

    # A proxy that collects the answer first makes no stream of it.
    return StreamingResponse(body(), media_type=mime, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})


def plain(result: ExecutionResult, **more: object) -> Response:
    """Return a result as JSON, with `more` keys of a surface."""
    if more:
        return JSONResponse({**result.model_dump(mode="json"), **more})
    return Response(result.model_dump_json(), media_type="application/json")
