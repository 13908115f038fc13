"""The ten tools for named sessions: each answers the dict that its specification names, with `success` first.

`success` is true when the code ended well, not when the call was made: code that raised is no success.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from kernelet.service.engine import Engine, SessionOptions
from kernelet.service.errors import Exists, NotFound, ServiceError
from kernelet.service.inside.expression import InsideError
from kernelet.service.inspection import stats
from kernelet.service.result import ExecutionResult
from kernelet.service.snapshots import Snapshots
from kernelet.service.stdlib import Stdlib, StdlibError

Answer = dict[str, Any]


class Repl:
    """The tools but execute_repl, which streams and is the server's."""

    def __init__(self, engine: Engine, library: Stdlib, snapshots: Snapshots) -> None:
        self._engine = engine
        self._library = library
        self._snapshots = snapshots
        self.tools: dict[str, Callable[..., Awaitable[Answer]]] = {
            tool.__name__: tool
            for tool in (
                self.create_repl_session,
                self.list_repl_sessions,
                self.get_session_namespace,
                self.destroy_repl_session,
                self.clear_repl_session,
                self.save_repl_session,
                self.load_repl_session,
                self.add_to_stdlib,
                self.list_stdlib_functions,
            )
        }

    async def call(self, name: str, arguments: dict[str, Any]) -> Answer:
        """Call a tool; what is refused is an answer too, which a model reads."""
        try:
            return {"success": True, **await self.tools[name](**arguments)}
        except Exists as error:
            # The specification's words: a model does what they say.
            said = f"Session '{arguments['session_id']}' already exists."
            said += " Use destroy_repl_session() first or choose different ID."
            return {**refused(error), "error": said}
        except (ServiceError, StdlibError, InsideError) as error:
            return refused(error)

    async def create_repl_session(self, session_id: str | None = None, include_stdlib: bool = True) -> Answer:
        session = await self._engine.create(session_id, SessionOptions(include_stdlib=include_stdlib))
        return {
            "session_id": session.id,
            "created_at": session.journal.created_at,
            "stdlib_loaded": session.include_stdlib,
        }

    async def list_repl_sessions(self) -> Answer:
        sessions = [await stats(session) for session in self._engine.sessions()]
        return {"count": len(sessions), "sessions": sessions}

    async def get_session_namespace(self, session_id: str, variable_name: str | None = None) -> Answer:
        session = self._engine.session(session_id)
        return {"session_id": session_id, **await session.variables(variable_name)}

    async def destroy_repl_session(self, session_id: str) -> Answer:
        final = await self._engine.destroy(session_id)
        return {"message": f"Session '{session_id}' destroyed", "final_stats": final}

    async def clear_repl_session(self, session_id: str) -> Answer:
        await self._engine.session(session_id).clear()
        return {"message": f"Session '{session_id}' namespace cleared", "session_id": session_id}

    async def save_repl_session(self, session_id: str, filepath: str) -> Answer:
        saved = await self._snapshots.save(session_id, filepath)
        return {
            "message": f"Session saved to {filepath}",
            "filepath": filepath,
            "session_id": session_id,
            **{key: value for key, value in saved.items() if key != "path"},
        }

    async def load_repl_session(self, session_id: str, filepath: str) -> Answer:
        loaded = await self._snapshots.load(session_id, filepath)
        return {"message": f"Session loaded from {filepath}", **loaded, "session_id": session_id}

    async def add_to_stdlib(self, function_code: str) -> Answer:
        names = await self._library.add(function_code)
        return {
            "message": f"Added to the standard library: {', '.join(names) or 'no function'}",
            "note": "New sessions will include this function. Existing sessions not affected.",
        }

    async def list_stdlib_functions(self) -> Answer:
        return dict(await self._library.listing())


def refused(error: Exception) -> Answer:
    """Return the answer that stands for a refusal."""
    return {"success": False, "error": str(error), "exception_type": type(error).__name__}


def no_session(session_id: str, error: NotFound) -> Answer:
    """Return the answer of execute_repl where there is no such session."""
    return {**refused(error), "error": f"Session '{session_id}' not found. Create it first with create_repl_session()."}


def executed(result: ExecutionResult, timeout: float) -> Answer:
    """Return the answer of execute_repl."""
    answer: Answer = {
        "success": result.status == "ok",
        "stdout": result.stdout,
        "stderr": result.stderr,
        "execution_time": result.timing.exec_ms / 1000,
        "needs_more_input": result.needs_more_input,
        "status": result.status,
    }
    values = [output.data["text/plain"] for output in result.results if "text/plain" in output.data]
    if values:
        answer["result"] = values[-1]
    if result.error is not None:
        answer["error"] = f"{result.error.name}: {result.error.value}"
        answer["exception_type"] = result.error.name
        answer["traceback"] = result.error.traceback
    if result.timed_out:
        answer["error"] = f"Execution timeout ({timeout:g}s)"
        answer["timeout"] = timeout
    elif result.status != "ok" and "error" not in answer:
        answer["error"] = result.notice or f"Execution ended: {result.status}"
    if result.notice:
        answer["notice"] = answer["note"] = result.notice
    if result.state_lost:
        answer["state_lost"] = True
    if result.full_output:
        answer["full_output"] = result.full_output
    if result.files:
        answer["files"] = [file.model_dump(exclude_none=True) for file in result.files]
    return answer
