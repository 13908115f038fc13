"""uvicorn around the application: loopback unless told otherwise, and an end that leaves no process."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI

from kernelet.service.engine import Engine
from kernelet.service.heap import keep_for_good
from kernelet.service.http.app import create_app
from kernelet.service.settings import Settings

_LAST_ANSWERS_S = 3
"""How long answers may take once everything that runs has been ended."""


class Server(uvicorn.Server):
    """A server that ends the executions first: streams end with a result, not with a broken connection."""

    def __init__(self, config: uvicorn.Config, engine: Engine, announce: Callable[[str], None]) -> None:
        super().__init__(config)
        self._engine = engine
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin, and announce the address: nobody knows the port before when any would do."""
        await super().startup(sockets)
        if self.started and self.servers and self.servers[0].sockets:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            keep_for_good()
            self._announce(f"http://{f'[{host}]' if ':' in host else host}:{port}")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End what runs, then answer it, then close."""
        await self._engine.close()
        await super().shutdown(sockets)


def make_server(
    settings: Settings, app: FastAPI | None = None, announce: Callable[[str], None] = lambda url: None
) -> Server:
    """Return a server that has not begun; `announce` is told its address once it has."""
    app = app or create_app(settings)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_LAST_ANSWERS_S,
        ws_ping_interval=20,
        # A frame holds code: JSON may write a byte of it in six.
        ws_max_size=6 * settings.max_code_bytes + 4096,
    )
    return Server(config, app.state.engine, announce)


def with_token(settings: Settings) -> Settings:
    """Return settings with a token: the operator's, or a new one where one is needed."""
    if settings.token or settings.insecure_no_auth:
        return settings
    return settings.model_copy(update={"token": secrets.token_urlsafe(24)})
