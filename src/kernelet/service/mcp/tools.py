"""The tools as clients see them: names, schemas, descriptions, hints. Few words: a model reads them in every turn."""

from __future__ import annotations

from typing import Any, Final, Literal

import mcp_types as types

Choice = Literal["ipython", "repl", "all"]

_EXECUTES: Final = types.ToolAnnotations(read_only_hint=False, destructive_hint=True, open_world_hint=True)
_LOOKS: Final = types.ToolAnnotations(read_only_hint=True, open_world_hint=False)
_MAKES: Final = types.ToolAnnotations(read_only_hint=False, destructive_hint=False, open_world_hint=False)
_DESTROYS: Final = types.ToolAnnotations(
    read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=False
)

IPYTHON_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "code": {"type": "string", "description": "Python code to run in the IPython environment"},
        "restart": {
            "type": "boolean",
            "default": False,
            "description": "Whether to restart the IPython environment (resets all variables and imports)",
        },
    },
    "required": ["code"],
}

_MORE: Final[dict[str, Any]] = {
    "timeout": {"type": "number", "description": "Maximum execution time in seconds"},
    "session_id": {"type": "string", "description": "Which environment; each has its own variables"},
}


def ipython(name: str, *, more_arguments: bool, timeout: float, max_chars: int) -> types.Tool:
    """Return the `ipython` tool; with `more_arguments` it takes `timeout` and `session_id` too."""
    schema = IPYTHON_SCHEMA
    if more_arguments:
        schema = {**schema, "properties": {**schema["properties"], **_MORE}}
    return types.Tool(
        name=name,
        title="IPython",
        description=(
            "Run Python in an IPython environment that keeps variables and imports from call to call. Returns what is "
            "printed, the value of the last expression, plots (no plt.show() needed) and tracebacks. `!command` runs a "
            f"shell command. A call ends after {timeout:g} s; text over {max_chars} characters is cut in the middle."
        ),
        input_schema=schema,
        annotations=_EXECUTES,
    )


def _schema(required: str = "", **properties: dict[str, Any]) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    if required:
        schema["required"] = required.split()
    return schema


def _text(description: str) -> dict[str, Any]:
    return {"type": "string", "description": description}


def _optional_text(description: str) -> dict[str, Any]:
    return {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None, "description": description}


_SESSION: Final = _text("Session identifier")


def repl() -> list[types.Tool]:
    """Return the ten tools for named sessions."""

    def tool(name: str, description: str, schema: dict[str, Any], hints: types.ToolAnnotations) -> types.Tool:
        return types.Tool(name=name, description=description, input_schema=schema, annotations=hints)

    return [
        tool(
            "create_repl_session",
            "Create a Python session whose variables persist across execute_repl calls.",
            _schema(
                session_id=_optional_text("Session identifier; a UUID if not given"),
                include_stdlib={
                    "type": "boolean",
                    "default": True,
                    "description": "Whether to load the standard library of functions",
                },
            ),
            _MAKES,
        ),
        tool(
            "execute_repl",
            "Run Python in a session. Returns stdout, stderr, the last value, plots and, on failure, the error.",
            _schema(
                "session_id code",
                session_id=_SESSION,
                code=_text("Python code to execute"),
                timeout={
                    "type": "integer",
                    "default": 55,
                    "minimum": 1,
                    "description": "Maximum execution time in seconds",
                },
            ),
            _EXECUTES,
        ),
        tool("list_repl_sessions", "List the sessions with their statistics.", _schema(), _LOOKS),
        tool(
            "get_session_namespace",
            "List the variables of a session, or show one.",
            _schema("session_id", session_id=_SESSION, variable_name=_optional_text("Variable to show")),
            _LOOKS,
        ),
        tool(
            "destroy_repl_session",
            "End a session and free what it uses.",
            _schema("session_id", session_id=_SESSION),
            _DESTROYS,
        ),
        tool(
            "clear_repl_session",
            "Remove all variables of a session and keep the session.",
            _schema("session_id", session_id=_SESSION),
            _DESTROYS,
        ),
        tool(
            "save_repl_session",
            "Save the variables of a session; tells what could not be saved.",
            _schema("session_id filepath", session_id=_SESSION, filepath=_text("Name of the snapshot, e.g. calc.pkl")),
            _MAKES,
        ),
        tool(
            "load_repl_session",
            "Make a session of a saved one; its id may be another.",
            _schema("session_id filepath", session_id=_SESSION, filepath=_text("Name of the snapshot")),
            _EXECUTES,
        ),
        tool(
            "add_to_stdlib",
            "Add a function to the standard library of new sessions; replaces one of the same name.",
            _schema("function_code", function_code=_text("Python function definition")),
            _EXECUTES,
        ),
        tool("list_stdlib_functions", "List what the standard library has.", _schema(), _LOOKS),
    ]
