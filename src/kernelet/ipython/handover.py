"""Requests that user code takes over from the kernel, or gives back to it: handlers of its own, replays, one iteration.

A cell that handles its own events (dash, jupyter_ui_poll, ipyvuetify) keeps execute requests back, lets the kernel
handle what else waits, and replays the kept ones at the end. In the thread of whoever calls.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import AbstractContextManager
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any

from ..protocol.codec import dumps, loads
from ..protocol.message import Channel, Message, Parent
from ..runtime.attribution import PARENT
from ..runtime.interrupt import Interrupts
from ..runtime.lane import Lane
from ..runtime.overrides import Custom
from ..runtime.parking import ParkedLoop

if TYPE_CHECKING:
    from .language import IPythonLanguage

HANDED_OVER = (
    "execute_request",
    "complete_request",
    "inspect_request",
    "is_complete_request",
    "history_request",
    "comm_info_request",
    "comm_open",
    "comm_msg",
    "comm_close",
    "kernel_info_request",
    "connect_request",
    "usage_request",
    "interrupt_request",
    "shutdown_request",
    "debug_request",
)
# Not a busy loop: the wire's thread must get to receive what is waited for.
PAUSE_S = 0.001


class Handover:
    """Between the kernel and user code that takes part in the handling of requests."""

    def __init__(self, language: IPythonLanguage) -> None:
        self._language = language
        self._host = language.host
        # msg_id of the requests that are with a handler of the user's -> whether it wants the kernel's own to follow.
        self._called: dict[str, bool] = {}

    # -- from the kernel to user code

    def call(self, handler: Custom, stream: Any, message: Message, parent: Parent, lane: Lane) -> bool:
        """Run a handler of the user's in the lane's thread, with the request as the parent of its output.

        Returns whether the kernel's own handler is to run after it.
        """

        def run() -> None:
            result = handler(stream, list(message.idents), dict(parent.message))
            if inspect.isawaitable(result):
                self._finish(result, lane)

        msg_id = str(message.header["msg_id"])
        self._called[msg_id] = False
        try:
            if isinstance(lane.parking, ParkedLoop):
                self._language.with_parent(lane, parent, run)
            else:
                context = copy_context()
                context.run(PARENT.set, parent)
                context.run(run)
        finally:
            wanted = self._called.pop(msg_id)
        return wanted

    def _finish(self, awaitable: Awaitable[Any], lane: Lane) -> None:
        """Wait for an async handler, where nothing else runs on the loop; else let it run beside that."""
        parking = lane.parking
        if not isinstance(parking, ParkedLoop):
            import asyncio  # slow, and most kernels never need it here

            asyncio.run(_wait(awaitable))
        elif parking.loop.is_running():
            parking.loop.create_task(_wait(awaitable))
        else:
            parking.run(_wait(awaitable), copy_context())

    # -- from user code to the kernel

    async def request(self, msg_type: str, ident: Any, parent: dict[str, Any], channel: Channel = "shell") -> None:
        """Handle a request that was kept back.

        A cell that awaits cannot run inside a coroutine of the loop that it needs. It runs when that is over: as soon
        as the handler returns that is being called with its request, or else after the cell that runs now.
        """
        message = _message(channel, msg_type, ident, parent)
        msg_id = str(message.header["msg_id"])
        requests, main = self._host.requests, self._host.requests.main
        awaits = msg_type == "execute_request" and self._language.awaits(str(parent["content"].get("code", "")))
        if awaits and msg_id in self._called:
            self._called[msg_id] = True
        elif awaits and main is not None:
            main.post(lambda: requests.answer(message))
        else:
            with self.nested():
                requests.answer(message)

    def run_one_queued(self) -> bool:
        """Handle one waiting shell message that is not a cell; whether there was one."""
        main = self._host.requests.main
        if main is None:
            return False
        with self.nested():
            return main.run_one_queued()

    async def iterate(self) -> None:
        """Handle one waiting message, or pause."""
        import asyncio

        await asyncio.sleep(0 if self.run_one_queued() else PAUSE_S)

    def nested(self) -> AbstractContextManager[None]:
        """Let the calling thread handle requests where it is, whatever it is in the middle of."""
        main = threading.current_thread() is threading.main_thread()
        return self._language.nested(_Inline(self._host.parking if main else None))


class _Inline:
    """The place to run code for a thread that is in the middle of something: here, whatever its loop does."""

    def __init__(self, outer: ParkedLoop | None) -> None:
        self._outer = outer
        self.interrupts = Interrupts() if outer is None else outer.interrupts

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return self.interrupts.run_user_code(function, *args, **kwargs)

    def run(self, coroutine: Coroutine[Any, Any, Any], context: Context | None = None) -> Any:
        if self._outer is not None:
            return self._outer.run(coroutine, context)
        import asyncio

        return asyncio.run(coroutine)


def as_idents(ident: Any, channel: str = "shell") -> tuple[bytes, ...]:
    """Return idents from bytes, text, a list of these, or the mapping that `kernel._parent_ident` is."""
    if ident is None:
        return ()
    if isinstance(ident, Mapping):
        return as_idents(ident.get(channel), channel)
    if isinstance(ident, str | bytes):
        ident = [ident]
    return tuple(one.encode() if isinstance(one, str) else bytes(one) for one in ident)


def own_handlers(handover: Handover) -> dict[str, Custom]:
    """Return msg_type -> the handler that stands for the kernel's own, and that a handler of the user's may call."""
    return {msg_type: _own_handler(handover, msg_type) for msg_type in HANDED_OVER}


def _own_handler(handover: Handover, msg_type: str) -> Custom:
    async def handle(stream: Any, ident: Any, parent: dict[str, Any]) -> None:
        await handover.request(msg_type, ident, parent, getattr(stream, "channel", "shell"))

    handle.__name__ = handle.__qualname__ = msg_type
    return handle


def _message(channel: Channel, msg_type: str, ident: Any, parent: dict[str, Any]) -> Message:
    """Return a message as it came over the wire from the dict that a handler got."""
    header = {**parent["header"], "msg_type": msg_type}
    return Message(
        channel,
        as_idents(ident, channel),
        header,
        dumps(header),
        dumps(parent.get("parent_header") or {}),
        dumps(parent.get("metadata") or {}),
        dumps(parent.get("content") or {}),
        tuple(map(memoryview, parent.get("buffers") or ())),
        loads,
    )


async def _wait(awaitable: Awaitable[Any]) -> None:
    await awaitable
