"""What a list of sessions shows of each."""

from __future__ import annotations

import contextlib
from typing import Any

from kernelet.service.errors import ServiceError
from kernelet.service.inside import variables
from kernelet.service.inside.expression import InsideError
from kernelet.service.session import Session


async def stats(session: Session, *, ask: bool = True) -> dict[str, Any]:
    """Return the statistics of a session. With `ask`, and while it is idle, its kernel is asked for the variables."""
    if session.life.untouched:
        session.known_variables = []
    elif ask and session.state == "idle":
        with contextlib.suppress(ServiceError, InsideError):
            session.known_variables = await session.inside(variables.own_names)
    return {
        "session_id": session.id,
        "state": session.state,
        "created_at": session.journal.created_at,
        "last_executed": session.journal.last_executed,
        "execution_count": session.journal.execution_count,
        "generation": session.generation,
        "queued": session.queued,
        "variable_count": len(session.known_variables),
        "variables": session.known_variables,
        "memory_bytes": session.life.memory_bytes(),
        "stdlib_loaded": session.include_stdlib,
    }
