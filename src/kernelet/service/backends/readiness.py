"""Waits until a new kernel answers and its output is heard: asks kernel_info until both channels have spoken."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

from kernelet.service.backends.backend import Kernel, Message
from kernelet.service.errors import Unavailable

_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 1.0


class Readiness:
    """Listens to one kernel until it is ready. A lost subscription shows as silence on iopub: it is asked again."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._missing = {"shell", "iopub"}
        self._ready = asyncio.Event()
        kernel.listen(self._hear)

    def _hear(self, channel: str, message: Message) -> None:
        self._missing.discard(channel)
        if not self._missing:
            self._ready.set()

    async def wait(self, timeout_s: float) -> None:
        """Return once the kernel is ready.

        Raises:
            Unavailable: it died, or took longer than `timeout_s`.
        """
        ready = asyncio.create_task(self._ready.wait())
        ends: set[asyncio.Future[Any]] = {ready, self._kernel.gone}
        pause = _FIRST_PAUSE_S
        try:
            async with asyncio.timeout(timeout_s):
                while not ready.done():
                    await self._kernel.send("shell", "kernel_info_request", {}, uuid.uuid4().hex)
                    await asyncio.wait(ends, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
                    if self._kernel.gone.done():
                        raise Unavailable(
                            f"The kernel died while it started (exit status {self._kernel.gone.result()})."
                        )
                    pause = min(pause * 1.5, _LONGEST_PAUSE_S)
        except TimeoutError:
            raise Unavailable(f"The kernel did not answer within {timeout_s:g} s of its start.") from None
        except ConnectionError as error:
            raise Unavailable(f"The kernel was lost while it started: {error}") from error
        finally:
            ready.cancel()
