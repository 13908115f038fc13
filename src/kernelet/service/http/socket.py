"""`WS /v1/sessions/{id}/ws`: the same events as frames, several executions on one connection, stdin and interrupt."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any, Literal

from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from kernelet.service.engine import Engine
from kernelet.service.errors import ServiceError
from kernelet.service.execution import Execution, Options
from kernelet.service.http.dependencies import checked, engine_of
from kernelet.service.http.guard import FIRST_FRAME, same
from kernelet.service.session import Session
from kernelet.service.subscription import Subscription

router = APIRouter()


class _Frame(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Execute(_Frame):
    """Run code; its events carry `id`."""

    type: Literal["execute"]
    id: str = Field(max_length=200)
    code: str
    timeout: float | None = Field(default=None, gt=0)
    envs: dict[str, str] = {}
    restart: bool = False


class Interrupt(_Frame):
    """Interrupt what runs, or the execution `id` wherever it is."""

    type: Literal["interrupt"]
    id: str | None = None


class Input(_Frame):
    """A line for the execution `id`, which asked for one."""

    type: Literal["input"]
    id: str
    value: str


class Ping(_Frame):
    """Ask for a pong."""

    type: Literal["ping"]


Frame = Annotated[Execute | Interrupt | Input | Ping, Field(discriminator="type")]
FRAME: TypeAdapter[Frame] = TypeAdapter(Frame)


class Conversation:
    """One WebSocket and the executions that it asked for."""

    def __init__(self, socket: WebSocket, session: Session, engine: Engine) -> None:
        self._socket = socket
        self._session = session
        self._engine = engine
        self._running: dict[str, Execution] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._sending = asyncio.Lock()

    async def run(self) -> None:
        """Answer frames until the client goes; then what it asked for is interrupted."""
        try:
            while True:
                await self._answer(await self._socket.receive_text())
        except WebSocketDisconnect:
            return
        finally:
            for execution in list(self._running.values()):
                self._session.stop(execution, "disconnect")
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def send(self, frame: dict[str, Any] | str) -> None:
        """Send a frame. One at a time: executions send side by side."""
        async with self._sending:
            await self._socket.send_text(frame if isinstance(frame, str) else json.dumps(frame))

    async def _answer(self, text: str) -> None:
        frame_id = None
        try:
            frame = FRAME.validate_json(text)
            frame_id = getattr(frame, "id", None)
            match frame:
                case Execute():
                    self._execute(frame)
                case Interrupt():
                    self._interrupt(frame)
                case Input():
                    await self._input(frame)
                case Ping():
                    await self.send({"type": "pong"})
        except ValidationError as error:
            await self._refuse(422, f"This frame is none of ours: {error.errors(include_url=False)[0]['msg']}", None)
        except ServiceError as error:
            await self._refuse(error.status, str(error), frame_id)

    async def _refuse(self, status: int, detail: str, frame_id: str | None) -> None:
        await self.send({"type": "refused", "id": frame_id, "status": status, "detail": detail})

    def _execute(self, frame: Execute) -> None:
        if frame.id in self._running:
            raise _IdInUse(f"The id {frame.id!r} is in use.")
        options = Options(frame.timeout, frame.envs, frame.restart, allow_stdin=True, surface="websocket")
        execution = self._session.submit(checked(frame.code, self._engine), options)
        self._running[frame.id] = execution
        task = asyncio.create_task(self._tell(frame.id, execution.subscribe()))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tell(self, frame_id: str, subscription: Subscription) -> None:
        try:
            async for event in subscription.events():
                # Under the id that the client gave, not under ours.
                await self.send(event.model_copy(update={"id": frame_id}).model_dump_json())
        finally:
            self._running.pop(frame_id, None)

    def _interrupt(self, frame: Interrupt) -> None:
        if frame.id is None:
            self._session.interrupt()
        elif execution := self._running.get(frame.id):
            self._session.stop(execution, "client")

    async def _input(self, frame: Input) -> None:
        execution = self._running.get(frame.id)
        if execution is not None:
            await self._session.answer(execution, frame.value)


class _IdInUse(ServiceError):
    status = 409


@router.websocket("/v1/sessions/{session_id}/ws")
async def websocket(socket: WebSocket, session_id: str) -> None:
    """Talk to a session."""
    engine = await engine_of(socket)
    await socket.accept()
    if socket.scope.get(FIRST_FRAME) and not await _authenticated(socket, engine.settings.token):
        await socket.close(4401, 'The first frame must show the token: {"type": "auth", "token": ...}')
        return
    try:
        session = await engine.obtain(session_id)
    except ServiceError as error:
        await socket.close(4000 + error.status, str(error)[:120])
        return
    await Conversation(socket, session, engine).run()


async def _authenticated(socket: WebSocket, token: str) -> bool:
    try:
        first = json.loads(await asyncio.wait_for(socket.receive_text(), 10))
    except (ValueError, TimeoutError, WebSocketDisconnect):
        return False
    return isinstance(first, dict) and first.get("type") == "auth" and same(str(first.get("token", "")), token)
