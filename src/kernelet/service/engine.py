"""The engine: all sessions of the service, how to obtain one, how many there may be, when they end. Loop only."""

from __future__ import annotations

import asyncio
import logging
import re
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from kernelet.launch.confined import Confinement, ConfinementError
from kernelet.service.backends.backend import Backend, KernelRequest
from kernelet.service.backends.local import LocalBackend
from kernelet.service.errors import BadRequest, Exists, NotFound, ServiceError, TooMany
from kernelet.service.execution import Options
from kernelet.service.folders import Folders
from kernelet.service.heap import trim
from kernelet.service.inspection import stats
from kernelet.service.metrics import Metrics
from kernelet.service.places import Places
from kernelet.service.result import Event, ExecutionResult
from kernelet.service.session import Prelude, Session
from kernelet.service.settings import Settings
from kernelet.service.watchdog import Watchdog

logger = logging.getLogger("kernelet.service")

DEFAULT_ID = "default"
"""The session that is there when somebody asks for it."""

_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", re.ASCII)
_CULL_PAUSE_S = 5.0
_TRIM_AFTER_S = 0.5


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """What a caller may choose for a session."""

    include_stdlib: bool = True
    kernel_name: str = ""
    cwd: Path | None = None
    envs: Mapping[str, str] = field(default_factory=dict)
    idle_timeout: float | None = None
    isolation: str | None = None
    limits: Mapping[str, int] = field(default_factory=dict)
    stdin: int | None = None
    """A descriptor of this process that the kernel reads as its stdin, where kernels are spawned."""


class Engine:
    """The registry of sessions. `async with Engine(settings) as engine: await engine.run("1 + 1")`."""

    def __init__(self, settings: Settings | None = None, backend: Backend | None = None) -> None:
        self.settings = settings or Settings()
        self.backend = backend or backend_for(self.settings)
        self.metrics = Metrics()
        self.prelude: Prelude | None = None
        """Prepares each new kernel, of a session that includes the standard library."""
        self.folders = Folders(self.settings)
        self._sessions: dict[str, Session] = {}
        self._opening: dict[str, asyncio.Future[None]] = {}
        self._opening_to_last = 0
        """How many of those are no one-shots."""
        self._oneshots = Places(self.settings.max_concurrent_oneshot)
        self._culler: asyncio.Task[None] | None = None
        self._watchdog: asyncio.Task[None] | None = None
        self._trimming: asyncio.Task[None] | None = None
        self._closed = False

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def open(self) -> None:
        """Get ready. Raises Unavailable."""
        await asyncio.to_thread(self.folders.open)
        await self.backend.open()
        self._culler = asyncio.create_task(self._cull(), name="culler")
        self._watchdog = asyncio.create_task(Watchdog(self._sessions.values).run(), name="watchdog")

    async def close(self) -> None:
        """End every session and leave no process. May be called twice."""
        if self._closed:
            return
        self._closed = True
        for task in (self._culler, self._watchdog, self._trimming):
            if task:
                task.cancel()
        await asyncio.gather(*(self._end(session) for session in list(self._sessions.values())))
        await self.backend.close()
        await asyncio.to_thread(self.folders.close)

    # Sessions

    async def create(self, session_id: str | None = None, options: SessionOptions | None = None) -> Session:
        """Start a session.

        Raises:
            Exists: the id is taken.
            TooMany: there are as many sessions as there may be.
            Unavailable: no kernel could be started.
        """
        if len(self.sessions()) + self._opening_to_last >= self.settings.max_sessions:
            self.metrics.rejected.labels("sessions").inc()
            raise TooMany(f"There are {self.settings.max_sessions} sessions already, as many as may be.", 5.0)
        return await self._create(session_id or str(uuid.uuid4()), options or SessionOptions(), ephemeral=False)

    async def _create(self, session_id: str, options: SessionOptions, *, ephemeral: bool) -> Session:
        if not _ID.fullmatch(session_id):
            raise BadRequest(
                "A session id has up to 128 letters, digits, '_', '-' and '.', and starts with none of '-.'."
            )
        if session_id in self._sessions or session_id in self._opening:
            raise Exists(f"Session {session_id!r} already exists. Destroy it first or use a different id.")
        request = self._request(session_id, options)
        opening = self._opening[session_id] = asyncio.get_running_loop().create_future()
        self._opening_to_last += not ephemeral
        try:
            work, output = await asyncio.to_thread(self.folders.make, session_id)
            session = Session(
                request if request.cwd else _at_home(request, work),
                self.backend,
                self.settings,
                self.metrics,
                output=output,
                include_stdlib=options.include_stdlib,
                idle_timeout=options.idle_timeout,
                ephemeral=ephemeral,
                prelude=self.prelude,
            )
            try:
                await session.open()
            except BaseException:
                await session.close()
                await asyncio.to_thread(self.folders.remove, session_id)
                raise
            self._sessions[session_id] = session
        finally:
            del self._opening[session_id]
            self._opening_to_last -= not ephemeral
            opening.set_result(None)
        if self._closed:
            await self._end(session)
            raise NotFound("The service is being ended.")
        logger.info("session created", extra={"session_id": session_id})
        return session

    def _request(self, session_id: str, options: SessionOptions) -> KernelRequest:
        settings = self.settings
        limits = {
            "memory_mb": settings.memory_mb,
            "cpu_seconds": settings.cpu_seconds,
            "nproc": settings.nproc,
            "fsize_mb": settings.fsize_mb,
            "nofile": settings.nofile,
            **options.limits,
        }
        isolation = {
            "level": options.isolation or settings.isolation,
            **({"upload_dir": str(settings.upload_dir.resolve())} if settings.upload_dir else {}),
            **({"output_dir": str(settings.output_dir.resolve())} if settings.output_dir else {}),
        }
        try:
            confinement = Confinement.from_config(limits, isolation)
        except ConfinementError as error:
            raise BadRequest(str(error)) from error
        if options.cwd is not None and not options.cwd.is_dir():
            raise BadRequest(f"The working folder {str(options.cwd)!r} is no folder.")
        return KernelRequest(
            session_id=session_id,
            kernel_name=options.kernel_name,
            cwd=options.cwd,
            envs=dict(options.envs),
            confinement=confinement,
            stdin=options.stdin,
        )

    def session(self, session_id: str) -> Session:
        """Return a session. Raises NotFound."""
        try:
            return self._sessions[session_id]
        except KeyError:
            raise NotFound(f"Session {session_id!r} not found.") from None

    async def obtain(self, session_id: str = DEFAULT_ID) -> Session:
        """Return a session; the default one is made when it is not there. Raises NotFound, TooMany, Unavailable."""
        if (opening := self._opening.get(session_id)) is not None:
            await asyncio.shield(opening)
        if session_id == DEFAULT_ID and session_id not in self._sessions:
            try:
                return await self.create(DEFAULT_ID)
            except Exists:  # somebody was quicker
                return await self.obtain(session_id)
        return self.session(session_id)

    def sessions(self) -> list[Session]:
        """Return the sessions that last: no one-shots."""
        return [session for session in self._sessions.values() if not session.ephemeral]

    async def destroy(self, session_id: str) -> dict[str, Any]:
        """End a session and return its last statistics. Raises NotFound."""
        session = self.session(session_id)
        last = await stats(session)
        await self._end(session)
        return last

    async def _end(self, session: Session) -> None:
        self._sessions.pop(session.id, None)
        await session.close()
        await asyncio.to_thread(self.folders.remove, session.id)
        logger.info("session ended", extra={"session_id": session.id})
        if not self._closed and (self._trimming is None or self._trimming.done()):
            self._trimming = asyncio.create_task(self._trim(), name="trim")

    async def _trim(self) -> None:
        """Give back the memory of the sessions that end now."""
        await asyncio.sleep(_TRIM_AFTER_S)
        await asyncio.to_thread(trim)

    # One-shots

    @asynccontextmanager
    async def ephemeral(self, envs: Mapping[str, str] | None = None) -> AsyncIterator[Session]:
        """Lend a session that ends with the block. Raises TooMany, Unavailable."""
        try:
            await self._oneshots.take()
        except TooMany:
            self.metrics.rejected.labels("oneshot").inc()
            raise
        session = None
        try:
            session = await self._create(uuid.uuid4().hex, SessionOptions(envs=envs or {}), ephemeral=True)
            yield session
        finally:
            async with self._oneshots.leave():
                if session is not None:
                    await asyncio.shield(self._end(session))

    async def run(
        self, code: str, options: Options | None = None, *, envs: Mapping[str, str] | None = None
    ) -> ExecutionResult:
        """Run code in an interpreter of its own and return the result; nothing of it stays."""
        async with self.ephemeral(envs) as session:
            return await session.run(code, self._oneshot(options))

    async def execute(
        self, code: str, options: Options | None = None, *, envs: Mapping[str, str] | None = None
    ) -> AsyncGenerator[Event]:
        """Do the same, yielding the events."""
        async with self.ephemeral(envs) as session:
            async for event in session.execute(code, self._oneshot(options)):
                yield event

    def _oneshot(self, options: Options | None) -> Options:
        options = options or Options()
        return replace(options, timeout=options.timeout or self.settings.timeout_oneshot)

    # The end of what nobody uses

    async def _cull(self) -> None:
        while True:
            await asyncio.sleep(_CULL_PAUSE_S)
            await self.cull(time.monotonic())

    async def cull(self, now: float) -> list[str]:
        """End the sessions that have been idle or have lived for too long, never one that is busy; return their ids."""
        ended = []
        for session in self.sessions():
            if session.state == "busy":
                continue
            idle = session.idle_timeout and now - session.journal.idle_since > session.idle_timeout
            old = self.settings.max_lifetime and now - session.journal.created > self.settings.max_lifetime
            if idle or old:
                ended.append(session.id)
                try:
                    await self._end(session)
                except (ServiceError, OSError):
                    logger.exception("a session could not be ended", extra={"session_id": session.id})
        return ended

    def measure(self) -> None:
        """Bring the gauges up to date."""
        states = dict.fromkeys(("starting", "idle", "busy", "dead"), 0)
        for session in self._sessions.values():
            states[session.state] = states.get(session.state, 0) + 1
        for state, number in states.items():
            self.metrics.sessions.labels(state).set(number)
        self.metrics.memory.set(sum(session.life.memory_bytes() or 0 for session in self._sessions.values()))


def _at_home(request: KernelRequest, work: Path) -> KernelRequest:
    """Return the request with the session's own folder, which stays writable however isolated the kernel is."""
    return replace(request, cwd=work, confinement=request.confinement.with_writable(str(work)))


def backend_for(settings: Settings) -> Backend:
    """Return the backend that the settings name; the remote one is imported only then."""
    if settings.backend == "remote":
        from kernelet.service.backends.remote import RemoteBackend

        return RemoteBackend(settings)
    return LocalBackend(settings)
