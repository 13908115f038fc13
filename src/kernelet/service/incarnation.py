"""The kernels of a session, one at a time: born when needed, replaced when dead, spoken to by requests. Loop only."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import Awaitable, Callable
from contextvars import Context
from dataclasses import dataclass
from typing import Any, Literal

import psutil

from kernelet.service.backends.backend import GAP, Backend, Kernel, KernelRequest, Message
from kernelet.service.errors import ServiceError, Unavailable
from kernelet.service.execution import Execution
from kernelet.service.gaps import Gaps
from kernelet.service.inside import environment
from kernelet.service.inside.expression import answer, request_content
from kernelet.service.metrics import Metrics
from kernelet.service.request import Request
from kernelet.service.settings import Settings
from kernelet.service.supervision import supervise
from kernelet.service.verdict import Ending

logger = logging.getLogger("kernelet.service")

_LEAVING_S = 1.0
"""How long an interpreter that was asked to exit may take to do so."""


@dataclass(frozen=True, slots=True)
class Lost:
    """A kernel died while nobody was executing; nobody has been told yet."""

    exit_status: int | None


class KernelGone(Unavailable):
    """The kernel died under a request that was not somebody's code."""

    retry_after = 1.0

    def __init__(self, exit_status: int | None) -> None:
        super().__init__("The interpreter died; it was restarted, all variables are lost.")
        self.exit_status = exit_status


class NeverSent(Exception):
    """The kernel was found dead: it has not got the code."""


class Incarnation:
    """The kernel that a session has now. `generation` counts those it had before."""

    def __init__(
        self,
        request: KernelRequest,
        backend: Backend,
        settings: Settings,
        metrics: Metrics,
        prepare: Callable[[], Awaitable[None]],
    ) -> None:
        self.request = request
        self.generation = 0
        self._backend = backend
        self._settings = settings
        self._metrics = metrics
        self._prepare = prepare
        self.untouched = True
        """Whether nothing was ever sent to this kernel, so that there can be no variables."""
        self._kernel: Kernel | None = None
        self._birth: asyncio.Task[Kernel] | None = None
        self._requests: dict[str, Request] = {}
        self._gaps = Gaps()
        self._lost: Lost | None = None
        self._recoveries = 0
        self._forced = False
        self._running = False
        self._closed = False

    @property
    def state(self) -> Literal["starting", "idle", "dead"]:
        """What the kernel is, as far as is known without asking it."""
        if self._birth is None or (self._birth.done() and (self._birth.cancelled() or self._birth.exception())):
            return "dead"
        return "idle" if self._birth.done() else "starting"

    def lost_while_idle(self) -> Lost | None:
        """Return, once, that the kernel before this one died without a witness."""
        lost, self._lost = self._lost, None
        return lost

    def memory_bytes(self) -> int | None:
        """Return the resident memory of the kernel process, where it runs here."""
        if self._kernel is None or self._kernel.pid is None:
            return None
        try:
            return int(psutil.Process(self._kernel.pid).memory_info().rss)
        except psutil.Error:
            return None

    @property
    def is_remote(self) -> bool:
        """Whether its kernels run somewhere else, with files of their own."""
        return self._backend.name == "remote"

    @property
    def pid(self) -> int | None:
        """Return the process of the kernel, where it runs here."""
        return self._kernel.pid if self._kernel else None

    # Birth and death

    async def kernel(self) -> Kernel:
        """Return the kernel once it can be spoken to. Raises Unavailable, NotFound."""
        if self._birth is None or (self._birth.done() and self.state == "dead"):
            self._bear(None)
        assert self._birth is not None
        return await asyncio.shield(self._birth)

    def _bear(self, predecessor: Kernel | None) -> None:
        self._birth = asyncio.create_task(self._start(predecessor), context=Context())
        self._birth.add_done_callback(lambda birth: birth.cancelled() or birth.exception())

    async def _start(self, predecessor: Kernel | None) -> Kernel:
        if predecessor is not None:
            await predecessor.kill()
        if self._recoveries > self._settings.max_recoveries:
            raise Unavailable(
                f"The interpreter died {self._recoveries} times without completing anything; restart the session."
            )
        begun = time.monotonic()
        kernel = await self._backend.start(self.request)
        self._kernel = kernel
        self.untouched = True
        self._forced = False
        kernel.listen(self._hear)
        kernel.gone.add_done_callback(lambda _: self._died(kernel))
        try:
            if self.request.envs and not self._backend.sets_envs:
                await self.inside(environment.change, values=dict(self.request.envs))
            await self._prepare()
        except BaseException:
            self._kernel = None
            await kernel.kill()
            raise
        self._metrics.start_seconds.observe(time.monotonic() - begun)
        return kernel

    def _hear(self, channel: str, message: Message) -> Awaitable[None] | None:
        parent = message.get("parent_header") or {}
        if message["header"]["msg_type"] == GAP and self._kernel is not None:
            self._gaps.bridge(self._kernel, self._requests.values())
        msg_id = parent.get("msg_id", "")
        request = self._requests.get(msg_id) or self._gaps.probe(msg_id)
        # Without one: output of a thread whose execution has ended, or nothing of ours.
        return request.take(channel, message) if request else None

    def _died(self, kernel: Kernel) -> None:
        witnessed = self._requests or self._running or self._forced
        if kernel is self._kernel and not witnessed and not self._closed:
            self._lost = Lost(kernel.gone.result())
            self._succeed("crash")

    def _succeed(self, cause: str) -> None:
        """Begin with the next kernel: everything that was in this one is lost."""
        if self._closed:
            return
        predecessor, self._kernel = self._kernel, None
        self.generation += 1
        self._recoveries += 1
        self._metrics.restarts.labels(cause).inc()
        logger.warning("kernel replaced", extra={"session_id": self.request.session_id, "cause": cause})
        self._bear(predecessor)

    async def replace(self, cause: str) -> None:
        """Put a new kernel in the place of this one, because somebody wants it."""
        with contextlib.suppress(ServiceError):
            await self.kernel()
        self._recoveries = -1
        self._lost = None
        self._succeed(cause)

    async def kill(self) -> None:
        """Kill the kernel under what runs in it; whoever waits for that sees to the next kernel."""
        await self._end(lambda kernel: kernel.kill())

    async def shutdown(self) -> None:
        """End the kernel for good."""
        self._closed = True
        await self._end(lambda kernel: kernel.shutdown())

    async def close(self) -> None:
        """Kill the kernel for good."""
        self._closed = True
        await self._end(lambda kernel: kernel.kill())

    async def _end(self, how: Callable[[Kernel], Awaitable[None]]) -> None:
        self._forced = True
        if self._birth is not None and not self._birth.done():
            self._birth.cancel()
            await asyncio.gather(self._birth, return_exceptions=True)
        if self._kernel is not None:
            await how(self._kernel)

    # Requests

    async def run(self, execution: Execution) -> Ending:
        """Send the code, once, and see it to its end. Raises NeverSent."""
        self._running = True
        try:
            return await self._run(execution)
        finally:
            self._running = False

    async def _run(self, execution: Execution) -> Ending:
        kernel = await self.kernel()
        killed = await self._ask(
            kernel,
            execution,
            "execute_request",
            {
                "code": execution.code,
                "silent": False,
                "store_history": True,
                "user_expressions": {},
                "allow_stdin": execution.options.allow_stdin,
                "stop_on_error": True,
            },
            timeout_s=execution.timeout,
            execution=execution,
        )
        if not execution.sent:
            self._lost = Lost(kernel.gone.result())
            self._succeed("crash")
            raise NeverSent
        if execution.asked_to_exit:
            await asyncio.wait({kernel.gone}, timeout=_LEAVING_S)
        forced = killed or self._forced
        gone = kernel.gone.done() or forced
        if gone:
            self._succeed(execution.stopped_for or "crash")
        else:
            self._recoveries = 0
        return Ending(
            error=execution.error,
            asked_to_exit=execution.asked_to_exit,
            stopped_for=execution.stopped_for,
            killed=forced,
            gone=gone,
            exit_status=kernel.gone.result() if kernel.gone.done() else None,
            limit_s=execution.timeout,
        )

    async def answer(self, value: str) -> None:
        """Send a line of input."""
        kernel = await self.kernel()
        with contextlib.suppress(ConnectionError):  # then the execution ends for that reason
            await kernel.send("stdin", "input_reply", {"value": value}, uuid.uuid4().hex)

    async def inside(self, function: Callable[..., Any], /, **arguments: Any) -> Any:
        """Call a function of `service/inside` in the kernel.

        Raises:
            InsideError: what it raised there.
            KernelGone: it took the kernel with it.
        """
        return answer(await self._silently("execute_request", request_content(function, **arguments)))

    async def is_incomplete(self, code: str) -> bool:
        """Tell whether `code` is the beginning of something valid."""
        reply = await self._silently("is_complete_request", {"code": code})
        return reply.get("status") == "incomplete"

    async def _silently(self, msg_type: str, content: dict[str, Any]) -> dict[str, Any]:
        # A birth that prepares its own kernel must not wait for itself.
        kernel = self._kernel if asyncio.current_task() is self._birth else await self.kernel()
        assert kernel is not None
        request = Request(uuid.uuid4().hex)
        killed = await self._ask(kernel, request, msg_type, content, timeout_s=self._settings.timeout_total)
        if request.reply is None or killed:
            status = kernel.gone.result() if kernel.gone.done() else None
            if asyncio.current_task() is not self._birth:
                self._lost = Lost(status)
                self._succeed("crash")
            raise KernelGone(status)
        return request.reply

    async def _ask(
        self,
        kernel: Kernel,
        request: Request,
        msg_type: str,
        content: dict[str, Any],
        *,
        timeout_s: float,
        execution: Execution | None = None,
    ) -> bool:
        """Send a request and see to its end; tell whether the kernel had to be killed for it."""
        self._requests[request.id] = request
        self.untouched = False
        try:
            try:
                await kernel.send("shell", msg_type, content, request.id)
            except ConnectionError as error:
                if not kernel.gone.done():
                    raise Unavailable(f"The kernel cannot be reached: {error}") from error
                return False
            request.sent = True
            killed = await supervise(
                kernel,
                request,
                self._settings,
                timeout_s=timeout_s,
                stop_requested=execution.stop_requested if execution else None,
                overdue=lambda: execution.stop("timeout") if execution else None,
                interrupted=self._metrics.interrupts.inc,
            )
            if killed:
                self._metrics.kills.inc()
            return killed
        finally:
            del self._requests[request.id]
