"""The FastAPI application around an engine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import APIRouter, FastAPI

from kernelet import __version__
from kernelet.service.engine import Engine
from kernelet.service.http import file_routes, oneshot, operations, problems, proxy, sessions, socket
from kernelet.service.http.guard import Guard
from kernelet.service.http.request_log import RequestLog
from kernelet.service.settings import Settings

ROUTERS: Sequence[APIRouter] = (
    sessions.router,
    file_routes.router,
    oneshot.router,
    proxy.router,
    operations.router,
    socket.router,
)

_DESCRIPTION = """Stateful Python for applications and AI agents: sessions of an IPython kernel, or one-shot executions.

Every call but `GET /health` shows the token: `Authorization: Bearer TOKEN`.
"""


def create_app(settings: Settings | None = None, engine: Engine | None = None) -> FastAPI:
    """Return the application; its engine is opened and closed with it."""
    if engine is None:
        engine = Engine(settings or Settings())
    served = engine

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(served)
            yield

    app = FastAPI(title="kernelet", version=__version__, description=_DESCRIPTION, lifespan=lifespan)
    app.state.engine = served
    problems.install(app)
    for router in ROUTERS:
        app.include_router(router)
    app.add_middleware(Guard, settings=served.settings)
    app.add_middleware(RequestLog)
    return app
