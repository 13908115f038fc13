"""Lines of this process's stdin, for a loop: a terminal, a pipe or a file, read only when somebody wants a line."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Iterator


class StdinLines:
    """No thread: one that waits for a terminal could not be ended. Loop only."""

    def __init__(self, descriptor: int = 0) -> None:
        self._descriptor = descriptor
        self._rest = b""

    async def line(self, *, hidden: bool = False) -> str | None:
        """Return the next line without its end, None where there are no more; `hidden`: a terminal does not show it."""
        if sys.stdin is None:
            return None
        with _without_echo(self._descriptor) if hidden else contextlib.nullcontext():
            while b"\n" not in self._rest:
                chunk = await self._chunk()
                if not chunk:
                    break
                self._rest += chunk
        if not self._rest:
            return None
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode(errors="replace").removesuffix("\r")

    async def _chunk(self) -> bytes:
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        try:
            loop.add_reader(self._descriptor, ready.set)
        except PermissionError:  # a regular file: it never keeps anybody waiting
            return os.read(self._descriptor, 1 << 16)
        try:
            await ready.wait()
        finally:
            loop.remove_reader(self._descriptor)
        return os.read(self._descriptor, 1 << 16)


@contextlib.contextmanager
def _without_echo(descriptor: int) -> Iterator[None]:
    if not os.isatty(descriptor):
        yield
        return
    import termios

    before = termios.tcgetattr(descriptor)
    silent = [*before[:3], before[3] & ~termios.ECHO, *before[4:]]
    termios.tcsetattr(descriptor, termios.TCSADRAIN, silent)
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
        sys.stderr.write("\n")  # the end of the line was not shown either
