"""What the tests of the service share: settings, and an engine for tests that are no coroutines."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from kernelet.service.engine import Engine
from kernelet.service.session import Session
from kernelet.service.settings import Settings

T = TypeVar("T")

QUICK = {"interrupt_grace": 1.0, "kill_grace": 0.5, "timeout_default": 60.0}
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
