"""For those who run the service: alive, ready, and numbers."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST

from kernelet import __version__
from kernelet.service.http.dependencies import EngineNow
from kernelet.service.http.models import Health, Ready
from kernelet.service.http.problems import problem, responses

router = APIRouter(tags=["operations"])


@router.get("/health")
async def health(engine: EngineNow) -> Health:
    """Say that the service is up. Needs no token."""
    return Health(version=__version__, backend=engine.backend.name, sessions=len(engine.sessions()))


@router.head("/health", include_in_schema=False)
async def alive() -> None:
    """Answer the probes that ask for no body."""


@router.get("/ready", response_model=Ready, responses=responses(503))
async def ready(engine: EngineNow) -> Response | Ready:
    """Say whether kernels can be started."""
    up = await engine.backend.ready()
    engine.metrics.backend_up.set(up)
    if not up:
        return problem(503, "The backend cannot be reached.", 5)
    return Ready(backend=engine.backend.name)


@router.get("/metrics", responses=responses(), response_class=PlainTextResponse)
async def metrics(engine: EngineNow) -> Response:
    """Return the numbers in Prometheus' format."""
    engine.metrics.backend_up.set(await engine.backend.ready())
    engine.metrics.zygote_up.set(engine.backend.zygote_up)
    engine.measure()
    return Response(engine.metrics.exposition(), media_type=CONTENT_TYPE_LATEST)
