"""`POST /process/interpreter/execute`: code in an interpreter of its own, which nothing survives."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import replace

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.background import BackgroundTask

from kernelet.service.execution import Options
from kernelet.service.http.dependencies import EngineNow, checked
from kernelet.service.http.models import OneShotRequest
from kernelet.service.http.problems import responses
from kernelet.service.http.sessions import _STREAMS
from kernelet.service.http.streaming import outcome, plain, stream, wanted
from kernelet.service.result import ExecutionResult

router = APIRouter(tags=["one-shot"])


class OneShotResult(ExecutionResult):
    """The result, with the session's id under the name that this interface gave it."""

    sessionId: str  # noqa: N815  # the interface's own spelling


@router.post(
    "/process/interpreter/execute",
    response_model=OneShotResult,
    responses={**responses(413, 429, 503), 200: _STREAMS},
)
async def execute(body: OneShotRequest, request: Request, engine: EngineNow) -> Response:
    """Run code in a new interpreter and discard it."""
    code = checked(body.code, engine)
    options = Options(surface="oneshot")
    options = replace(options, timeout=body.timeout or engine.settings.timeout_oneshot)
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(engine.ephemeral(body.envs))
        execution = session.submit(code, options)
        if mime := wanted(request):
            return stream(session, execution, mime, go_on=False, holder=stack.pop_all())
        result = await outcome(request, session, execution, go_on=False)
        answer = plain(result, sessionId=session.id)
        # The client need not wait until the kernel is gone; its place is free only then.
        answer.background = BackgroundTask(stack.pop_all().aclose)
        return answer
