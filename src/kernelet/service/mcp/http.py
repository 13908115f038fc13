"""MCP over streamable HTTP at `/mcp` of the service, whose own checks of token, host and origin hold for it, too."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from kernelet.service.engine import Engine
from kernelet.service.snapshots import Snapshots
from kernelet.service.stdlib import Stdlib

if TYPE_CHECKING:
    from fastapi import FastAPI

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
    from mcp.server.streamable_http_manager import StreamableHTTPASGIApp, StreamableHTTPSessionManager
    from starlette.routing import Route

    from .server import Choices, KerneletServer

    server = KerneletServer(engine, library, snapshots, choices or Choices()).server()
    manager = StreamableHTTPSessionManager(app=server, stateless=True)
    app.router.routes.append(Route(PATH, endpoint=StreamableHTTPASGIApp(manager), include_in_schema=False))
    async with manager.run():
        yield
