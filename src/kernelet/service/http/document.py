"""The OpenAPI document beyond what the signatures say: that a token is needed, and an example of whatever is sent."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI

_SESSION: Final = {
    "session_id": "analysis", "state": "idle", "created_at": "2026-11-21T07:43:30.992721Z",
    "last_executed": "2026-11-21T07:43:31.400286Z", "execution_count": 2, "generation": 0, "queued": 0,
    "variable_count": 1, "variables": ["x"], "memory_bytes": 33124352, "stdlib_loaded": True,
}  # fmt: skip
_RESULT: Final = {
    "execution_id": "5f3c1c9e0d5b4d0f8f0a6d1f2b3c4d5e", "session_id": "analysis", "status": "ok", "stdout": "Hello\n",
    "stderr": "", "results": [{"type": "result", "data": {"text/plain": "42"}, "metadata": {}, "display_id": None}],
    "error": None, "execution_count": 1, "needs_more_input": False, "exit_code": None, "timed_out": False,
    "state_lost": False, "cause": None, "truncated": None, "full_output": None,
    "timing": {"queued_ms": 0.1, "exec_ms": 4.1, "total_ms": 4.2, "started_at": "2026-11-21T07:43:31.341480Z",
               "ended_at": "2026-11-21T07:43:31.345580Z"},
    "files": [], "notice": None, "generation": 0, "messages": None,
}  # fmt: skip
_FILE: Final = {"path": "plots/one.png", "size": 4711, "mime": "image/png"}
_KERNEL: Final = {"id": "5d4a4b7e-7a0e-4b8c-9c55-0d7a8a3f0c11"}

SCHEMAS: Final[dict[str, dict[str, Any]]] = {
    # What clients send. Each works as it stands (tests/service/test_document.py sends it).
    "CreateRequest": {"session_id": "analysis", "envs": {"NAME": "value"}, "limits": {"memory_mb": 1024}},
    "ExecuteRequest": {"code": "print('Hello')\n6 * 7", "timeout": 30},
    "OneShotRequest": {
        "code": "import os; print(os.environ['MY_VAR'])", "timeout": 300, "envs": {"MY_VAR": "value"},
    },
    "SaveRequest": {"name": "calc.pkl"},
    "LoadRequest": {"session_id": "revived", "name": "calc.pkl"},
    "AddRequest": {"function_code": "import json\n\ndef double(n):\n    return 2 * n"},
    "StartKernel": {"name": ""},
    "ExecuteCode": {**_KERNEL, "code": "print('Hello, World!')"},
    # What they get.
    "SessionInfo": _SESSION,
    "SessionList": {"count": 1, "sessions": [_SESSION]},
    "Destroyed": {"success": True, "message": "Session 'analysis' destroyed", "final_stats": _SESSION},
    "ExecutionResult": _RESULT,
    "OneShotResult": {**_RESULT, "sessionId": "analysis"},
    "Interrupted": {"session_id": "analysis", "interrupted": True},
    "Done": {"success": True, "message": "Session 'analysis' restarted", "session_id": "analysis", "generation": 1},
    "History": {
        "session_id": "analysis",
        "history": [
            {"code": "x = 6\nx * 7", "timestamp": "2026-11-21T07:43:31.341480Z", "execution_time": 0.0041,
             "execution_count": 1, "status": "ok"},
        ],
    },
    "Saved": {"success": True, "path": "calc.pkl", "size_bytes": 389, "saved": ["x"],
              "skipped": [{"name": "lock", "type": "lock", "reason": "TypeError: cannot pickle it"}]},
    "Loaded": {"success": True, "session_id": "revived", "variable_count": 1, "variables": ["x"], "skipped": []},
    "Library": {"success": True, "functions": ["double"], "modules": ["json"], "other": [], "count": 2},
    "Added": {"success": True, "message": "Added to the standard library: double", "names": ["double"]},
    "Files": {"session_id": "analysis", "files": [_FILE]},
    "FileInfo": _FILE,
    "KernelId": _KERNEL,
    "Messages": {
        "results": [
            {"header": {"msg_type": "stream", "msg_id": "9f2c_1", "session": "9f2c", "username": "kernelet",
                        "date": "2026-11-21T07:43:31.341480Z", "version": "5.4"},
             "parent_header": {"msg_id": "5f3c1c9e0d5b4d0f"}, "metadata": {},
             "content": {"name": "stdout", "text": "Hello, World!\n"}},
        ]
    },
    "Message": {"message": f"Kernel {_KERNEL['id']} shutdown"},
    "Health": {"status": "ok", "version": "0.1.0", "backend": "local", "sessions": 1},
    "Ready": {"status": "ready", "backend": "local"},
    "Variables": {"success": True, "session_id": "analysis", "variables": ["x"], "count": 1,
                  "details": [{"name": "x", "type": "int", "summary": "6"}]},
    "Variable": {"success": True, "session_id": "analysis", "variable": "x", "type": "int", "value": "6", "repr": "6"},
    "Problem": {"detail": "Session 'analysis' not found."},
}  # fmt: skip
"""By the name of the schema."""

_STREAMED: Final = (
    '{"id":"5f3c","seq":0,"type":"started","execution_count":1}',
    '{"id":"5f3c","seq":1,"type":"stdout","text":"Hello\\n"}',
    '{"id":"5f3c","seq":2,"type":"done","result":{"execution_id":"5f3c","session_id":"analysis","status":"ok"}}',
)
EXAMPLES: Final[dict[str, Any]] = {
    "text/event-stream": "".join(f"data: {line}\n\n" for line in _STREAMED),
    "application/x-ndjson": "".join(f"{line}\n" for line in _STREAMED),
    "text/plain": 'kernelet_sessions{state="idle"} 1.0\n',
    "application/octet-stream": "a,b\n1,2\n",
}
"""By content type, where there is no schema to speak of."""


def complete(app: FastAPI) -> None:
    """Have the application complete its document when it is first asked for."""
    made = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _completed(made())
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # as FastAPI's documentation has it


def _completed(document: dict[str, Any]) -> dict[str, Any]:
    components = document["components"]
    components["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer", "description": "The service's token."}
    }
    document["security"] = [{"token": []}]
    document["paths"]["/health"]["get"]["security"] = []
    for name, example in SCHEMAS.items():
        if name in components["schemas"]:
            components["schemas"][name]["example"] = example
    for operations in document["paths"].values():
        for operation in operations.values():
            for part in [operation.get("requestBody", {}), *operation["responses"].values()]:
                for mime, content in part.get("content", {}).items():
                    if mime in EXAMPLES:
                        content["example"] = EXAMPLES[mime]
    return document
