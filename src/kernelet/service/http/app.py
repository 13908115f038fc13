"""The FastAPI application around an engine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import APIRouter, FastAPI

from kernelet import __version__
from kernelet.service.engine import Engine
from kernelet.service.http import document, file_routes, kept, oneshot, operations, problems, proxy, sessions, socket
from kernelet.service.http.guard import OPEN, Guard
from kernelet.service.http.request_log import RequestLog
from kernelet.service.library import library_of
from kernelet.service.mcp import http as mcp_http
from kernelet.service.settings import Settings
from kernelet.service.snapshots import Snapshots
from kernelet.service.web import OPEN_PATHS, add_page

ROUTERS: Sequence[APIRouter] = (
    sessions.router,
    kept.router,
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
    served, library, snapshots = engine, library_of(engine), Snapshots(engine)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(served)
            if mcp_http.available():
                await stack.enter_async_context(mcp_http.serve_mcp(app, served, library, snapshots))
            else:
                mcp_http.refuse_mcp(app)
            yield

    # FastAPI's own pages load scripts from elsewhere and cannot show a token: /docs is ours.
    app = FastAPI(
        title="kernelet",
        version=__version__,
        description=_DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.state.engine, app.state.library, app.state.snapshots = served, library, snapshots
    problems.install(app)
    for router in ROUTERS:
        app.include_router(router)
    add_page(app)
    document.complete(app)
    app.add_middleware(Guard, settings=served.settings, open_paths=OPEN | OPEN_PATHS)
    app.add_middleware(RequestLog)
    return app
