"""The kernel proxy's four endpoints: a kernel is a session, and its id the session's."""

from __future__ import annotations

from fastapi import APIRouter, Request

from kernelet.service.engine import SessionOptions
from kernelet.service.execution import Options
from kernelet.service.http.dependencies import EngineNow, checked
from kernelet.service.http.models import ExecuteCode, KernelId, Message, Messages, StartKernel
from kernelet.service.http.problems import responses
from kernelet.service.http.streaming import outcome

router = APIRouter(tags=["kernel proxy"])


@router.post("/start_kernel", responses=responses(404, 429, 503))
async def start_kernel(engine: EngineNow, body: StartKernel | None = None) -> KernelId:
    """Start a kernel; a body is not needed."""
    session = await engine.create(None, SessionOptions(kernel_name=body.name if body else "", include_stdlib=False))
    return KernelId(id=session.id)


@router.post("/execute_code", responses=responses(404, 409, 413, 429, 503))
async def execute_code(body: ExecuteCode, request: Request, engine: EngineNow) -> Messages:
    """Run code and return the Jupyter messages that answer it, the execute_reply among them."""
    session = engine.session(body.id)
    options = Options(timeout=body.timeout, include_messages=True, surface="proxy")
    execution = session.submit(checked(body.code, engine), options)
    result = await outcome(request, session, execution, go_on=False)
    return Messages(results=result.messages or [])


@router.post("/shutdown_kernel", responses=responses(404))
async def shutdown_kernel(body: KernelId, engine: EngineNow) -> Message:
    """End a kernel."""
    await engine.destroy(body.id)
    return Message(message=f"Kernel {body.id} shutdown")
