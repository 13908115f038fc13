"""MCP over streamable HTTP at `/mcp` of the service, whose own checks of token, host and origin hold for it, too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

from kernelet.service.engine import Engine
from kernelet.service.heap import keep_for_good
from kernelet.service.snapshots import Snapshots
from kernelet.service.stdlib import Stdlib

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import ASGIApp, Receive, Scope, Send

    from .server import Choices

PATH = "/mcp"


def available() -> bool:
    """Tell whether the SDK is installed, without importing it: that takes most of a second."""
    from importlib.util import find_spec

    return find_spec("mcp") is not None


def refuse_mcp(app: FastAPI) -> None:
    """Say at /mcp of `app` what is missing."""
    from fastapi.responses import JSONResponse  # with the SDK or without, this module is imported by the service only

    async def missing() -> JSONResponse:
        return JSONResponse({"detail": "MCP is not installed: pip install 'kernelet[mcp]'"}, 501)

    app.add_api_route(PATH, missing, methods=["GET", "POST", "DELETE"], include_in_schema=False)


@asynccontextmanager
async def serve_mcp(
    app: FastAPI, engine: Engine, library: Stdlib, snapshots: Snapshots, choices: Choices | None = None
) -> AsyncIterator[None]:
    """Serve MCP at /mcp of `app` while this context is open; enter it in the app's lifespan."""
    from starlette.routing import Route

    on_demand = _OnDemand(engine, library, snapshots, choices)
    # First: nothing else is at this path, and trying all others took 4 % of a call.
    app.router.routes.insert(0, Route(PATH, endpoint=on_demand, include_in_schema=False))
    try:
        yield
    finally:
        await on_demand.close()


class _OnDemand:
    """The SDK's application, begun with the first request: the SDK takes 24 MB, and half a second to import."""

    def __init__(self, engine: Engine, library: Stdlib, snapshots: Snapshots, choices: Choices | None) -> None:
        self._made_of = engine, library, snapshots, choices
        self._application: asyncio.Future[ASGIApp] = asyncio.get_running_loop().create_future()
        self._over = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        application = await asyncio.shield(self._application)
        await application(scope, receive, send)

    async def close(self) -> None:
        """End what is in progress. What began it must also end it: a task of its own, not the first request's."""
        self._over.set()
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        try:
            sdk, ours = await asyncio.to_thread(_import)
            engine, library, snapshots, choices = self._made_of
            server = ours.KerneletServer(engine, library, snapshots, choices or ours.Choices()).server()
            manager = sdk.StreamableHTTPSessionManager(app=server, stateless=True)
            async with manager.run():
                self._application.set_result(sdk.StreamableHTTPASGIApp(manager))
                await self._over.wait()
        except Exception as error:  # whatever keeps the SDK from beginning: each request that waits for it raises it
            if self._application.done():
                raise
            self._application.set_exception(error)


def _import() -> tuple[ModuleType, ModuleType]:
    """Import in a thread, so that others are served meanwhile."""
    modules = import_module("mcp.server.streamable_http_manager"), import_module(f"{__package__}.server")
    keep_for_good()
    return modules
