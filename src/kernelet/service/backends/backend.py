"""What the engine asks of a place where kernels run, whichever it is. No I/O here."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from kernelet.launch.confined import Confinement

Message = dict[str, Any]
"""A Jupyter message as jupyter_client has it: header, parent_header, metadata, content, buffers."""

GAP = "gap"
"""The type of a message that a backend itself puts on iopub: some of what the kernel said before was lost."""

Listener = Callable[[str, Message], Awaitable[None] | None]
"""Called in the loop with the channel (shell, iopub, stdin, control) and each message, in order.

What it returns is awaited before the channel's next message is read: whoever writes too fast waits in the kernel.
"""


@dataclass(frozen=True, slots=True)
class KernelRequest:
    """How a kernel is to be born. The same request bears its successors."""

    session_id: str
    kernel_name: str = ""
    cwd: Path | None = None
    envs: Mapping[str, str] = field(default_factory=dict)
    confinement: Confinement = field(default_factory=Confinement)
    stdin: int | None = None
    """The descriptor that a spawned kernel gets as its stdin. None: nothing to read."""


class Kernel(Protocol):
    """A running kernel: replaced, never revived, once it is gone."""

    kernel_id: str
    pid: int | None
    """Of the process, where it runs on this machine."""
    gone: asyncio.Future[int | None]
    """Done once the kernel is dead, however that came: the exit status (negative for a signal) where it is known."""

    def listen(self, listener: Listener) -> None:
        """Hand all messages to `listener` from now on."""

    async def send(self, channel: str, msg_type: str, content: Mapping[str, Any], msg_id: str) -> None:
        """Send a request; an answer carries `msg_id` as its parent's.

        Raises:
            ConnectionError: the kernel cannot be reached, and has not got it.
        """

    async def interrupt(self) -> None:
        """Send SIGINT, or what stands for it, to the kernel and what it started."""

    async def kill(self) -> None:
        """End the kernel and everything it started, by force; returns when it is gone. May be called twice."""

    async def shutdown(self) -> None:
        """Ask an idle kernel to leave, and kill what does not."""


class Backend(Protocol):
    """A place where kernels run."""

    name: str
    sets_envs: bool
    """Kernels are born with the variables of their request; otherwise they are set once the kernel runs."""

    zygote_up: bool
    """The latest kernel was forked, not spawned."""

    async def open(self) -> None:
        """Get ready to start kernels. Raises Unavailable."""

    async def close(self) -> None:
        """End every kernel that this backend started."""

    async def start(self, request: KernelRequest) -> Kernel:
        """Return a new kernel that answers. Raises Unavailable."""

    async def ready(self) -> bool:
        """Tell whether `start` can be expected to work."""
