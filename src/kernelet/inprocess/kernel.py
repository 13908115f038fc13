"""A kernel without sockets and threads: it handles a request in the thread of the client that sends it.

What a kernel changes in its process (sys.stdout, get_ipython, input, ...) is changed only while a request is handled.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, cast

import zmq

from ..ipython.borrowed import State, forget_shell, make_room
from ..ipython.info import kernel_info
from ..ipython.language import IPythonLanguage
from ..kernel.guest import GuestKernel
from ..protocol.codec import Codec, dumps, loads
from ..protocol.connection import parse
from ..protocol.message import Channel, Message
from ..runtime.ask import Asker, StdinRefused
from ..runtime.host import Host
from ..runtime.lane import Lane
from ..runtime.log import Log
from ..runtime.parking import ParkedLoop
from ..runtime.sockets import Sockets
from ..runtime.wire import Wire
from .wire import InProcessWire

_END_OF_FILE = "\x04"


class InProcessKernel(GuestKernel):
    """`frontends` are the clients that hear it; `shell` is IPython's."""

    def __init__(self, **options: Any) -> None:
        """`options` go to the shell (user_module, user_ns)."""
        self.frontends: list[Any] = []
        self.raw_input_str: str | None = None
        log = Log()
        super().__init__(Sockets(zmq.Context.instance(), {}, parse("{}")), kernel_info(), log)
        outside = State()
        make_room()
        self.asker = _InProcessAsker(self)
        parking = ParkedLoop(self.interrupts, log, self.task_error, for_this_thread=False)
        host = Host(
            self.wire,
            self.attribution,
            self.interrupts,
            parking,
            self.asker,
            log,
            self.connection,
            "",
            None,
            self.exit,
            self,
            guest=True,
        )
        try:
            argv = ["--IPKernelApp.ipykernel_aliases=False"]
            language = self._language = IPythonLanguage(host, argv, **options)
            self.shell = language.shell
            self.parking = parking
            self.main = Lane("main", parking, self.handle, log)
            self._inside = State()
        finally:
            outside.put_back()
        self._handling = 0

    def _open_wire(self, sockets: Sockets, codec: Codec) -> Wire:
        # It is what the rest of the kernel uses of a wire: the outlet, without the sockets.
        return cast("Wire", InProcessWire(codec, self._deliver, self.log))

    @property
    def gui(self) -> str | None:
        """The toolkit whose event loop the program runs."""
        gui: str | None = self.shell.active_eventloop
        return gui or "inline"

    @gui.setter
    def gui(self, gui: str | None) -> None:
        self.shell.active_eventloop = gui

    def dispatch(self, frontend: Any, msg: dict[str, Any], channel: Channel = "shell") -> None:
        """Handle a request of `frontend` in the calling thread; what it brings has been delivered when this returns."""
        assert self.main is not None
        header = msg["header"]
        message = Message(
            channel,
            (_ident(frontend),),
            header,
            dumps(header),
            dumps(msg.get("parent_header") or {}),
            dumps(msg.get("metadata") or {}),
            dumps(msg.get("content") or {}),
            tuple(map(memoryview, msg.get("buffers") or ())),
            loads,
        )
        if self._handling:  # a callback of a cell's: what is put in place is in place
            self.handle(self.main, message)
            return
        self._thread = threading.current_thread()
        outside = State()
        self._inside.put_back()
        self._handling += 1
        try:
            self.interrupts.install()
            self.handle(self.main, message)
            self.main.run_waiting()
            self.parking.turn()
        finally:
            self._handling -= 1
            self.wire.flush()
            self._inside = State()
            outside.put_back()

    def _deliver(self, channel: Channel, idents: list[bytes], message: dict[str, Any]) -> None:
        if channel == "iopub":
            for frontend in list(self.frontends):
                frontend.iopub_channel.call_handlers(message)
            return
        frontend = self.asked(idents)
        if frontend is None:
            return
        if channel == "stdin":
            frontend.stdin_channel.call_handlers(message)
        else:
            getattr(frontend, f"{channel}_channel").call_handlers_later(message)

    def asked(self, idents: Sequence[bytes]) -> Any:
        """Return the client with these idents, or None."""
        return next((one for one in self.frontends if _ident(one) in idents), None)

    def exit(self, status: int = 0) -> None:
        """Nothing: the kernel ends with its manager's `shutdown_kernel`, or with the process. Any thread."""

    def close(self) -> None:
        """End the kernel. In the thread that uses it."""
        outside = State()
        self._inside.put_back()
        try:
            self.language.close()
            forget_shell()
            self.parking.close()
        finally:
            outside.put_back()
        self.frontends.clear()


def _ident(frontend: Any) -> bytes:
    """Return what a client is told by: not its session, which clients of one manager share."""
    return str(id(frontend)).encode()


class _InProcessAsker(Asker):
    """Lets the client's stdin channel find an answer while the kernel waits."""

    def __init__(self, kernel: InProcessKernel) -> None:
        super().__init__(kernel.wire, kernel.attribution)
        self._kernel = kernel

    def ask(self, prompt: str, password: bool = False) -> str:
        parent = self._attribution.current()
        frontend = self._kernel.asked(parent.idents)
        if not parent.allow_stdin or frontend is None:
            raise StdinRefused
        kernel = self._kernel
        kernel.raw_input_str = None
        self._wire.send("stdin", "input_request", {"prompt": prompt, "password": password}, parent)
        while kernel.raw_input_str is None:
            frontend.stdin_channel.process_events()
        answer: str = kernel.raw_input_str
        if answer == _END_OF_FILE:
            raise EOFError
        return answer
