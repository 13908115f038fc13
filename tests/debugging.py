"""A front end that debugs: requests and events of the Debug Adapter Protocol, over a kernel's control channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from frontend import KERNEL_NAME, Frontend, Json


def is_event(message: Json, name: str | None = None) -> bool:
    return message["msg_type"] == "debug_event" and name in (None, message["content"]["event"])


@dataclass(frozen=True)
class Stop:
    """Where code stands: the body of the stopped event, and the frames, innermost first."""

    body: Json
    frames: list[Json]

    @property
    def thread(self) -> int:
        return int(self.body["threadId"])

    @property
    def frame(self) -> int:
        return int(self.frames[0]["id"])

    @property
    def place(self) -> tuple[str, int]:
        """Function and line."""
        return self.frames[0]["name"], self.frames[0]["line"]

    @property
    def path(self) -> str:
        return str(self.frames[0]["source"]["path"])


class Debugging:
    """One client's debug session with a kernel."""

    def __init__(self, kernel: Frontend) -> None:
        self.kernel = kernel
        self._seq = 0

    # -- requests

    def send(self, command: str, **arguments: Any) -> str:
        """Send a debug_request and return its msg_id."""
        self._seq += 1
        content = {"type": "request", "seq": self._seq, "command": command, "arguments": arguments}
        return self.kernel.send("debug_request", content, channel="control")

    def reply(self, command: str, **arguments: Any) -> Json:
        """Return the content of the reply; that it is a well-formed DAP response is seen to here."""
        msg_id, seq = self.send(command, **arguments), self._seq
        content: Json = self.kernel.result(msg_id, channel="control").content
        if KERNEL_NAME == "kernelet":  # the oracle's slips are known
            assert content["type"] == "response"
            assert content["command"] == command
            assert content["request_seq"] == seq
            assert isinstance(content["seq"], int)
            assert isinstance(content["success"], bool)
        return content

    def ask(self, command: str, **arguments: Any) -> Any:
        """Return the body of a successful reply."""
        content = self.reply(command, **arguments)
        # ipykernel's inspectVariables says neither type nor success.
        assert content["success"] if KERNEL_NAME == "kernelet" else content.get("success", True), content
        return content.get("body")

    def refusal(self, command: str, **arguments: Any) -> str:
        """Return the message of an unsuccessful reply."""
        content = self.reply(command, **arguments)
        assert not content["success"], content
        return str(content["message"])

    def event(self, name: str) -> Any:
        """Wait for an event, take it, and return its body."""
        return self.kernel.take("iopub", lambda m: is_event(m, name))["content"].get("body")

    # -- a session

    def start(self, **attach: Any) -> Json:
        """Initialize and attach; the capabilities."""
        capabilities: Json = self.ask(
            "initialize",
            clientID="test",
            clientName="test",
            adapterID="",
            pathFormat="path",
            linesStartAt1=True,
            columnsStartAt1=True,
            supportsVariableType=True,
            supportsVariablePaging=True,
            supportsRunInTerminalRequest=True,
            locale="en",
        )
        self.ask("attach", **attach)
        return capabilities

    def end(self) -> None:
        """Let everything go on, disconnect, and forget the events."""
        self.ask("disconnect", restart=False, terminateDebuggee=False)
        self.kernel.request("kernel_info_request")  # what the end of the session told has arrived
        self.kernel.drop(is_event)
        if KERNEL_NAME != "kernelet":  # ipykernel sends itself a cell to start debugpy, and tells everybody of it
            mine = self.kernel.client.session.session
            self.kernel.drop(lambda m: m["msg_type"] == "status" and m["parent_header"].get("session") != mine)

    def breakpoints(self, code: str, *lines: int | Json) -> str:
        """Dump a cell and set breakpoints on lines of it; its file."""
        path = str(self.ask("dumpCell", code=code)["sourcePath"])
        self.set_breakpoints(path, *lines)
        return path

    def set_breakpoints(self, path: str, *lines: int | Json) -> list[Json]:
        wanted = [{"line": line} if isinstance(line, int) else line for line in lines]
        placed = self.ask("setBreakpoints", source={"path": path}, breakpoints=wanted, sourceModified=False)
        found: list[Json] = placed["breakpoints"]
        return found

    def run(self, code: str, *lines: int | Json, **fields: Any) -> str:
        """Start a cell with breakpoints in it; its msg_id."""
        self.breakpoints(code, *lines)
        return self.kernel.send_execute(code, **fields)

    def stopped(self) -> Stop:
        """Wait until code stands, and see where."""
        body = self.event("stopped")
        return Stop(body, self.ask("stackTrace", threadId=body["threadId"])["stackFrames"])

    def stops_again(self, cell: str) -> bool:
        """Wait until code stands or `cell` is over, take neither, and tell which."""
        return (
            self.kernel.wait_first(
                ("iopub", lambda m: is_event(m, "stopped")), ("shell", lambda m: m["parent_header"]["msg_id"] == cell)
            )
            == "iopub"
        )

    def step(self, how: str, stop: Stop, **arguments: Any) -> Stop:
        """Step (`next`, `stepIn`, `stepOut`) and see where that led."""
        self.ask(how, threadId=stop.thread, **arguments)
        return self.stopped()

    def resume(self, stop: Stop) -> None:
        self.ask("continue", threadId=stop.thread)

    def finish(self, stop: Stop, msg_id: str) -> Any:
        """Go on to the end of the cell; its result."""
        self.resume(stop)
        return self.kernel.result(msg_id)

    def scope(self, stop: Stop, name: str = "Locals") -> dict[str, Json]:
        """Return the variables of a frame's scope by name."""
        scopes = self.ask("scopes", frameId=stop.frame)["scopes"]
        reference = next(scope["variablesReference"] for scope in scopes if scope["name"] == name)
        return self.variables(reference)

    def variables(self, reference: int, **page: Any) -> dict[str, Json]:
        return by_name(self.ask("variables", variablesReference=reference, **page)["variables"])

    def evaluate(self, expression: str, stop: Stop, context: str = "repl") -> str:
        return str(self.ask("evaluate", expression=expression, frameId=stop.frame, context=context)["result"])


def by_name(variables: Sequence[Json]) -> dict[str, Json]:
    return {variable["name"]: variable for variable in variables}
