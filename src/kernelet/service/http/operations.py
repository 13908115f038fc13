"""For those who run the service: alive, ready, and numbers."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST

from kernelet import __version__
from kernelet.service.http.dependencies import EngineNow
from kernelet.service.http.models import Health
from kernelet.service.http.problems import problem, responses

router = APIRouter(tags=["operations"])


@router.get("/health")
async def health(engine: EngineNow) -> Health:
    """Say that the service is up. Needs no token."""
    return Health(version=__version__, backend=engine.backend.name, sessions=len(engine.sessions()))


@router.get("/ready", responses=responses(503))
async def ready(engine: EngineNow) -> Response:
    """Say whether kernels can be started."""
    up = await engine.backend.ready()
    engine.metrics.backend_up.set(up)
    if not up:
        return problem(503, "The backend cannot be reached.", 5)
    return JSONResponse({"status": "ready", "backend": engine.backend.name})


@router.get("/metrics", responses={**responses(), 200: {"content": {"text/plain": {"schema": {"type": "string"}}}}})
async def metrics(engine: EngineNow) -> Response:
    """Return the numbers in Prometheus' format."""
    engine.metrics.backend_up.set(await engine.backend.ready())
    engine.measure()
    return Response(engine.metrics.exposition(), media_type=CONTENT_TYPE_LATEST)
