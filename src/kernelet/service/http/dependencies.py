"""What endpoints ask for: the engine, and code that is not too long."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path
from starlette.requests import HTTPConnection

from kernelet.service.engine import Engine
from kernelet.service.errors import TooLarge


async def engine_of(connection: HTTPConnection) -> Engine:
    """Return the engine of the application. Async: FastAPI calls anything else in another thread."""
    engine: Engine = connection.app.state.engine
    return engine


EngineNow = Annotated[Engine, Depends(engine_of)]
Id = Annotated[str, Path(description="The session's id; `default` is there when it is wanted.", examples=["default"])]


def checked(code: str, engine: Engine) -> str:
    """Return code that is not too long. Raises TooLarge."""
    size, limit = len(code.encode("utf-8", "replace")), engine.settings.max_code_bytes
    if size > limit:
        raise TooLarge(f"The code has {size} bytes, over the limit of {limit}; upload a file and run that.")
    return code
