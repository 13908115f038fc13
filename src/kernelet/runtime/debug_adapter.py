"""debugpy in this process, and the connection with its adapter, a process that speaks DAP.

The debugger's thread, except `Debugpy`. debugpy is imported here and nowhere earlier.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

from ..protocol.dap import Conversation, DapMessage, Event, MalformedFrame, Response, ReverseRequest
from .debug_threads import keep_to_the_living
from .lane import SUBSHELL_THREAD
from .sockets import mark_service_thread

OnResponse = Callable[[DapMessage], None]
_CHUNK = 1 << 16
# Read by pydevd when it is imported. Cells run statement by statement: a step must lead to the next one. And it is no
# news that frozen modules cannot be debugged.
_WHILE_IMPORTING = {"PYDEVD_IPYTHON_COMPATIBLE_DEBUGGING": "1", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}


class AdapterGone(ConnectionError):
    """debugpy's adapter has ended, or was never there."""


def import_debugpy() -> Any:
    """Return debugpy. Importing it must not replace the hook of `breakpoint()`."""
    if "debugpy" in sys.modules and "pydevd" in sys.modules:
        return sys.modules["debugpy"]
    hook = sys.breakpointhook
    with _environment(_WHILE_IMPORTING):
        import debugpy  # noqa: T100  # we are the debugger
        import debugpy.server.api
    sys.breakpointhook = hook
    return debugpy


@contextlib.contextmanager
def _environment(extra: dict[str, str]) -> Iterator[None]:
    added = {name: value for name, value in extra.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


class Debugpy:
    """debugpy in this process, once it runs. A thread that is not to be debugged calls."""

    def __init__(self) -> None:
        self._debugger: Any = None

    def start(self) -> tuple[str, int]:
        """Start debugpy and its adapter, or another adapter in the place of one that has ended; return its address.

        Raises RuntimeError when the adapter does not start, or when user code has started debugpy for itself.
        """
        debugpy = import_debugpy()
        from debugpy.server import api
        from pydevd import get_global_debugger

        if self._debugger is not None:
            self._debugger.dispose_and_kill_all_pydevd_threads()  # it began to when the adapter ended: wait for it
            self._debugger = None
            api.listen.called = False
            _forget_stops()
        # No debug session follows a child process here; debugpy would hold each one back and wait for it.
        debugpy.configure(subProcess=False)
        for thread in threading.enumerate():
            if _is_ours(thread.name):
                mark_service_thread(thread)
        keep_to_the_living()
        hook = sys.breakpointhook
        host, port = debugpy.listen(("127.0.0.1", 0))
        sys.breakpointhook = hook
        self._debugger = get_global_debugger()
        _send_at_once(self._debugger)
        _go_on_at_once(self._debugger)
        return host, port


def _forget_stops() -> None:
    """Let the next debugger not find threads that the last one wanted to stop, or to step."""
    from _pydevd_bundle.pydevd_constants import STATE_RUN

    for thread in threading.enumerate():
        info = getattr(thread, "additional_info", None)  # pydevd's
        if info is not None:
            info.pydev_state, info.pydev_step_stop = STATE_RUN, None
            info.pydev_step_cmd = info.pydev_original_step_cmd = -1
            info.update_stepping_info()


def _send_at_once(debugger: Any) -> None:
    """Let pydevd's answers leave at once: it sends each in two pieces, and the second would wait 40 ms for an ack."""
    debugger.writer.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _go_on_at_once(debugger: Any) -> None:
    """Let a thread that was told to step or to continue do so: pydevd waits 200 ms first, and nobody ends that.

    Source: pydevd.py, PyDB._do_wait_suspend, which waits between the command it has executed and the look at what it
    changed (debugpy#1405: F10 is slow).
    """
    from _pydev_bundle._pydev_saved_modules import ThreadingEvent  # type: ignore[import-not-found]  # inside debugpy
    from _pydevd_bundle.pydevd_constants import STATE_SUSPEND

    class News(ThreadingEvent):  # type: ignore[misc]  # it has no types
        """Something for a thread that stands: a command, or that it is not to stand any more."""

        def wait(self, timeout: float | None = None) -> bool:
            info = getattr(threading.current_thread(), "additional_info", None)  # pydevd's
            goes_on = info is not None and info.pydev_state != STATE_SUSPEND
            return goes_on or bool(super().wait(timeout))

    debugger._thread_events.default_factory = News


def _is_ours(name: str) -> bool:
    """Whether this is a thread of the kernel's or of IPython's: stopped by a debugger, it would stop the kernel."""
    if name.startswith(SUBSHELL_THREAD):
        return False
    return name.startswith("kernelet-") or name == "IPythonHistorySavingThread"


def _nothing(message: DapMessage) -> None:
    """Leave a response to whom awaits it."""


class Adapter:
    """One connection with the adapter."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        on_event: Callable[[Event], None],
        on_lost: Callable[[Adapter, str], None],
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._on_event = on_event
        self._on_lost = on_lost
        self._conversation = Conversation()
        self._waiting: dict[int, tuple[asyncio.Future[DapMessage], OnResponse]] = {}
        self._closed = False
        self.reading = asyncio.get_running_loop().create_task(self._read())

    @classmethod
    async def connect(
        cls, address: tuple[str, int], on_event: Callable[[Event], None], on_lost: Callable[[Adapter, str], None]
    ) -> Adapter:
        """Connect to an adapter; `on_lost` is told when it ends without our having closed. Raises OSError."""
        reader, writer = await asyncio.open_connection(*address)
        return cls(reader, writer, on_event, on_lost)

    async def ask(self, command: str, arguments: Any = None, on_response: OnResponse = _nothing) -> DapMessage:
        """Return the adapter's response, successful or not. Raises AdapterGone."""
        return await self.begin(command, arguments, on_response)

    def begin(
        self, command: str, arguments: Any = None, on_response: OnResponse = _nothing
    ) -> asyncio.Future[DapMessage]:
        """Send a request; the future is its response, or AdapterGone.

        `on_response` is called with it before any event is told that the adapter sent after it.
        """
        answer: asyncio.Future[DapMessage] = asyncio.get_running_loop().create_future()
        if self._closed:
            answer.set_exception(AdapterGone("the debugger is not connected"))
            return answer
        seq, raw = self._conversation.request(command, arguments)
        self._waiting[seq] = answer, on_response
        self._writer.write(raw)
        return answer

    def close(self) -> None:
        """End the connection."""
        self._closed = True
        self._writer.close()
        self._fail("the debugger has been disconnected")

    async def _read(self) -> None:
        why = "debugpy's adapter has ended"
        try:
            while data := await self._reader.read(_CHUNK):
                self._acknowledge()
                for received in self._conversation.receive(data):
                    self._take(received)
        except (OSError, MalformedFrame) as error:
            why = f"{why}: {error}"
        if not self._closed:
            self._closed = True
            self._writer.close()
            self._fail(why)
            self._on_lost(self, why)

    def _acknowledge(self) -> None:
        """Acknowledge at once what was read: until then the adapter holds back what it has to say next (Nagle)."""
        if hasattr(socket, "TCP_QUICKACK"):  # Linux: holds for the next acknowledgements only
            self._writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def _take(self, received: Response | Event | ReverseRequest) -> None:
        match received:
            case Response(seq, message):
                answer, on_response = self._waiting.pop(seq)
                on_response(message)
                if not answer.done():
                    answer.set_result(message)
            case Event():
                self._on_event(received)
            case ReverseRequest():
                self._writer.write(self._conversation.refuse(received))

    def _fail(self, why: str) -> None:
        for answer, _ in self._waiting.values():
            if not answer.done():
                answer.set_exception(AdapterGone(why))
        self._waiting.clear()
