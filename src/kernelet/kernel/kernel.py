"""The kernel: wire and lanes built and joined, messages routed to lanes, interrupt, and the way out.

`start` and `run` in the main thread, `route` in the wire thread, `interrupt` and `exit` in any.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from ..protocol.codec import Codec
from ..protocol.message import NO_PARENT, Content, Message, Parent
from ..runtime.ask import Asker
from ..runtime.attribution import Attribution
from ..runtime.clock import Clock
from ..runtime.escalation import Escalation
from ..runtime.insist import Insistence
from ..runtime.interrupt import Interrupts
from ..runtime.lane import Lane
from ..runtime.log import Log
from ..runtime.overrides import Overrides
from ..runtime.plain_parking import PlainParking
from ..runtime.presses import signal_main
from ..runtime.sockets import Sockets, keep_zero_copy_alive, mark_service_thread
from ..runtime.swallowed import repeat_swallowed
from ..runtime.wire import Wire
from . import handling
from .concurrency import Concurrent
from .greeting import Greeting
from .language import Language
from .routing import Routing
from .status import STATUS, State
from .subshells import Subshells

if TYPE_CHECKING:
    from ..runtime.capture import Capture
    from ..runtime.reception import Reception

# How long a busy cell has to end by its own means after a shutdown_request: then the process ends around it.
_CELL_GRACE_S = 0.08
# How long atexit functions may take before the process ends all the same.
_ATEXIT_GRACE_S = 5.0
_CHILDREN_GRACE_S = 0.05
_WIRE_GRACE_S = 2.0
# How long a shutdown waits for IPython to be set up: ending around it would close files that it is just reading.
_START_GRACE_S = 1.0


class Kernel:
    """One kernel on bound sockets. It answers kernel_info from `start` on; the language is attached later."""

    clock: ClassVar = Clock()

    def __init__(self, sockets: Sockets, info: Content, log: Log, capture: Capture | None = None) -> None:
        self.log = log
        self.info = info
        self.connection = sockets.connection
        self.capture = capture
        self.attribution = Attribution()
        self.interrupts = Interrupts()
        session = os.urandom(16).hex()
        codec = Codec(self.connection.key, self.connection.signature_scheme, session, self.clock, _username())
        self.wire = self._open_wire(sockets, codec)
        self.asker = Asker(self.wire, self.attribution)
        self.control = Lane("control", PlainParking(), self.handle, log)
        self.main: Lane | None = None
        self._language: Language | None = None
        self.routing = Routing(self)
        self._usage: Callable[[], Content] | None = None
        self._exit_status: int | None = None
        self._main_done = threading.Event()
        self._finishing = threading.Lock()
        self._finished = threading.Event()
        self._pid = os.getpid()
        self.greeting = Greeting(lambda state: self.publish_status(state, NO_PARENT, lazy=False))
        self.insistence: Insistence | None = None
        # Called at the very end, whoever brings it about.
        self.last_of_all: list[Callable[[], None]] = []
        self.subshells = Subshells(self)
        self.concurrent = Concurrent(self)
        self.overrides = Overrides()
        # Set while a checkpoint is to be restored once the request is answered (`checkpoints.py`).
        self.going_back: Callable[[], None] | None = None
        # The leader of the process group, if it is ours: the kernel, or what stands in its place after a restore.
        self.group = os.getpid()

    @property
    def language(self) -> Language:
        """The attached language. Raises RuntimeError before `run`."""
        if self._language is None:
            raise RuntimeError("the kernel is still starting")
        return self._language

    def _open_wire(self, sockets: Sockets, codec: Codec) -> Wire:
        return Wire(sockets, codec, self.route, self._greet, self.log)

    # -- life ------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the wire: from here on kernel_info is answered."""
        if self.capture:
            self.capture.attach(self.wire, self.attribution)
        # Before the wire answers: it takes interrupt_request from now on.
        self.interrupts.install()
        self.interrupts.escalate = Escalation(self.attribution, self.log).press
        if hasattr(signal, "pthread_kill") and threading.current_thread() is threading.main_thread():
            self.insistence = Insistence(self.wire, self.interrupts)
            repeat_swallowed(self.interrupts)
        thread = threading.Thread(target=self.control.run, name="kernelet-control", daemon=True)
        mark_service_thread(thread)
        self.control.starts_with(thread.start)
        self.wire.start()

    def run(self, language: Language, main: Lane) -> int:
        """Attach the language, handle what has waited for it, and return the exit status when the kernel ends.

        Main thread (the thread that runs user code).
        """
        self._language = language
        self.routing.open(main)
        self.interrupts.shield_forks()
        if self._exit_status is None:
            main.run()
        self._main_done.set()
        self._finish()
        self._finished.wait()
        return self._exit_status or 0

    def exit(self, status: int = 0) -> None:
        """End the kernel: interrupt what main does, then leave, if need be around it. Any thread; returns at once."""
        if self._exit_status is not None:
            return
        self._exit_status = status
        self.routing.loading.hurry()
        thread = threading.Thread(target=self._leave, name="kernelet-exit", daemon=True)
        mark_service_thread(thread)
        thread.start()

    def _leave(self) -> None:
        """See to it that the process ends, whatever main does. A thread of its own."""
        self.interrupts.escalate = lambda press, running: None  # nobody is waiting for an answer
        if self.main is None:
            self._main_done.wait(_START_GRACE_S)
        else:
            self.main.end()
            for _ in range(2):  # the second for a cell that swallowed the first
                if not self._main_done.wait(0) and threading.main_thread().ident:
                    signal_main()
                if self._main_done.wait(_CELL_GRACE_S):
                    break
        if not self._main_done.is_set():
            threading.Thread(target=self._finish, name="kernelet-finish", daemon=True).start()
        # Whoever finishes may hang in an atexit function of the user's.
        self._finished.wait(_ATEXIT_GRACE_S)
        os._exit(self._exit_status or 0)

    def _finish(self) -> None:
        """Leave nothing behind: children ended, history saved, atexit functions run, messages sent. Once."""
        if os.getpid() != self._pid or not self._finishing.acquire(blocking=False):
            return
        import atexit

        from ..runtime.children import end_children

        with contextlib.suppress(KeyboardInterrupt):
            end_children(_CHILDREN_GRACE_S)
        if self._language is not None:
            try:
                self._language.close()
            except Exception:  # noqa: BLE001  # reported; the end goes on
                self.log.crash("could not save the history")
        keep_zero_copy_alive()
        atexit._run_exitfuncs()
        if self.capture:
            self.capture.drain()
        self.wire.stop(_WIRE_GRACE_S)
        for last in self.last_of_all:
            last()
        self._finished.set()

    # -- messages --------------------------------------------------------------------------------------------------

    def _greet(self) -> None:
        """Tell who subscribes first what there is to know. Wire thread.

        A client may be heard before it hears us (its sockets connect one by one): then it is told the state as well.
        """
        self.greeting.greet(self.main if self.routing.heard else None)

    def route(self, message: Message) -> None:
        """Give a message to the lane that handles it. Wire thread."""
        self.routing.route(message)

    def reception(self) -> Reception | None:
        """Return where main sleeps and receives its requests itself, if it can. Before `run`."""
        return self.wire.reception(self.routing.take_in)

    def handle(self, lane: Lane, message: Message) -> None:
        """Answer a message in `lane`'s thread."""
        handling.handle(self, lane, message)

    def answer(self, message: Message) -> None:
        """Answer a message that user code kept back; it told the status itself. The calling thread."""
        handling.answer(self, message)

    def publish_status(self, state: State, parent: Parent, lazy: bool = True) -> None:
        """Publish the kernel's state. Any thread."""
        self.wire.publish("status", STATUS[state], parent, lazy=lazy)

    def running(self) -> set[str]:
        """Return the msg_ids of the cells that run now."""
        lanes = [self.main, *self.subshells.lanes()]
        parents = [lane.running for lane in lanes if lane is not None]
        return self.concurrent.running() | {str(parent.header["msg_id"]) for parent in parents if parent is not None}

    def after_reply(self, message: Message, reply: Content | None) -> None:
        """Do what must wait until a request was answered."""
        if message.msg_type == "shutdown_request" and reply is not None and reply["status"] == "ok":
            self._exit_answered()
        elif self.going_back is not None and threading.current_thread() is threading.main_thread():
            self.going_back()

    def _exit_answered(self) -> None:
        """End the kernel; where the wire has answered, once that has left, since a thread takes its time to start."""
        if threading.current_thread() is self.wire.thread:
            self.wire.barrier(self.exit)
        else:
            self.exit()

    # -- services --------------------------------------------------------------------------------------------------

    def interrupt(self) -> None:
        """Interrupt main as the terminal would: SIGINT, to the whole group when the kernel leads one. Any thread."""
        self.interrupts.presses.asked()
        if hasattr(os, "killpg") and os.getpgrp() == self.group:
            os.killpg(self.group, signal.SIGINT)
        else:
            signal_main()

    def subshell_ids(self) -> list[str]:
        """Return the ids of the subshells, oldest first. Any thread."""
        return self.subshells.ids()

    def branch(self) -> Content:
        """Make a second live kernel with the same variables (`branch.py`). Main thread. Raises BranchRefused."""
        from .branch import branch

        return branch(self)

    def checkpoint(self, name: str) -> Content:
        """Keep the state of now under a name (`checkpoints.py`). Main thread. Raises BranchRefused."""
        from .checkpoints import take

        return take(self, name)

    def restore(self, name: str) -> Content:
        """Go back to a checkpoint when this request is answered. Main thread. Raises BranchRefused."""
        from .checkpoints import choose

        return choose(self, name)

    def usage(self) -> Content:
        """Return the content of a usage_reply: what this kernel and its host use now."""
        if self._usage is None:
            from ..runtime.usage import Usage

            self._usage = Usage()
        return self._usage()

    def task_error(self, context: dict[str, Any]) -> None:
        """Show the error of a background task in the cell that made it. Main thread."""
        from ..runtime.background import describe, parent_of  # most kernels never need it

        self.wire.write("stderr", parent_of(context) or self.attribution.current(), describe(context))


def _username() -> str:
    """Return the name in the headers of what the kernel sends; jupyter_client's convention."""
    return os.environ.get("USER") or os.environ.get("USERNAME") or "username"
