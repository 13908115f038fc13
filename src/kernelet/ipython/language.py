"""IPython as a language of the kernel: execute and comms; questions about code are in `questions.py`.

Runs in the thread of the lane that a request was routed to: main, a subshell, or (questions only) the assistant.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from IPython.core.interactiveshell import ExecutionResult

from ..protocol.message import Content
from ..runtime.attribution import PARENT
from ..runtime.background import tell_of_threads
from ..runtime.deadline import DEADLINE, interrupter
from ..runtime.host import Host
from ..runtime.on_import import call_after_import
from ..runtime.signals import taken_by_users
from ..runtime.thread_parents import ThreadParents
from . import aliases, faults
from .app import IPKernelApp
from .c_stdout import CStdout
from .cell_arguments import cell_arguments
from .comms import CommManager
from .facade import IPythonKernel
from .history import HistoryByNumber
from .questions import Questions
from .session import Session
from .sockets import IOPubThread, WireSocket
from .stdin import Stdin
from .streams import OutStream, flush_foreign_streams

if TYPE_CHECKING:
    from .debugger import Debugger
    from .heritage import Heritage


# History that a crash (SIGKILL, a segmentation fault) may lose.
HISTORY_HELD_S = 1.0


class IPythonLanguage(Questions):
    """Owns the shell and the one context in which all cells run, so that a ContextVar set in a cell stays set."""

    def __init__(self, host: Host, argv: Sequence[str], **options: Any) -> None:
        """`options` go to the shell (user_module, user_ns)."""
        self._begin_with_main(host)
        os.environ.setdefault("MPLBACKEND", "module://matplotlib_inline.backend_inline")
        self._app = IPKernelApp.instance()
        self._app.configure(host, argv)
        self.session = Session(host)
        self.iopub = IOPubThread(WireSocket(host, "iopub"))
        self._redirect()
        ThreadParents(host.attribution).install()
        tell_of_threads()
        if host.capture is not None:
            from ..runtime.forks import Forks  # not on Windows

            Forks(host.wire, host.capture).install()
        self._saving = False
        self._c_stdout = CStdout()
        self._debugger: Debugger | None = None
        self._making_debugger = threading.Lock()
        # Where each running cell runs, by the id of its Parent: the loop of its lane, or the TaskCell.
        self.running: dict[int, object] = {}
        self.comms = CommManager(host)
        self.shell = self._app.make_shell(host, **options)
        self.stdin = Stdin(host)
        self.kernel = IPythonKernel.instance(language=self, parent=self._app)
        self.shell.kernel = self._app.kernel = self.kernel
        self.shell.where = self._where  # type: ignore[method-assign]  # only the language knows the lanes' contexts
        self.comms.install(self.kernel)
        self.stdin.install()
        faults.install(host.log.fd)
        call_after_import("matplotlib_inline.backend_inline", self._keep_figures_apart)
        aliases.install(self._app, self.kernel)
        if "JPY_SESSION_NAME" in os.environ:
            self.shell.user_ns["__session__"] = os.environ["JPY_SESSION_NAME"]
            self.shell.user_ns_hidden["__session__"] = os.environ["JPY_SESSION_NAME"]
        self.host.parking.call(self._app.run_startup)
        self.host.wire.main_keeps_out = taken_by_users()

    def _redirect(self) -> None:
        """Put our streams in the place of sys.stdout and sys.stderr, and capture the descriptors under them."""
        capture = self.host.capture if self._app.capture_fd_output else None
        if capture is not None:
            capture.redirect()
        outside = (sys.stdout, sys.stderr) if self.host.guest else (None, None)
        if not self._app.no_stdout:
            sys.stdout = OutStream(self.session, self.iopub, "stdout", fd=1 if capture else None, outside=outside[0])
        if not self._app.no_stderr:
            sys.stderr = OutStream(self.session, self.iopub, "stderr", fd=2 if capture else None, outside=outside[1])

    # -- execute ---------------------------------------------------------------------------------------------------

    def execute(self, request: Any) -> Content:
        """Run a cell and return the whole content of its reply."""
        content, parent = request.content, request.parent
        silent = bool(content.get("silent", False))
        store_history = bool(content.get("store_history", not silent)) and not silent
        interrupts = self._enter_lane(request.lane)
        parking, context = self._where()
        self.host.attribution.latest = parent
        context.run(PARENT.set, parent)
        count = self.shell.numbers.begin(store_history and not content["code"].isspace() and content["code"] != "")
        if not silent:
            self.host.wire.publish(
                "execute_input", {"code": content["code"], "execution_count": count}, parent, lazy=True
            )
        self.host.wire.begin_cell()
        interrupts.begin_request()
        deadline = request.deadline
        if deadline is not None:
            context.run(DEADLINE.set, deadline)
            deadline.start(interrupter(interrupts))
        try:
            self.running[id(parent)] = parking
            result = self._run(content["code"], store_history, silent, request.metadata)
            reply = self.outcome(result)
            expressions = self._expressions(content.get("user_expressions") or {}, reply)
        except KeyboardInterrupt:  # it came between our code and the user's
            reply, expressions = context.run(self.interrupted), {}
        finally:
            if deadline is not None:
                deadline.stop()
                context.run(DEADLINE.set, None)
            interrupts.end_request()
            interrupts.install()
            self.host.wire.main_keeps_out = taken_by_users()
            self.shell.numbers.end()
            self.running.pop(id(parent), None)
        self._leave_forked_child(reply["status"])
        flush_foreign_streams()
        self.drain()
        self._save_history_later()
        # Nobody saw a silent cell: its reply names the last one seen, to which qtconsole adds one for its prompt.
        reply["execution_count"] = count - silent
        reply["user_expressions"] = expressions
        reply["payload"] = self.shell.take_payloads()
        return reply

    def execute_as_task(self, request: Any, done: Callable[[Content], None]) -> None:
        """Begin a cell that runs as a task of its lane's loop, and call `done` with the reply when it has ended."""
        from .task_cells import RunningTask  # most kernels never need it

        self._enter_lane(request.lane)
        parking, context = self._where()
        RunningTask(self, request, context.copy(), done).start(parking.loop)

    def _run(self, code: str, store_history: bool, silent: bool, metadata: dict[str, Any]) -> ExecutionResult:
        # Looked up at each call: VS Code and others replace it on the instance.
        run_cell = self.shell.run_cell
        keywords = {"store_history": store_history, "silent": silent, **cell_arguments(self.shell, metadata)}
        parking, context = self._where()
        run = parking.call
        if self.awaits(code):
            # Its task enters the context by itself; entered twice, a context refuses. What hooks say before and after
            # it is the cell's as well.
            token = PARENT.set(context[PARENT])
            try:
                result: ExecutionResult = run(run_cell, code, **keywords)
            finally:
                PARENT.reset(token)
        else:
            result = context.run(run, run_cell, code, **keywords)
        return result

    def awaits(self, code: str) -> bool:
        """Whether IPython will run this cell on our loop."""
        if "await" not in code and "async" not in code and "%" not in code and "!" not in code:
            return False
        if self.shell.loop_runner != self.shell.run_on_loop:
            return False
        try:
            transformed = self.shell.transform_cell(code)
        except Exception:  # noqa: BLE001  # a transformer's own error: run_cell meets it again, and shows it
            return False
        return bool(self.shell.should_run_async(code, transformed_cell=transformed))

    def outcome(self, result: ExecutionResult) -> Content:
        """Return the status of a cell, and its error as it was shown."""
        error = result.error_before_exec or result.error_in_exec
        if error is None:
            return {"status": "ok"}
        shown = self.shell.traceback.shown
        if shown is None and isinstance(error, KeyboardInterrupt):  # a second one, while the first was being shown
            return self.interrupted()
        name, text, lines = shown if shown else (type(error).__name__, str(error), [])
        return {
            "status": "error",
            "ename": name,
            "evalue": text,
            "traceback": lines,
            "engine_info": {"engine_uuid": self.host.wire.codec.session, "engine_id": -1, "method": "execute"},
        }

    def interrupted(self) -> Content:
        """Tell of an interrupt between our code and the user's, and return the reply."""
        content: Content = {"ename": "KeyboardInterrupt", "evalue": "", "traceback": ["KeyboardInterrupt"]}
        deadline = DEADLINE.get()
        if deadline is not None and deadline.expired:
            text = str(deadline.error())
            content = {"ename": "TimeoutError", "evalue": text, "traceback": [f"TimeoutError: {text}"]}
        self.host.wire.publish("error", dict(content), self.host.attribution.current())
        return {"status": "error", **content}

    def _expressions(self, expressions: dict[str, str], reply: Content) -> dict[str, Any]:
        """Evaluate user_expressions, unless the cell failed."""
        if not expressions or reply["status"] != "ok":
            return {}
        evaluated: dict[str, Any] = self._in_cell_context(self.shell.user_expressions, expressions)
        return evaluated

    def drain(self) -> None:
        """Fetch what C code and subprocesses wrote, so that it comes before the reply."""
        if self.host.capture is None:
            return
        self._c_stdout.flush()
        self.host.capture.drain_if_written()

    def _save_history_later(self) -> None:
        """Write the history rows that wait, in IPython's saving thread, a second after the first. Any thread."""
        if not self._saving:
            self._saving = True
            self.host.wire.remind(HISTORY_HELD_S, self._save_history)

    def _save_history(self) -> None:
        self._saving = False  # first: a row that is added from here on may miss this time
        manager = self.shell.history_manager
        if isinstance(manager, HistoryByNumber):
            manager.write_soon()

    def _leave_forked_child(self, status: str) -> None:
        """End a child that user code forked and that fell out of its cell: the parent goes on serving."""
        if os.getpid() != self.kernel.pid:
            from ..runtime.forks import leave  # not on Windows

            leave(0 if status == "ok" else 1)

    # -- comms -----------------------------------------------------------------------------------------------------

    def comm_info(self, request: Any) -> Content:
        return {"comms": self.comms.info(request.content.get("target_name"))}

    def comm(self, request: Any) -> None:
        """Give a comm message to its comm, as code of the cells' context with the message as its parent."""
        handler = getattr(self.comms, request.message.msg_type)
        message = dict(request.parent.message)
        self.with_parent(request.lane, request.parent, handler, None, list(request.message.idents), message)
        self.host.wire.main_keeps_out = taken_by_users()
        self.drain()

    # -- debugger --------------------------------------------------------------------------------------------------

    @property
    def debugger(self) -> Debugger:
        """The debugger, made when it is first asked for: most kernels never debug. Any thread."""
        with self._making_debugger:
            if self._debugger is None:
                from .debugger import Debugger

                kernel = self.kernel
                self._debugger = Debugger(
                    self.host, self.shell, kernel.debug_just_my_code, kernel.filter_internal_frames
                )
                self.stdin.debugger = self._debugger
            return self._debugger

    def debug(self, request: Any, done: Callable[[Content], None]) -> None:
        """Answer a debug_request."""
        self.debugger.request(request.content, request.parent, done)

    def _keep_figures_apart(self) -> None:
        from .figures import Strands, install  # needs matplotlib

        install(Strands(self))

    def heritage(self) -> Heritage:
        """Return what a fork of this process takes over."""
        from .heritage import Heritage  # most kernels never need it

        return Heritage(self)

    # -- end -------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Save the history. Any thread."""
        manager = self.shell.history_manager
        if manager is not None and manager.enabled:
            manager.writeout_cache()  # IPython's own atexit function ends the session
