"""The standard library at work: every new kernel of a session that wants it gets it, and changes are tried first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kernelet.service.engine import Engine
from kernelet.service.errors import Conflict
from kernelet.service.inside import stdlib as inside
from kernelet.service.inside.expression import InsideError
from kernelet.service.session import Session
from kernelet.service.stdlib import Stdlib, StdlibError


def library_of(engine: Engine) -> Stdlib:
    """Return the engine's standard library, and give it to every kernel that is born from now on."""

    async def trial(source: str) -> Mapping[str, Any]:
        async with engine.ephemeral() as session:
            answer: Mapping[str, Any] = await session.inside(inside.kinds, source=source)
            return answer

    library = Stdlib(engine.settings.stdlib_path, trial)

    async def prelude(session: Session) -> None:
        try:
            source = library.source()
            if source:
                await session.life.inside(inside.load, source=source)
        except (StdlibError, InsideError) as error:
            # Loud: a library that is dropped without a word is missed only later, and elsewhere.
            raise Conflict(
                f"The standard library cannot be loaded: {error} Mend {engine.settings.stdlib_path.name}, "
                "or create the session with include_stdlib=false."
            ) from error

    engine.prelude = prelude
    return library
