"""What an execution says while it runs (events) and what it was (`ExecutionResult`): one model for every surface."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Status = Literal["ok", "error", "interrupted", "exit"]
"""Ran; raised; ended by KeyboardInterrupt; SystemExit or the process is gone. All else is told by flags."""

Cause = Literal["timeout", "client", "disconnect", "sys_exit", "crash", "oom", "nproc", "output_limit", "shutdown"]
"""Who or what ended it first."""


class Error(BaseModel):
    """The exception that ended user code."""

    name: str
    value: str
    traceback: list[str] = []


def chars(data: Mapping[str, Any]) -> int:
    """Return how long a MIME bundle is, as characters of JSON for what is no text."""
    return sum(len(value) if isinstance(value, str) else len(json.dumps(value)) for value in data.values())


class Output(BaseModel):
    """One rich output, in the order of appearance."""

    type: Literal["result", "display"]
    data: dict[str, Any]
    """MIME type to value, as Jupyter has it: images are base64 text."""
    metadata: dict[str, Any] = {}
    display_id: str | None = None


class Cut(BaseModel):
    """How much of a text is left."""

    total: int
    kept: int


class Truncated(BaseModel):
    """Which outputs were cut, in characters; for `results` in number."""

    stdout: Cut | None = None
    stderr: Cut | None = None
    results: Cut | None = None


class Timing(BaseModel):
    """When, and how long it waited and ran."""

    queued_ms: float = 0.0
    exec_ms: float = 0.0
    total_ms: float = 0.0
    started_at: datetime | None = None
    ended_at: datetime | None = None


class OutputFile(BaseModel):
    """A file that the execution made or changed in the output folder."""

    path: str
    size: int
    mime: str
    url: str | None = None


class ExecutionResult(BaseModel):
    """All that is known once an execution has ended."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "execution_id": "5f3c1c9e0d5b4d0f", "session_id": "default", "status": "ok", "stdout": "42\n",
                "stderr": "", "results": [], "error": None, "execution_count": 1, "timed_out": False,
                "state_lost": False, "cause": None, "notice": None,
            }
        }
    )  # fmt: skip

    execution_id: str
    session_id: str
    status: Status = "ok"
    stdout: str = ""
    stderr: str = ""
    results: list[Output] = []
    error: Error | None = None
    execution_count: int | None = None
    needs_more_input: bool = False
    exit_code: int | None = None
    timed_out: bool = False
    state_lost: bool = False
    """All variables are gone: the process that held them is."""
    cause: Cause | None = None
    truncated: Truncated | None = None
    full_output: str | None = None
    """Where the whole text of a cut output lies."""
    timing: Timing = Timing()
    files: list[OutputFile] = []
    notice: str | None = None
    """What a person should know, in a sentence or two."""
    generation: int = 0
    """Counts the kernels that this session has had: it grew when state was lost."""
    messages: list[dict[str, Any]] | None = None
    """The Jupyter messages, only on request."""


class _Event(BaseModel):
    id: str = ""
    """The execution's."""
    seq: int = 0
    """Grows by one from event to event of an execution; pings have none of their own."""


class Started(_Event):
    """The kernel has taken the code."""

    type: Literal["started"] = "started"
    execution_count: int | None = None


class Text(_Event):
    """Text printed by the code, whole or in pieces."""

    type: Literal["stdout", "stderr"]
    text: str


class Rich(_Event):
    """A result (the value of the last expression), a display, or new contents of an earlier display."""

    type: Literal["result", "display", "update_display"]
    data: dict[str, Any]
    metadata: dict[str, Any] = {}
    display_id: str | None = None


class ClearOutput(_Event):
    """What was shown so far is to be taken away; with `wait`, only when the next output comes."""

    type: Literal["clear_output"] = "clear_output"
    wait: bool = False


class Raised(_Event):
    """User code raised."""

    type: Literal["error"] = "error"
    name: str
    value: str
    traceback: list[str] = []


class InputRequest(_Event):
    """The code waits for a line of input."""

    type: Literal["input_request"] = "input_request"
    prompt: str = ""
    password: bool = False


class Notice(_Event):
    """What a person should know, at once."""

    type: Literal["notice"] = "notice"
    text: str


class Ping(_Event):
    """Nothing has happened for a while; the code still runs or waits."""

    type: Literal["ping"] = "ping"


class Done(_Event):
    """The last event. Its result leaves out the text that was streamed before."""

    type: Literal["done"] = "done"
    result: ExecutionResult


Event = Annotated[
    Started | Text | Rich | ClearOutput | Raised | InputRequest | Notice | Ping | Done, Field(discriminator="type")
]
