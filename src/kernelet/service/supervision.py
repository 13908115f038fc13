"""Sees a request to its end: the deadline, the interrupt, the second one, and the kill of the whole tree."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from kernelet.service.backends.backend import Kernel
from kernelet.service.request import Request
from kernelet.service.settings import Settings


async def supervise(
    kernel: Kernel,
    request: Request,
    settings: Settings,
    *,
    timeout_s: float,
    stop_requested: asyncio.Future[None] | None = None,
    overdue: Callable[[], None] = lambda: None,
    interrupted: Callable[[], None] = lambda: None,
) -> bool:
    """Return when the request has ended or its kernel is gone; tell whether the kernel had to be killed.

    That the cell ended after an interrupt is seen, not assumed: code in C, or code that catches KeyboardInterrupt,
    goes on, and a session that says it is free must be free.
    """
    ends: set[asyncio.Future[None] | asyncio.Future[int | None]] = {request.finished, kernel.gone}
    reasons = ends if stop_requested is None else ends | {stop_requested}
    done, _ = await asyncio.wait(reasons, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    if done & ends:
        return False
    if not done:
        overdue()
    for grace in (settings.interrupt_grace, settings.kill_grace):
        interrupted()
        await kernel.interrupt()
        done, _ = await asyncio.wait(ends, timeout=grace, return_when=asyncio.FIRST_COMPLETED)
        if not done and request.over:
            # A flood that was said before is still on its way here: there is nothing left to interrupt.
            done, _ = await asyncio.wait(ends, timeout=settings.timeout_total, return_when=asyncio.FIRST_COMPLETED)
        if done:
            return False
    await kernel.kill()
    return True
