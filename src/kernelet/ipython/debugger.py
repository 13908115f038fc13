"""The debugger (JEP 47, JEP 93): what a debug_request is answered with, by the kernel itself or by debugpy.

`request` any thread; all the rest in the debugger's thread. Requests overlap: none waits for a slow one before it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from IPython.core.inputtransformer2 import leading_empty_lines

from ..protocol.message import NO_PARENT, Content, Parent
from ..runtime.debug_adapter import AdapterGone
from ..runtime.debug_thread import DebugThread
from ..runtime.host import Host
from ..runtime.presses import signal_main
from . import cell_name, debug_fields
from .debug_reply import DebugError, failure, response, text_argument
from .debug_session import DebugSession
from .debug_sources import Sources, modules, page, prefix
from .debug_stops import Stops
from .debug_variables import Explorer, checked_look, identifier, is_hidden, kept

Answer = Callable[[Content], Awaitable[Any]]
_GROUPS = ("special variables", "function variables", "class variables")


class Debugger:
    """One kernel's debugger. Each method named after a command takes its arguments and returns the reply's body."""

    def __init__(self, host: Host, shell: Any, just_my_code: bool = False, filter_internal_frames: bool = True) -> None:
        self._host = host
        self._shell = shell
        self._thread = DebugThread()
        self._seq = 0
        self._parent: Parent = NO_PARENT
        self._explorer: Explorer | None = None
        self._sources = Sources()
        self._stops = Stops(self._release)
        self._session = DebugSession(self._thread, self._stops, self._publish, just_my_code, filter_internal_frames)
        self._session.on_begin, self._session.on_end = self._begin, self._end
        # References to scopes of stopped frames: what is in them is filtered as the namespace is.
        self._scopes: set[int] = set()
        self._leading_lines: tuple[int, Any] | None = None
        self._answers: dict[str, Answer] = {
            "debugInfo": self._debug_info,
            "dumpCell": self._dump_cell,
            "source": self._source,
            "modules": self._modules,
            "inspectVariables": self._inspect_variables,
            "richInspectVariables": self._rich_inspect_variables,
            "copyToGlobals": self._copy_to_globals,
            "initialize": self._session.initialize,
            "attach": self._session.attach,
            "configurationDone": self._session.configuration_done,
            "disconnect": self._disconnect,
            "terminate": self._terminate,
        }

    @property
    def is_started(self) -> bool:
        return self._session.is_started

    @property
    def stopped_threads(self) -> set[int]:
        return self._session.stopped_threads

    @property
    def breakpoint_list(self) -> dict[str, list[Content]]:
        return self._sources.breakpoints

    def request(self, content: Content, parent: Parent, done: Callable[[Content], None]) -> None:
        """Answer a debug_request: `done` is called with the reply's content, in the debugger's thread."""
        future = self._thread.submit(self._request(content, parent))
        future.add_done_callback(lambda answered: done(answered.result()))

    def breakpoint(self, frame: Any) -> bool:
        """Stop a thread at the next line of `frame`; False when nobody debugs. Any thread."""
        if not self._session.attached:
            return False
        self._stops.stop_at(frame)
        return True

    async def _request(self, content: Content, parent: Parent) -> Content:
        self._parent = parent
        try:
            reply = await self._reply(content)
        except (DebugError, AdapterGone) as error:
            reply = failure(content, str(error))
        except Exception as error:  # noqa: BLE001  # ours or pydevd's: logged, and told to the front end
            self._host.log.crash(f"debug_request {content.get('command')!r} failed")
            reply = failure(content, f"{type(error).__name__}: {error}")
        return self._numbered(reply)

    async def _reply(self, content: Content) -> Content:
        command, arguments = content.get("command"), content.get("arguments", {})
        if not isinstance(command, str):
            raise DebugError("a debug_request needs a text 'command'")
        if arguments is None:
            arguments = {}
        if not isinstance(arguments, dict):
            raise DebugError("the arguments of a debug_request must be an object")
        if not isinstance(content.get("seq", 0), int):
            raise DebugError(f"the seq of a debug_request is {content['seq']!r:.60}, not a whole number")
        if content.get("type", "request") != "request":
            raise DebugError(f"the type of a debug_request is {content['type']!r:.60}, not 'request'")
        answer = self._answers.get(command)
        if answer is not None or self.is_started:  # else the refusal says that
            debug_fields.check(command, arguments)
        if answer is not None:
            return response(content, await answer(arguments))
        if command == "variables" and self._explorer is not None:
            reference = arguments.get("variablesReference")
            if isinstance(reference, int) and self._explorer.knows(reference):
                found = await self._thread.aside(self._explorer.children, reference)
                return response(content, {"variables": page(found, arguments, "start", "count")})
        answered = await self._session.forward(command, arguments)
        if answered.get("success"):
            self._amend(command, arguments, answered)
        return {**answered, "request_seq": content.get("seq", 0)}

    def _amend(self, command: str, arguments: Content, answered: Content) -> None:
        """Bring what debugpy answered into the form that front ends expect."""
        body = answered.get("body")
        if command == "setBreakpoints":
            self._sources.remember(arguments, body)
        elif command == "scopes" and isinstance(body, dict):
            self._scopes.update(scope["variablesReference"] for scope in body.get("scopes", ()))
        elif command == "variables" and isinstance(body, dict):
            found = body.get("variables", [])
            if arguments.get("variablesReference") in self._scopes:
                found = _without_hidden(found)
            body["variables"] = page(found, arguments, "start", "count")

    def _numbered(self, content: Content) -> Content:
        self._seq += 1
        return {**content, "seq": self._seq}

    def _publish(self, message: Content) -> None:
        """Tell the front end an event: as a child of the cell that runs, or of the last request."""
        main = self._host.requests.main
        running = main.running if main is not None else None
        self._host.wire.publish("debug_event", self._numbered(message), running or self._parent, lazy=False)

    def _release(self) -> None:
        self._thread.loop.call_soon_threadsafe(self._session.resume_all)

    # -- sources ---------------------------------------------------------------------------------------------------

    async def _debug_info(self, arguments: Content) -> Content:
        return {
            "isStarted": self.is_started,
            "hashMethod": "Murmur2",
            "hashSeed": cell_name.SEED,
            "tmpFilePrefix": prefix(),
            "tmpFileSuffix": ".py",
            "breakpoints": self._sources.listing(),
            "stoppedThreads": sorted(self.stopped_threads),
            "richRendering": True,
            "exceptionPaths": ["Python Exceptions"],
            "copyToGlobals": True,
        }

    async def _dump_cell(self, arguments: Content) -> Content:
        return self._sources.dump_cell(arguments)

    async def _source(self, arguments: Content) -> Content:
        source = arguments.get("source")
        reference = arguments.get("sourceReference") or (source or {}).get("sourceReference")
        if reference and self.is_started:
            answered = await self._session.forward("source", arguments)
            if answered.get("success"):
                return answered.get("body") or {}
        return self._sources.source(arguments)

    async def _modules(self, arguments: Content) -> Content:
        return modules(arguments)

    # -- variables -------------------------------------------------------------------------------------------------

    async def _need_explorer(self) -> Explorer:
        if self._explorer is None:
            self._explorer = await self._thread.aside(Explorer, self._shell)
        return self._explorer

    async def _inspect_variables(self, arguments: Content) -> Content:
        explorer = await self._need_explorer()
        return {"variables": await self._thread.aside(explorer.inspect)}

    async def _rich_inspect_variables(self, arguments: Content) -> Content:
        name = text_argument(arguments, "variableName")
        if name in _GROUPS:
            return {"data": {}, "metadata": {}}
        if self.stopped_threads and arguments.get("frameId") is not None:
            checked_look(name)
            data, metadata = await self._in_frame(name, arguments["frameId"], rich=True)
            return {"data": data, "metadata": {kind: more for kind, more in metadata.items() if kind in data}}
        explorer = await self._need_explorer()
        return await self._thread.aside(lambda: explorer.rich(explorer.look(name)))

    async def _copy_to_globals(self, arguments: Content) -> Content:
        source, target = identifier(arguments, "srcVariableName"), identifier(arguments, "dstVariableName")
        explorer = await self._need_explorer()
        if self.stopped_threads and arguments.get("srcFrameId") is not None:
            value = await self._in_frame(source, arguments["srcFrameId"])
        else:
            value = await self._thread.aside(explorer.look, source)
        return await self._thread.aside(explorer.assign, target, value)

    async def _in_frame(self, expression: str, frame_id: Any, rich: bool = False) -> Any:
        """Return the object that an expression is in a stopped frame."""
        number, keeping = kept.expression(expression, rich)
        await self._session.evaluate(keeping, frame_id)
        return kept.take(number)

    # -- the session -----------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        """Let the lines of a cell be those that the person sees: IPython drops empty ones at its top."""
        transforms = self._shell.input_transformer_manager.cleanup_transforms
        if self._leading_lines is None and leading_empty_lines in transforms:
            place = transforms.index(leading_empty_lines)
            self._leading_lines = place, transforms.pop(place)
        self._shell.events.register("pre_run_cell", self._stops.trace_again)
        self._shell.on_uncaught = self._uncaught
        self._run_ast_nodes = run_ast_nodes = self._shell.run_ast_nodes

        async def run_and_end_stepping(*args: Any, **kwargs: Any) -> Any:
            try:
                return await run_ast_nodes(*args, **kwargs)
            finally:
                self._stops.end_stepping()

        self._shell.run_ast_nodes = run_and_end_stepping

    def _end(self) -> None:
        self._shell.events.unregister("pre_run_cell", self._stops.trace_again)
        self._shell.on_uncaught = None
        self._shell.run_ast_nodes = self._run_ast_nodes
        if self._leading_lines is not None:
            self._shell.input_transformer_manager.cleanup_transforms.insert(*self._leading_lines)
            self._leading_lines = None
        self._sources.breakpoints.clear()
        self._scopes.clear()

    def _uncaught(self, error: BaseException) -> None:
        if self._session.attached and not isinstance(error, KeyboardInterrupt | SystemExit):
            self._stops.uncaught(error)

    async def _disconnect(self, arguments: Content) -> Content:
        await self._session.disconnect(arguments)
        return {}

    async def _terminate(self, arguments: Content) -> Content:
        """End what is debugged, the cell that runs, and the session. debugpy itself would end the kernel."""
        started = self.is_started
        await self._session.disconnect({})
        main = self._host.requests.main
        if main is not None and main.running is not None:
            signal_main()
        if started:
            self._publish({"type": "event", "event": "terminated", "body": {}})
        return {}


def _without_hidden(variables: list[Content]) -> list[Content]:
    """Leave out what IPython put into the namespace, if these are the namespace's variables."""
    if not {"In", "Out"} <= {variable["name"] for variable in variables}:
        return variables
    return [variable for variable in variables if not is_hidden(variable["name"])]
