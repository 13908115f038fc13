"""A kernel for another language, in a class of a few lines: `LanguageKernel`.

    class Echo(LanguageKernel):
        info = {"implementation": "echo", "language_info": {"name": "echo", "mimetype": "text/plain"}}

        def run(self, code):
            print(code)

    if __name__ == "__main__":
        Echo.main()

What `run` and what it starts (a subprocess, C code) write to stdout and stderr is the cell's output, what it returns
its result, what it raises its error. Everything runs in the main thread, and an interrupt raises KeyboardInterrupt.
"""

from __future__ import annotations

import os
import sys
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NoReturn

from .. import __version__
from ..protocol.connection import InvalidConnection
from ..protocol.message import PROTOCOL_VERSION, Content
from ..runtime.ask import StdinRefused
from ..runtime.capture import Capture
from ..runtime.deadline import interrupter
from ..runtime.lane import Lane
from ..runtime.log import Log
from ..runtime.parking import ParkedLoop
from .inputs import Inputs
from .kernel import Kernel
from .language import Request
from .options import InvalidOptions
from .options import parse as parse_options
from .process import BAD_CONNECTION_STATUS, make_capture, open_connection, watch_parent

_NO_ANSWER: dict[str, Content] = {
    "complete": {"matches": [], "metadata": {}},
    "inspect": {"found": False, "data": {}, "metadata": {}},
    "is_complete": {"status": "unknown"},
}


class LanguageKernel:
    """Subclass it: `info` and `run` at least; `complete_code`, `describe`, `completeness`, `start`, `stop` too."""

    # The content of the kernel_info_reply: what is missing of it is filled in.
    info: ClassVar[Mapping[str, Any]] = {}
    # Whether questions about code may be asked in another thread while a cell runs; if not, they get no answer then.
    answers_while_busy: ClassVar[bool] = False

    # -- for the subclass ------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Get ready to run code. Called once."""

    def stop(self) -> None:
        """Save what must be saved: the process ends. Called once, in any thread."""

    def run(self, code: str) -> object:
        """Run a cell. Return None, a mime bundle (a dict), or an object whose repr() is the result."""
        raise NotImplementedError

    def complete_code(self, code: str, cursor: int) -> tuple[Sequence[str], int, int]:
        """Return completions, and the start and the end of what each of them would replace."""
        return [], cursor, cursor

    def describe(self, code: str, cursor: int, detail: int) -> Mapping[str, Any] | str | None:
        """Return what is known of the name at the cursor, as text or as a mime bundle."""
        return None

    def completeness(self, code: str) -> tuple[str, str]:
        """Return complete, incomplete, invalid or unknown, and what to indent the next line by."""
        return "unknown", ""

    def explain(self, error: BaseException) -> tuple[str, str, list[str]]:
        """Return the name, the text and the lines of the traceback of what `run` raised."""
        return type(error).__name__, str(error), [f"{type(error).__name__}: {error}"]

    # -- for `run` to call -----------------------------------------------------------------------------------------

    def display(
        self,
        data: Mapping[str, Any],
        metadata: Mapping[str, Any] | None = None,
        display_id: str | None = None,
        update: bool = False,
    ) -> None:
        """Show a mime bundle; with `update`, in the place of the one with the same id."""
        transient = {} if display_id is None else {"display_id": display_id}
        content = {"data": dict(data), "metadata": dict(metadata or {}), "transient": transient}
        self._publish("update_display_data" if update else "display_data", content)

    def clear_output(self, wait: bool = False) -> None:
        """Clear what the cell has shown; with `wait`, when the next output comes."""
        self._publish("clear_output", {"wait": wait})

    def ask(self, prompt: str = "", password: bool = False) -> str:
        """Return a line from the front end. Raises EOFError for Ctrl-D, and where nobody can be asked."""
        self._drain()
        try:
            return self._kernel.asker.ask(prompt, password)
        except StdinRefused:
            raise EOFError("this front end does not answer questions") from None

    def page(self, text: str) -> None:
        """Show text in the front end's pager, when the cell is over."""
        self._payload.append({"source": "page", "data": {"text/plain": text}, "start": 0})

    # -- the process -----------------------------------------------------------------------------------------------

    @classmethod
    def main(cls, argv: Sequence[str] | None = None) -> NoReturn:
        """Run a kernel of this language as the command line says (`-f FILE`), and end the process."""
        try:
            options = parse_options(sys.argv[1:] if argv is None else argv)
            path, sockets = open_connection(options)
        except (InvalidConnection, InvalidOptions) as error:
            sys.stderr.write(f"{cls.__name__}: {error}\n")
            sys.stderr.flush()
            os._exit(BAD_CONNECTION_STATUS)
        log = Log(os.dup(2), "debug" if "--debug" in options.rest else "warning")
        capture = make_capture()
        kernel = Kernel(sockets, _whole_info(cls.info), log, capture)
        if not options.connection_file:
            kernel.last_of_all.append(lambda: Path(path).unlink(missing_ok=True))
        watch_parent(kernel, log)
        kernel.start()
        parking = ParkedLoop(kernel.interrupts, log, kernel.task_error)
        try:
            language = cls(kernel, parking, capture)
        except BaseException:  # noqa: BLE001  # said, and the process ends
            log.crash(f"{cls.__name__} could not be set up")
            os._exit(1)
        status = kernel.run(language, Lane("main", parking, kernel.handle, log))
        os._exit(status)

    def __init__(self, kernel: Kernel, parking: ParkedLoop, capture: Capture | None) -> None:
        """Called by `main`; a subclass has `start`."""
        self._kernel = kernel
        self._parking = parking
        self._capture = capture
        self._busy = threading.Lock()
        self._count = 0
        self._inputs = Inputs()
        self._payload: list[dict[str, Any]] = []
        if capture is not None:
            capture.redirect()
        # New ones: a pipe has taken the place of what they were opened on.
        sys.stdout, sys.stderr = (
            open(fd, "w", buffering=1, encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115  # for good
            for fd in (1, 2)
        )
        parking.call(self.start)

    # -- what the kernel asks: see `Language` ----------------------------------------------------------------------

    def execute(self, request: Request) -> Content:
        """Run a cell and return the content of the reply."""
        content, parent, kernel = request.content, request.parent, self._kernel
        code, silent = content["code"], bool(content.get("silent"))
        if content.get("store_history", not silent) and not silent and code.strip():
            self._count += 1
            self._inputs.codes.append(code)
        kernel.attribution.latest = parent
        self._payload = []
        if not silent:
            self._publish("execute_input", {"code": code, "execution_count": self._count})
        kernel.wire.begin_cell()
        kernel.interrupts.begin_request()
        if request.deadline is not None:
            request.deadline.start(interrupter(kernel.interrupts))
        try:
            with self._busy:
                result = self._parking.call(self.run, code)
            reply: Content = {"status": "ok", "user_expressions": {}}
            if result is not None and not silent:
                data = dict(result) if isinstance(result, Mapping) else {"text/plain": repr(result)}
                self._publish("execute_result", {"data": data, "metadata": {}, "execution_count": self._count})
        except (Exception, KeyboardInterrupt, SystemExit) as error:  # noqa: BLE001  # the cell's, whatever it is
            reply = {"status": "error", **self._fail(error)}
        finally:
            if request.deadline is not None:
                request.deadline.stop()
            kernel.interrupts.end_request()
            kernel.interrupts.install()
        self._drain()
        return {**reply, "execution_count": self._count, "payload": self._payload}

    def _fail(self, error: BaseException) -> Content:
        try:
            name, text, lines = self.explain(error)
        except Exception:  # noqa: BLE001  # the subclass's explanation fails: the error itself must be shown
            name, text, lines = type(error).__name__, str(error), traceback.format_exception(error)
        content = {"ename": name, "evalue": text, "traceback": lines}
        self._publish("error", content)
        return content

    def _publish(self, msg_type: str, content: Content) -> None:
        self._drain()
        self._kernel.wire.publish(msg_type, content, self._kernel.attribution.latest)

    def _drain(self) -> None:
        """Fetch what was written, so that it keeps its place."""
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        if self._capture is not None:
            self._capture.drain()

    def _question(self, kind: str, ask: Callable[..., Content], *args: Any) -> Content:
        if self.answers_while_busy:
            return ask(*args)
        if not self._busy.acquire(blocking=False):
            return _NO_ANSWER[kind]
        try:
            return ask(*args)
        finally:
            self._busy.release()

    def complete(self, request: Request) -> Content:
        """Answer a complete_request."""
        code, cursor = _code_and_cursor(request.content)

        def ask() -> Content:
            matches, start, end = self.complete_code(code, cursor)
            return {"matches": list(matches), "cursor_start": start, "cursor_end": end, "metadata": {}}

        return {"cursor_start": cursor, "cursor_end": cursor, **self._question("complete", ask)}

    def inspect(self, request: Request) -> Content:
        """Answer an inspect_request."""
        code, cursor = _code_and_cursor(request.content)

        def ask() -> Content:
            known = self.describe(code, cursor, int(request.content.get("detail_level") or 0))
            data = {"text/plain": known} if isinstance(known, str) else dict(known or {})
            return {"found": bool(data), "data": data, "metadata": {}}

        return self._question("inspect", ask)

    def is_complete(self, request: Request) -> Content:
        """Answer an is_complete_request."""

        def ask() -> Content:
            status, indent = self.completeness(request.content["code"])
            return {"status": status, "indent": indent} if status == "incomplete" else {"status": status}

        return self._question("is_complete", ask)

    def history(self, request: Request) -> Content:
        """Answer a history_request from the inputs of this session."""
        return {"history": self._inputs.rows(request.content)}

    def comm_info(self, request: Request) -> Content:
        """Answer a comm_info_request: there are none."""
        return {"comms": {}}

    def comm(self, request: Request) -> None:
        """Close what a front end opens: nothing here speaks over comms."""
        if request.message.msg_type == "comm_open":
            comm_id = request.content["comm_id"]
            content = {"comm_id": comm_id, "data": {}}
            self._kernel.wire.publish("comm_close", content, request.parent, topic=f"comm-{comm_id}")

    def debug(self, request: Request, done: Callable[[Content], None]) -> None:
        """Answer a debug_request: there is no debugger."""
        done({})

    def close(self) -> None:
        """End: the process does."""
        self.stop()


def _code_and_cursor(content: Content) -> tuple[str, int]:
    code = content["code"]
    cursor = content.get("cursor_pos")
    return code, cursor if isinstance(cursor, int) and 0 <= cursor <= len(code) else len(code)


def _whole_info(given: Mapping[str, Any]) -> Content:
    language: Mapping[str, Any] = given.get("language_info", {})
    name = str(language.get("name", "unknown"))
    return {
        "protocol_version": PROTOCOL_VERSION,
        "implementation": name,
        "implementation_version": __version__,
        "banner": f"{name}, on kernelet {__version__}",
        "help_links": [],
        "supported_features": [],
        "debugger": False,
        **given,
        "language_info": {"name": name, "version": "", "mimetype": "text/plain", "file_extension": ".txt", **language},
    }
