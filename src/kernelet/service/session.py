"""A session: one interpreter under one id, whatever happens to the process that runs it. Loop only.

One task works through the queue, first come first served; each kernel that dies is replaced, and whoever asks next is
told what that means for the variables. No code is ever sent twice.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import Any, Literal

from kernelet.service.backends.backend import Backend, KernelRequest
from kernelet.service.errors import BadRequest, Conflict, NotFound, ServiceError, TooMany
from kernelet.service.execution import Execution, Options
from kernelet.service.incarnation import Incarnation, KernelGone, NeverSent
from kernelet.service.inside import environment, variables
from kernelet.service.inside.expression import InsideError
from kernelet.service.journal import Journal
from kernelet.service.metrics import Metrics
from kernelet.service.produced import Produced
from kernelet.service.result import Cause, Event, ExecutionResult, OutputFile
from kernelet.service.settings import Settings
from kernelet.service.turns import Turns
from kernelet.service.verdict import Ending, Verdict, verdict

State = Literal["starting", "idle", "busy", "dead", "closed"]
Prelude = Callable[["Session"], Awaitable[None]]
"""Prepares a new kernel before anybody's code: defines the standard functions. Raises ServiceError."""

_INCOMPLETE = frozenset({"SyntaxError", "IndentationError", "_IncompleteInputError", "IncompleteInputError"})

Call = tuple[Callable[[], Awaitable[Any]], asyncio.Future[Any]]


class Session:
    """The actor around one kernel after the other."""

    def __init__(
        self,
        request: KernelRequest,
        backend: Backend,
        settings: Settings,
        metrics: Metrics,
        *,
        output: Path | None = None,
        include_stdlib: bool = True,
        idle_timeout: float | None = None,
        ephemeral: bool = False,
        prelude: Prelude | None = None,
    ) -> None:
        self.id = request.session_id
        self.settings = settings
        self.output = output
        self.include_stdlib = include_stdlib
        self.idle_timeout = settings.idle_timeout if idle_timeout is None else idle_timeout
        self.ephemeral = ephemeral
        self.journal = Journal(settings, metrics)
        self.known_variables: list[str] = []
        self.current: Execution | None = None
        self.life = Incarnation(request, backend, settings, metrics, self._prepare)
        self._prelude = prelude
        self._metrics = metrics
        self._turns: Turns[Execution | Call] = Turns(settings.queue_depth, self._do, f"session {self.id!r}")
        self._closed = False
        self.produced = Produced(self.id, output)

    # Life

    async def open(self) -> None:
        """Start the first kernel. Raises Unavailable, NotFound."""
        await self.life.kernel()
        await self.produced.look()
        self._turns.open()

    async def _prepare(self) -> None:
        if self._prelude and self.include_stdlib:
            await self._prelude(self)

    @property
    def state(self) -> State:
        """What it is doing."""
        if self._closed:
            return "closed"
        if self._turns.working or self._turns:
            return "busy"
        return self.life.state

    @property
    def generation(self) -> int:
        """How many kernels it has had before this one."""
        return self.life.generation

    @property
    def queued(self) -> int:
        """How many executions and calls wait for their turn."""
        return len(self._turns)

    async def close(self) -> None:
        """End it: what runs is killed, what waits is answered."""
        if self._closed:
            return
        self._closed = True
        self._turns.refuse()
        self._drop_queue("shutdown")
        if self.current:
            self.current.stop("shutdown")
        running = self.current
        await (self.life.close() if self._turns.working or self.ephemeral else self.life.shutdown())
        if running:
            await asyncio.wait({running.result}, timeout=self.settings.kill_grace)
        await self._turns.close()

    async def restart(self) -> None:
        """Replace the kernel at once: what runs is killed, what waits is not run, the history stays."""
        self._drop_queue("client")
        if self.current:
            await self.kill("client")
        else:
            await self.life.replace("restart")
        await self.life.kernel()
        self.known_variables = []

    async def clear(self) -> None:
        """Restart, and forget the history; the counts stay."""
        await self.restart()
        self.journal.entries.clear()

    async def kill(self, cause: Cause) -> None:
        """Kill the kernel under whatever runs, which ends with `cause`; it is replaced."""
        running = self.current
        if running is None:
            await self.life.replace(cause)
            return
        running.stop(cause)
        await self.life.kill()
        await asyncio.wait({running.result})

    def interrupt(self) -> bool:
        """Interrupt what runs; tell whether there was anything."""
        if self.current is None:
            return False
        self.current.stop("client")
        return True

    # Calls

    def submit(self, code: str, options: Options | None = None) -> Execution:
        """Put code into the queue.

        Raises:
            TooMany: the queue is full.
            BadRequest: the timeout means nothing.
            Conflict: the session has been closed.
        """
        options = options or Options()
        timeout = self.settings.timeout_default if options.timeout is None else options.timeout
        if not 0 < timeout <= self.settings.timeout_max:
            raise BadRequest(
                f"The timeout is {timeout:g} s; it must be over 0 and at most {self.settings.timeout_max:g}."
            )
        execution = Execution(self.id, code, options, timeout, self.output, self.settings)
        self._enqueue(execution)
        return execution

    async def execute(self, code: str, options: Options | None = None) -> AsyncGenerator[Event]:
        """Run code and yield its events, the last one Done. Closing the generator interrupts the code."""
        execution = self.submit(code, options)
        subscription = execution.subscribe()
        try:
            async for event in subscription.events():
                yield event
        finally:
            self.stop(execution, "disconnect")

    async def run(self, code: str, options: Options | None = None) -> ExecutionResult:
        """Run code and return its result. Cancelling interrupts the code."""
        execution = self.submit(code, options)
        try:
            return await asyncio.shield(execution.result)
        finally:
            self.stop(execution, "disconnect")

    def stop(self, execution: Execution, cause: Cause) -> None:
        """End an execution that runs; take one that waits out of the queue. Nothing happens to one that has ended."""
        execution.stop(cause)
        if self._turns.remove(execution):
            self._not_run(execution, cause)

    async def answer(self, execution: Execution, value: str) -> None:
        """Give a line of input to an execution that asked for one."""
        if execution is self.current:
            await self.life.answer(value)

    async def inside(self, function: Callable[..., Any], /, **arguments: Any) -> Any:
        """Call a function of `service/inside` in the kernel, when its turn has come.

        Raises:
            InsideError: what it raised there.
        """
        return await self.call(lambda: self.life.inside(function, **arguments))

    async def call(self, function: Callable[[], Awaitable[Any]]) -> Any:
        """Await `function()` when its turn has come: no code runs meanwhile."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._enqueue((function, future))
        return await future

    async def variables(self, name: str | None = None, max_chars: int | None = None) -> dict[str, Any]:
        """Return the names of the user's variables, or one of them as text. Raises NotFound."""
        if name is None:
            answer: dict[str, Any] = await self.inside(variables.variables)
            self.known_variables = answer["variables"]
            return answer
        try:
            limit = max_chars or self.settings.max_output_chars
            answer = await self.inside(variables.variable, name=name, max_chars=limit)
        except InsideError as error:
            if error.name == "NameError":
                raise NotFound(str(error)) from error
            raise
        return answer

    # The queue

    def _enqueue(self, job: Execution | Call) -> None:
        try:
            self._turns.put(job)
        except TooMany:
            self._metrics.rejected.labels("queue").inc()
            raise

    def _drop_queue(self, cause: Cause) -> None:
        for job in self._turns.drain():
            match job:
                case Execution():
                    self._not_run(job, cause)
                case _, future:
                    if not future.done():
                        future.set_exception(Conflict(f"Session {self.id!r} was restarted or ended meanwhile."))

    def _not_run(self, execution: Execution, cause: Cause) -> None:
        notice = "The code was not run: it was called off while it waited for its turn."
        self._report(execution, Verdict("interrupted", cause, notice=notice), [])

    async def _do(self, job: Execution | Call) -> None:
        if isinstance(job, Execution):
            self.current = job
            try:
                await self._execute(job)
            except ServiceError as error:
                job.fail(error)
            finally:
                self.current = None
            return
        function, future = job
        if future.done():
            return
        try:
            answer = await function()
        except Exception as error:  # noqa: BLE001  # it is the caller's, who waits for it
            if not future.done():
                future.set_exception(error)
        else:
            if not future.done():
                future.set_result(answer)

    async def _execute(self, execution: Execution) -> None:
        execution.begin()
        if execution.options.restart:
            await self.life.replace("restart")
        elif (lost := self.life.lost_while_idle()) and self.settings.auto_recover == "notice":
            execution.generation = self.generation
            said = verdict(Ending(gone=True, exit_status=lost.exit_status))
            notice = f"{said.notice} That was before this call, whose code was not run: send it again."
            self._report(execution, Verdict("exit", "crash", lost.exit_status, state_lost=True, notice=notice), [])
            return
        elif lost:
            execution.notice(f"{verdict(Ending(gone=True, exit_status=lost.exit_status)).notice} This code runs anew.")
        before = None
        try:
            await self.life.kernel()
            if execution.options.envs:
                before = await self.life.inside(environment.change, values=dict(execution.options.envs))
            ended = await self.life.run(execution)
        except NeverSent:
            await self._execute(execution)  # which finds that it was lost
            return
        except KernelGone as error:
            # Before the code was sent: the kernel died under a preparation.
            ended = Ending(gone=True, exit_status=error.exit_status, stopped_for=execution.stopped_for)
        with contextlib.suppress(KernelGone):
            if not ended.gone and execution.error and execution.error.name in _INCOMPLETE:
                execution.needs_more_input = await self.life.is_incomplete(execution.code)
            if not ended.gone and before is not None:
                await self.life.inside(environment.change, values=before)
        execution.generation = self.generation
        self._report(execution, verdict(ended), await self.produced.new())

    def _report(self, execution: Execution, said: Verdict, files: list[OutputFile]) -> None:
        self.journal.write(execution, execution.conclude(said, files))
