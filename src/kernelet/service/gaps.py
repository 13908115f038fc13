"""What follows when some of a kernel's output was lost with its connection: who waits is told, and waits no longer."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Iterable

from kernelet.service.backends.backend import Kernel
from kernelet.service.request import Request

logger = logging.getLogger("kernelet.service")


class Gaps:
    """The questions that find out what a loss has taken with it. Loop only."""

    def __init__(self) -> None:
        self._probes: dict[str, Request] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def probe(self, msg_id: str) -> Request | None:
        """Return the question of this id: its answers must reach it."""
        return self._probes.get(msg_id)

    def bridge(self, kernel: Kernel, waiting: Iterable[Request]) -> None:
        """Tell the requests that wait now, and see to it that none waits for what was lost."""
        concerned = list(waiting)
        logger.warning("some output of kernel %s was lost on its way", kernel.kernel_id)
        for request in concerned:
            request.gap()
            task = asyncio.create_task(self._ask(kernel, request))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _ask(self, kernel: Kernel, request: Request) -> None:
        """Ask once it has its reply. When both answers are there, an `idle` that has not come will not come."""
        probe = Request(uuid.uuid4().hex)
        self._probes[probe.id] = probe
        replied: set[asyncio.Future[None] | asyncio.Future[int | None]] = {request.replied, kernel.gone}
        answered: set[asyncio.Future[None] | asyncio.Future[int | None]] = {probe.finished, kernel.gone}
        try:
            await asyncio.wait(replied, return_when=asyncio.FIRST_COMPLETED)
            await kernel.send("shell", "kernel_info_request", {}, probe.id)
            await asyncio.wait(answered, return_when=asyncio.FIRST_COMPLETED)
        except ConnectionError:  # it is gone: who waits sees that, too
            return
        finally:
            del self._probes[probe.id]
        if probe.finished.done():
            request.missed_idle()
