"""The calls of the service as values: what is sent and how the answer is read, for both clients. No sockets here."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from pydantic import TypeAdapter

from kernelet.service.result import Event, ExecutionResult

T = TypeVar("T")
Json = dict[str, Any]

_EVENT: TypeAdapter[Event] = TypeAdapter(Event)

STREAM_TYPE = "application/x-ndjson"


class ClientError(Exception):
    """The service refused a call or could not serve it."""

    def __init__(self, status: int, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        """The HTTP status: 401 token, 404 no such session, 409 it exists, 429 full, 503 no kernel to be had."""
        self.retry_after = retry_after
        """After how many seconds the same call may succeed, if the service said so."""


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One request, and how its answer is read."""

    method: str
    path: str
    read: Callable[[bytes], T]
    body: Json | None = None
    content: bytes | None = None
    query: Mapping[str, str] = field(default_factory=dict)


def failure(status: int, body: bytes, retry_after: str | None) -> ClientError:
    """Return the error that an answer stands for, whoever wrote it: the service, or a proxy before it."""
    try:
        answer = json.loads(body)
    except ValueError:
        answer = None
    message: Any = None
    if isinstance(answer, dict):
        message = answer.get("detail", answer.get("error", answer.get("message")))
        if isinstance(message, dict):
            message = message.get("message", message)
    text = str(message or body[:300].decode(errors="replace") or "no explanation")
    try:
        seconds = None if retry_after is None else float(retry_after)
    except ValueError:  # a date
        seconds = None
    return ClientError(status, f"{status}: {text}", seconds)


def event(line: str) -> Event | None:
    """Return the event of a line of the stream; None for an empty one."""
    return _EVENT.validate_json(line) if line.strip() else None


def _json(body: bytes) -> Any:
    return json.loads(body)


def _nothing(body: bytes) -> None:
    return None


def _result(body: bytes) -> ExecutionResult:
    return ExecutionResult.model_validate_json(body)


def _given(**values: Any) -> Json:
    """Leave out what was not given, so that the service's own defaults hold."""
    return {name: value for name, value in values.items() if value is not None}


def _at(session_id: str, *rest: str) -> str:
    return "/".join(["/v1/sessions", quote(session_id, safe=""), *rest])


def health() -> Call[Json]:
    return Call("GET", "/health", _json)


def run(code: str, timeout: float | None, envs: Mapping[str, str] | None) -> Call[ExecutionResult]:
    body = _given(code=code, timeout=timeout, envs=envs)
    return Call("POST", "/process/interpreter/execute", _result_of_one_shot, body)


def _result_of_one_shot(body: bytes) -> ExecutionResult:
    answer = json.loads(body)
    answer.setdefault("session_id", answer.get("sessionId", ""))
    return ExecutionResult.model_validate(answer)


def create(options: Json) -> Call[Json]:
    return Call("POST", "/v1/sessions", _json, _given(**options))


def sessions() -> Call[list[Json]]:
    return Call("GET", "/v1/sessions", lambda body: _listed(_json(body), "sessions"))


def _listed(answer: Any, key: str) -> list[Json]:
    found: list[Json] = answer[key] if isinstance(answer, dict) else answer
    return found


def stats(session_id: str) -> Call[Json]:
    return Call("GET", _at(session_id), _json)


def destroy(session_id: str) -> Call[Json]:
    return Call("DELETE", _at(session_id), _json)


def execute(session_id: str, code: str, options: Json) -> Call[ExecutionResult]:
    return Call("POST", _at(session_id, "execute"), _result, {"code": code, **_given(**options)})


def act(session_id: str, verb: str, body: Json | None = None) -> Call[Json]:
    return Call("POST", _at(session_id, verb), _json, body)


def variables(session_id: str, name: str | None, max_chars: int | None) -> Call[Json]:
    query = {key: str(value) for key, value in _given(name=name, max_chars=max_chars).items()}
    return Call("GET", _at(session_id, "variables"), _json, query=query)


def history(session_id: str) -> Call[list[Json]]:
    return Call("GET", _at(session_id, "history"), lambda body: _listed(_json(body), "history"))


def load(session_id: str, name: str) -> Call[Json]:
    return Call("POST", "/v1/sessions/load", _json, {"session_id": session_id, "name": name})


def stdlib() -> Call[Json]:
    return Call("GET", "/v1/stdlib", _json)


def add_to_stdlib(function_code: str) -> Call[Json]:
    return Call("POST", "/v1/stdlib", _json, {"function_code": function_code})


def files(session_id: str) -> Call[list[Json]]:
    return Call("GET", _at(session_id, "files"), lambda body: _listed(_json(body), "files"))


def file(method: str, session_id: str, path: str, content: bytes | None = None) -> Call[Any]:
    read: Callable[[bytes], Any] = bytes if method == "GET" else _json if method == "PUT" else _nothing
    return Call(method, _at(session_id, "files", quote(path)), read, content=content)
