"""What clients send, and what they get beside results: the schemas of the OpenAPI document."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from kernelet.service.engine import SessionOptions
from kernelet.service.execution import Options
from kernelet.service.settings import Isolation

Timeout = Annotated[float | None, Field(gt=0, description="Seconds it may run; its wait does not count.")]


def _environment(envs: dict[str, str]) -> dict[str, str]:
    for name, value in envs.items():
        if not name or "=" in name or "\0" in name + value:
            raise ValueError(f"not an environment variable: {name!r}")
    return envs


Envs = Annotated[dict[str, str], AfterValidator(_environment), Field(description="Environment variables.")]
SessionId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$", examples=["analysis"])]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ExecuteRequest(_Request):
    """Code for a session."""

    code: str = Field(examples=["print('Hello')\n6 * 7"])
    timeout: Timeout = None
    restart: bool = False
    envs: Envs = {}
    on_disconnect: Literal["interrupt", "continue"] = "interrupt"
    include_messages: bool = Field(default=False, description="Return the Jupyter messages, too.")
    keep_ansi: bool = Field(default=False, description="Leave the colours in tracebacks.")

    def options(self, surface: str) -> Options:
        """Return the same for the engine."""
        return Options(
            timeout=self.timeout,
            envs=self.envs,
            restart=self.restart,
            include_messages=self.include_messages,
            keep_ansi=self.keep_ansi,
            surface=surface,
        )


class OneShotRequest(_Request):
    """Code for an interpreter of its own."""

    code: str = Field(examples=["import os; print(os.environ['NAME'])"])
    timeout: Timeout = None
    envs: Annotated[Envs, Field(examples=[{"NAME": "value"}])] = {}


class CreateRequest(_Request):
    """A new session."""

    session_id: SessionId | None = None
    include_stdlib: bool = True
    kernel_name: str = ""
    cwd: str | None = None
    envs: Envs = {}
    idle_timeout: float | None = Field(default=None, ge=0)
    isolation: Isolation | None = None
    limits: dict[str, Annotated[int, Field(ge=0)]] = Field(default={}, examples=[{"memory_mb": 1024}])

    def options(self) -> SessionOptions:
        """Return the same for the engine."""
        return SessionOptions(
            include_stdlib=self.include_stdlib,
            kernel_name=self.kernel_name,
            cwd=Path(self.cwd) if self.cwd else None,
            envs=self.envs,
            idle_timeout=self.idle_timeout,
            isolation=self.isolation,
            limits=self.limits,
        )


class SessionInfo(BaseModel):
    """A session and its statistics."""

    session_id: str
    state: str
    created_at: datetime
    last_executed: datetime | None
    execution_count: int
    generation: int
    queued: int
    variable_count: int
    variables: list[str]
    memory_bytes: int | None
    stdlib_loaded: bool


class SessionList(BaseModel):
    """All sessions."""

    count: int
    sessions: list[SessionInfo]


class HistoryEntry(BaseModel):
    """One execution of the past."""

    code: str
    timestamp: datetime | None
    execution_time: float
    execution_count: int | None
    status: str


class History(BaseModel):
    """The latest executions of a session, oldest first."""

    session_id: str
    history: list[HistoryEntry]


class VariableInWords(BaseModel):
    """What a variable is, in a few words."""

    name: str
    type: str
    summary: str


class Variables(BaseModel):
    """The variables of a session, in the order of their making."""

    success: bool = True
    session_id: str
    variables: list[str]
    count: int
    details: list[VariableInWords]


class Variable(BaseModel):
    """One variable as text, cut in the middle when it is long."""

    success: bool = True
    session_id: str
    variable: str
    type: str
    value: str
    repr: str


class Destroyed(BaseModel):
    """The last that is known of a session."""

    success: bool = True
    message: str
    final_stats: SessionInfo


class Done(BaseModel):
    """It was done."""

    success: bool = True
    message: str
    session_id: str
    generation: int


class Interrupted(BaseModel):
    """Whether anything was running."""

    session_id: str
    interrupted: bool


class FileInfo(BaseModel):
    """One file of a session."""

    path: str
    size: int
    mime: str


class Files(BaseModel):
    """Files of a session, at most a hundred."""

    session_id: str
    files: list[FileInfo]


class Problem(BaseModel):
    """Why a call was refused."""

    detail: str


class Health(BaseModel):
    """That the service is up."""

    status: Literal["ok"] = "ok"
    version: str
    backend: str
    sessions: int


class Ready(BaseModel):
    """That kernels can be started."""

    status: Literal["ready"] = "ready"
    backend: str


class StartKernel(_Request):
    """A new kernel; any name that a kernelspec has."""

    name: str = ""


class KernelId(_Request):
    """Which kernel."""

    id: str = Field(examples=["5d4a4b7e-7a0e-4b8c-9c55-0d7a8a3f0c11"])


class ExecuteCode(KernelId):
    """Code for a kernel."""

    code: str = Field(examples=["print('Hello, World!')"])
    timeout: Timeout = None


class Messages(BaseModel):
    """The Jupyter messages of an execution."""

    results: list[dict[str, Any]]


class Message(BaseModel):
    """A sentence."""

    message: str
