"""What the tests of the service share: settings, and an engine for tests that are no coroutines."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

import httpx

from kernelet.service.engine import Engine
from kernelet.service.server import make_server
from kernelet.service.session import Session
from kernelet.service.settings import Settings

T = TypeVar("T")

QUICK = {"interrupt_grace": 1.0, "kill_grace": 0.5, "timeout_default": 60.0, "preload": []}
"""Short graces, long timeouts: a loaded machine must not look like code that hangs."""


def settings(**changes: Any) -> Settings:
    """Return settings that no environment and no .env changes."""
    return Settings(_env_file=None, **{**QUICK, **changes})  # type: ignore[call-arg]


class Sync:
    """An engine in a loop of its own, called from tests that are no coroutines."""

    def __init__(self, engine: Callable[[], Engine]) -> None:
        self.runner = asyncio.Runner()
        self.engine = self(self._open(engine))

    @staticmethod
    async def _open(make: Callable[[], Engine]) -> Engine:
        engine = make()
        await engine.open()
        return engine

    def __call__(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(asyncio.wait_for(coroutine, 60))

    def session(self, session_id: str | None = None) -> Session:
        return self(self.engine.create(session_id))

    def close(self) -> None:
        self(self.engine.close())
        self.runner.close()


async def begun(session: Session) -> None:
    """Wait until the session executes something."""
    async with asyncio.timeout(30):
        while session.current is None:  # noqa: ASYNC110  # tests look, the session tells nobody
            await asyncio.sleep(0.01)


TOKEN = "the-token-of-the-tests"


class Served:
    """A server in a thread of its own, and a client of it."""

    def __init__(self, **changes: Any) -> None:
        chosen = settings(**{"port": 0, "token": TOKEN, "ping_interval": 0.5, **changes})
        address: Future[str] = Future()
        self.server = make_server(chosen, announce=address.set_result)
        self.thread = threading.Thread(target=self.server.run, name="kernelet server")
        self.thread.start()
        self.url = address.result(30)
        self.client = httpx.Client(
            base_url=self.url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60, trust_env=False
        )

    @property
    def engine(self) -> Engine:
        engine: Engine = self.server._engine
        return engine

    def session(self) -> str:
        """Make a session and return the path of its endpoints."""
        answer = self.client.post("/v1/sessions", json={})
        assert answer.status_code == 201, answer.text
        return f"/v1/sessions/{answer.json()['session_id']}"

    def execute(self, path: str, code: str, **more: Any) -> dict[str, Any]:
        """Run code and return the result."""
        answer = self.client.post(f"{path}/execute", json={"code": code, **more})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def close(self) -> None:
        self.client.close()
        self.server.should_exit = True
        self.thread.join(30)
        assert not self.thread.is_alive()
