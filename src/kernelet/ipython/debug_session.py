"""The session with debugpy's adapter: from initialize and attach to disconnect, and what stands still meanwhile.

The debugger's thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

import IPython
import traitlets
import zmq

from ..protocol.dap import DapMessage, Event
from ..protocol.message import Content
from ..runtime.debug_adapter import Adapter, AdapterGone, Debugpy
from ..runtime.debug_thread import DebugThread
from ..runtime.lane import SUBSHELL_THREAD
from .debug_reply import DebugError
from .debug_stops import Stops

_NEVER_SHOWN = "IPythonHistorySavingThread"


class DebugSession:
    """At most one session at a time, whoever asked for it; a second client shares it."""

    def __init__(
        self,
        thread: DebugThread,
        stops: Stops,
        publish: Callable[[Content], None],
        just_my_code: bool,
        filter_internal_frames: bool,
    ) -> None:
        self._thread = thread
        self._stops = stops
        self._publish = publish
        self.just_my_code = just_my_code
        self.filter_internal_frames = filter_internal_frames
        self._changing = asyncio.Lock()
        self._debugpy = Debugpy()
        self._adapter: Adapter | None = None
        self._address: tuple[str, int] | None = None
        self._capabilities: Content = {}
        self._initialized = asyncio.Event()
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._telling: asyncio.Task[None] | None = None
        self.attached = False
        self.stopped_threads: set[int] = set()
        # Called when a session begins, and when it is over.
        self.on_begin: Callable[[], None] = lambda: None
        self.on_end: Callable[[], None] = lambda: None

    @property
    def is_started(self) -> bool:
        """Whether debugpy listens to us."""
        return self._adapter is not None

    # -- the beginning ---------------------------------------------------------------------------------------------

    async def initialize(self, arguments: Content) -> Any:
        """Start or find debugpy, and return what it can do. A second client is told the same."""
        async with self._changing:
            if self._adapter is None:
                adapter = await self._connect()
                answer = await adapter.ask("initialize", arguments)
                if not answer.get("success"):
                    adapter.close()
                    raise DebugError(_message(answer))
                self._capabilities = answer.get("body") or {}
                self._adapter = adapter
                self.on_begin()
            return self._capabilities

    async def _connect(self) -> Adapter:
        if self._telling is None:
            self._telling = self._thread.loop.create_task(self._tell())
        self._initialized.clear()
        if self._address is not None:
            try:
                return await Adapter.connect(self._address, self._note, self._lost)
            except OSError:  # the adapter has ended while nobody was connected
                self._address = None
        try:
            self._address = await self._thread.aside(self._debugpy.start)
            return await Adapter.connect(self._address, self._note, self._lost)
        except (RuntimeError, OSError, ImportError) as error:
            raise DebugError(f"debugpy does not start: {error}") from error

    async def attach(self, arguments: Content) -> Any:
        """Begin to debug this process. Front ends wait for the answer before they configure, so we say when it is done.

        debugpy answers `attach` after `configurationDone` only.
        """
        async with self._changing:
            adapter = self._need()
            if self.attached:  # a second client configures what the first one shares
                self._publish({"type": "event", "event": "initialized"})
                return {}
            await self._thread.aside(self._stops.install)
            answer = adapter.begin("attach", self._attach_arguments(arguments))
            ready = self._thread.loop.create_task(self._initialized.wait())
            await asyncio.wait((answer, ready), return_when=asyncio.FIRST_COMPLETED)
            if ready.done():
                await adapter.ask("configurationDone", {})
            ready.cancel()
            answered = await answer
            if not answered.get("success"):
                raise DebugError(_message(answered))
            self.attached = True
            return answered.get("body") or {}

    def _attach_arguments(self, given: Content) -> Content:
        assert self._address is not None
        just_my_code = bool(given.get("justMyCode", self.just_my_code))
        arguments = {
            **given,
            "connect": {"host": self._address[0], "port": self._address[1]},
            "justMyCode": just_my_code,
            "subProcess": False,
            "redirectOutput": False,
        }
        if not just_my_code:
            arguments["debugOptions"] = [*given.get("debugOptions", ()), "DebugStdLib"]
        if self.filter_internal_frames:
            arguments["rules"] = [*given.get("rules", ()), *_rules()]
        return arguments

    async def configuration_done(self, arguments: Content) -> Any:
        """Agree: `attach` has said it to debugpy."""
        self._need()
        return {}

    # -- the middle ------------------------------------------------------------------------------------------------

    def _need(self) -> Adapter:
        if self._adapter is None:
            raise DebugError("the debugger is not started: initialize comes first")
        return self._adapter

    async def forward(
        self, command: str, arguments: Content, on_response: Callable[[DapMessage], None] | None = None
    ) -> DapMessage:
        """Return debugpy's response to any request. Raises DebugError, AdapterGone."""

        def note(answer: DapMessage) -> None:
            body = answer.get("body") or {}
            if command == "continue" and answer.get("success"):
                self._note_continued({**arguments, **body})
            elif command == "threads" and "threads" in body:
                body["threads"] = [thread for thread in body["threads"] if _is_shown(thread)]
            if on_response is not None:
                on_response(answer)

        return await self._need().ask(command, arguments, note)

    async def evaluate(self, expression: str, frame_id: Any) -> None:
        """Evaluate for the effect, in a stopped frame. Raises DebugError with what the code raised."""
        arguments = {"expression": expression, "frameId": frame_id, "context": "clipboard"}
        answer = await self._need().ask("evaluate", arguments)
        if not answer.get("success"):
            raise DebugError(_message(answer).strip().rpartition("\n")[2])

    def resume_all(self) -> None:
        """Let every stopped thread go on."""
        if self._adapter is not None and self.stopped_threads:
            answer = self._adapter.begin("continue", {"threadId": self.stopped_threads.pop()})
            self.stopped_threads.clear()
            answer.add_done_callback(asyncio.Future.exception)  # seen: the end of the adapter lets them go on as well

    def _note(self, event: Event) -> None:
        """Note what an event means for us, at once; the front end is told in its turn."""
        body = event.message.get("body") or {}
        if event.name == "initialized":
            self._initialized.set()
        elif event.name == "stopped":
            self.stopped_threads.add(body.get("threadId", 0))
        elif event.name == "continued":
            self._note_continued(body)
        self._events.put_nowait(event)

    def _note_continued(self, body: Content) -> None:
        if body.get("allThreadsContinued", True):
            self.stopped_threads.clear()
        else:
            self.stopped_threads.discard(body.get("threadId", 0))

    async def _tell(self) -> None:
        """Pass events on, in order: which threads stand is known before the front end hears of a stop."""
        while True:
            event = await self._events.get()
            body = event.message.get("body") or {}
            if event.name == "stopped" and body.get("allThreadsStopped"):
                await self._note_all_stopped()
            if event.name != "module" or not _is_internal(body):
                self._publish(event.message)

    async def _note_all_stopped(self) -> None:
        def note(answer: DapMessage) -> None:
            if self.stopped_threads:  # else they go on already
                self.stopped_threads.update(thread["id"] for thread in answer.get("body", {}).get("threads", ()))

        with contextlib.suppress(DebugError, AdapterGone):  # it has ended: then its threads go on
            await self.forward("threads", {}, note)

    # -- the end ---------------------------------------------------------------------------------------------------

    async def disconnect(self, arguments: Content) -> None:
        """End the session; the kernel lives on, whatever the front end thought of it."""
        async with self._changing:
            if self._adapter is None:
                return
            adapter = self._adapter
            try:
                await adapter.ask("disconnect", {**arguments, "terminateDebuggee": False, "restart": False})
            except AdapterGone:
                return
            finally:
                adapter.close()
                self._end()

    def _lost(self, adapter: Adapter, why: str) -> None:
        self._address = None
        if adapter is not self._adapter:
            return
        self._end()
        text = f"The debugger has stopped: {why}. Start it again to go on debugging.\n"
        self._publish({"type": "event", "event": "output", "body": {"category": "important", "output": text}})
        self._publish({"type": "event", "event": "terminated", "body": {}})

    def _end(self) -> None:
        self._adapter = None
        self.attached = False
        self.stopped_threads.clear()
        self._stops.uninstall()
        self.on_end()


def _message(answer: DapMessage) -> str:
    return str(answer.get("message") or "debugpy refused without a word")


def _is_internal(body: Content) -> bool:
    """Whether an event tells of a module that no front end is to show."""
    path = str((body.get("module") or {}).get("path"))
    return path.startswith(tuple(f"{package}{os.sep}" for package in _internal_packages()))


def _is_shown(thread: Content) -> bool:
    name = str(thread.get("name"))
    if name.startswith(SUBSHELL_THREAD):
        return True
    return not name.startswith("kernelet-") and name != _NEVER_SHOWN


def _rules() -> list[Content]:
    """Return what is not shown and not stepped into: the machinery under a cell. The rest of the library is."""
    library = Path(sysconfig.get_path("stdlib"))
    inside = [str(package / "**") for package in (*_internal_packages(), library / "asyncio")]
    files = [str(library / name) for name in ("threading.py", "selectors.py", "runpy.py", "contextlib.py")]
    return [{"path": path, "include": False} for path in (*inside, *files, "<frozen runpy>")]


def _internal_packages() -> list[Path]:
    return [Path(__file__).parent.parent, *(Path(str(m.__file__)).parent for m in (IPython, traitlets, zmq))]
