"""The kernel as user code sees it: `get_ipython().kernel`, with the names that libraries look for on ipykernel's.

Any thread, where a method does not say otherwise. The machinery itself is elsewhere; nothing here owns anything.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextvars import Context
from typing import TYPE_CHECKING, Any

from traitlets import Any as AnyTrait
from traitlets import Bool, Float, Integer, observe
from traitlets.config import SingletonConfigurable

from ..protocol.message import Message, Parent
from ..runtime.attribution import PARENT
from ..runtime.lane import Lane
from ..runtime.overrides import Custom
from .answers import Answers
from .handover import Handover, as_idents, own_handlers
from .hooks import message_parent
from .ioloop import IOLoop
from .sockets import WireSocket

if TYPE_CHECKING:
    from .debugger import Debugger
    from .language import IPythonLanguage


class IPythonKernel(Answers, SingletonConfigurable):
    """What `get_ipython().kernel` is."""

    __module__ = "ipykernel.ipkernel"

    shell = AnyTrait()
    comm_manager = AnyTrait()
    session = AnyTrait()
    iopub_thread = AnyTrait()
    iopub_socket = AnyTrait()
    shell_stream = AnyTrait()
    control_stream = AnyTrait()
    stdin_socket = AnyTrait()
    io_loop = AnyTrait()
    eventloop = AnyTrait(None)
    int_id = Integer(-1)
    _poll_interval = Float(0.01).tag(config=True)

    debug_just_my_code = Bool(False, help="Whether a debugger stays in the user's own code.").tag(config=True)
    filter_internal_frames = Bool(True, help="Whether a debugger hides the kernel's own frames.").tag(config=True)

    implementation = "kernelet"

    def __init__(self, language: IPythonLanguage, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        host = language.host
        self._language = language
        self._host = host
        self._handover = Handover(language)
        self.shell = language.shell
        self.comm_manager = language.comms
        self.session = language.session
        self.iopub_thread = language.iopub
        self.iopub_socket = language.iopub.background_socket
        self.shell_stream = WireSocket(host, "shell")
        self.control_stream = WireSocket(host, "control")
        self.stdin_socket = WireSocket(host, "stdin")
        self.io_loop = IOLoop(host)
        session = host.wire.codec.session
        self.ident = "-".join((session[:8], session[8:12], session[12:16], session[16:20], session[20:]))  # as a UUID
        self.pid = os.getpid()
        own: dict[str, Custom] = {
            **own_handlers(self._handover),
            "execute_request": self.execute_request,
            "complete_request": self.complete_request,
            "inspect_request": self.inspect_request,
            "kernel_info_request": self.kernel_info_request,
        }
        host.requests.overrides.install(own, self._call_override, self)

    @observe("eventloop")
    def _change_eventloop(self, change: Any) -> None:
        from .eventloops import host  # most kernels have no GUI

        host(self, self._host, change["new"])

    # -- what it is ------------------------------------------------------------------------------------------------

    @property
    def context(self) -> Context:
        """The context that all cells share."""
        return self._language.context

    @property
    def kernel_info(self) -> dict[str, Any]:
        """The content of a kernel_info_reply."""
        return {"status": "ok", **self._host.requests.info}

    @property
    def language_info(self) -> dict[str, Any]:
        info: dict[str, Any] = self._host.requests.info["language_info"]
        return info

    @property
    def implementation_version(self) -> str:
        return str(self._host.requests.info["implementation_version"])

    @property
    def banner(self) -> str:
        return str(self._host.requests.info["banner"])

    @property
    def help_links(self) -> list[dict[str, str]]:
        links: list[dict[str, str]] = self._host.requests.info["help_links"]
        return links

    @property
    def execution_count(self) -> int:
        """The number of the cell that runs, or of the next one."""
        return int(self.shell.execution_count)

    @execution_count.setter
    def execution_count(self, value: int) -> None:
        """Do nothing, as ipykernel: the shell counts."""

    @property
    def user_ns(self) -> dict[str, Any]:
        namespace: dict[str, Any] = self.shell.user_ns
        return namespace

    @property
    def user_module(self) -> Any:
        return self.shell.user_module

    @property
    def profile_dir(self) -> Any:
        return self.shell.profile_dir

    @property
    def shell_streams(self) -> list[WireSocket]:
        return [self.shell_stream]

    @property
    def debugger(self) -> Debugger:
        """The debugger, with `is_started`, `stopped_threads` and `breakpoint_list`."""
        return self._language.debugger

    # -- the request that runs -------------------------------------------------------------------------------------

    def get_parent(self, channel: str | None = None) -> dict[str, Any]:
        """Return the message whose handling runs the calling code, or the one that control handles."""
        if channel == "control":
            running = self._host.requests.control.running
            return running.message if running is not None else {}
        message: dict[str, Any] = self.shell.get_parent()
        return message

    def set_parent(self, ident: Any, parent: dict[str, Any], channel: str = "shell") -> None:
        """Make `parent` what later output of the calling code belongs to.

        `ident` is who gets replies and questions: idents as bytes or text, or what `_parent_ident` is.
        """
        current = self._host.attribution.current()
        idents = as_idents(ident, channel) or current.idents
        if parent is current.message and idents == current.idents:
            PARENT.set(current)
            return
        allowed = bool(parent.get("content", {}).get("allow_stdin", current.allow_stdin))
        PARENT.set(message_parent(parent, current).replaced(idents=idents, allow_stdin=allowed))

    @property
    def _parent_header(self) -> dict[str, Any]:
        """The whole message, under the name that it has in ipykernel."""
        return self.get_parent()

    @property
    def _parent_ident(self) -> dict[str, list[bytes]]:
        control = self._host.requests.control.running
        return {
            "shell": list(self._host.attribution.current().idents),
            "control": list(control.idents) if control is not None else [],
        }

    @property
    def _allow_stdin(self) -> bool:
        return self._host.attribution.current().allow_stdin

    def raw_input(self, prompt: str = "") -> str:
        """Return a line from the front end; see `input`."""
        return self._language.stdin.input(prompt)

    def getpass(self, prompt: str = "", stream: Any = None) -> str:
        """Return a line that the front end does not echo."""
        return self._language.stdin.getpass(prompt, stream)

    # -- sending ---------------------------------------------------------------------------------------------------

    def send_response(
        self,
        stream: Any,
        msg_or_type: dict[str, Any] | str,
        content: dict[str, Any] | None = None,
        ident: Any = None,
        buffers: Sequence[Any] | None = None,
        track: bool = False,
        header: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
        channel: str | None = None,
    ) -> dict[str, Any] | None:
        """Send a message on a stream of the kernel's, as a child of the request that runs."""
        sent: dict[str, Any] | None = self.session.send(
            stream, msg_or_type, content, self.get_parent(channel), ident, buffers, track, header, metadata
        )
        return sent

    def _publish_status(self, status: str, channel: str = "shell", parent: dict[str, Any] | None = None) -> None:
        current = self._host.attribution.current()
        owner = current if parent is None else message_parent(parent, current)
        self._host.wire.publish("status", {"execution_state": status}, owner)

    def _publish_execute_input(self, code: str, parent: dict[str, Any], execution_count: int) -> None:
        owner = message_parent(parent, self._host.attribution.current())
        self._host.wire.publish("execute_input", {"code": code, "execution_count": execution_count}, owner)

    def _topic(self, topic: str) -> bytes:
        return f"kernel.{self.ident}.{topic}".encode()

    # -- handling requests -----------------------------------------------------------------------------------------

    @property
    def shell_handlers(self) -> dict[str, Custom]:
        """msg_type -> `f(stream, idents, message)`, sync or async; looked up for each message. Change it at will."""
        return self._host.requests.overrides.shell

    @property
    def control_handlers(self) -> dict[str, Custom]:
        """The same for the control channel, in whose thread they run."""
        return self._host.requests.overrides.control

    def pre_handler_hook(self) -> None:
        """Called before each shell message; replace it."""

    def post_handler_hook(self) -> None:
        """Called after each shell message; replace it."""

    async def execute_request(self, stream: Any, ident: Any, parent: dict[str, Any]) -> None:
        """Run the cell of a request that was kept back, and send its reply."""
        await self._handover.request("execute_request", ident, parent)

    async def complete_request(self, stream: Any, ident: Any, parent: dict[str, Any]) -> None:
        """Answer a request that was kept back."""
        await self._handover.request("complete_request", ident, parent)

    async def inspect_request(self, stream: Any, ident: Any, parent: dict[str, Any]) -> None:
        """Answer a request that was kept back."""
        await self._handover.request("inspect_request", ident, parent)

    async def kernel_info_request(self, stream: Any, ident: Any, parent: dict[str, Any]) -> None:
        """Answer a request that was kept back."""
        await self._handover.request("kernel_info_request", ident, parent)

    def poll(self) -> bool:
        """Handle one shell message that waits while this cell runs (any but an execute_request); whether there was one.

        For a cell that waits for a widget in a loop of its own. The calling thread.
        """
        return self._handover.run_one_queued()

    async def do_one_iteration(self) -> None:
        """Do what `poll` does; where nothing waits, let the loop turn for a moment."""
        await self._handover.iterate()

    @property
    def _aborting(self) -> bool:
        main = self._host.requests.main
        return main is not None and main.aborting

    def _send_abort_reply(self, stream: Any, msg: dict[str, Any], idents: Any) -> None:
        reply = str(msg["header"]["msg_type"]).removesuffix("_request") + "_reply"
        content = {"status": "aborted"}
        self.session.send(
            stream, reply, content, parent=msg, ident=list(as_idents(idents, "shell")), metadata={"status": "aborted"}
        )

    def _call_override(self, handler: Custom, message: Message, parent: Parent, lane: Lane) -> bool:
        stream = self.control_stream if message.channel == "control" else self.shell_stream
        return self._handover.call(handler, stream, message, parent, lane)
