"""Play the messages of a VS Code debug session against a kernel: `python debug_like_vscode.py [kernel name]`.

The order is that of the Jupyter extension (src/notebooks/debugger): ask whether this kernel can debug, let debugpy see
the main thread, initialize, attach, dump every cell and set its breakpoints, run the cell, and at each stop ask for
threads, stack, scopes and variables; at the end disconnect, and remove the files of the cells in a hidden cell.
"""

from __future__ import annotations

import itertools
import queue
import sys
import time
from typing import Any

from jupyter_client import BlockingKernelClient, KernelManager

CELLS = ["def half(number):\n    result = number / 2\n    return result\n", "first = half(8)\nprint(first)"]
DEADLINE_S = 60


class Session:
    """One debug session of a client. Replies come on control, events on iopub."""

    def __init__(self, client: BlockingKernelClient) -> None:
        self.client = client
        self.numbers = itertools.count(1)
        self.events: list[dict[str, Any]] = []

    def hidden(self, code: str) -> str:
        """Run a cell that the user does not see; what it printed."""
        printed: list[str] = []

        def take(message: dict[str, Any]) -> None:
            if message["msg_type"] == "stream":
                printed.append(message["content"]["text"])

        reply = self.client.execute_interactive(
            code, store_history=False, stop_on_error=False, timeout=DEADLINE_S, output_hook=take
        )
        assert reply["content"]["status"] == "ok", reply["content"]
        return "".join(printed).strip()

    def request(self, command: str, **arguments: Any) -> dict[str, Any]:
        """Send a request of the Debug Adapter Protocol, and return the body of the response."""
        content = {"seq": next(self.numbers), "type": "request", "command": command, "arguments": arguments}
        message = self.client.session.msg("debug_request", content)
        self.client.control_channel.send(message)
        while True:
            reply = self.client.get_control_msg(timeout=DEADLINE_S)
            if reply["parent_header"].get("msg_id") == message["header"]["msg_id"]:
                break
        answer: dict[str, Any] = reply["content"]
        assert answer["success"], answer
        print(f"{command}: ok")
        body: dict[str, Any] = answer.get("body") or {}
        return body

    def event(self, name: str) -> dict[str, Any]:
        """Wait for an event and return its body."""
        end = time.monotonic() + DEADLINE_S
        while time.monotonic() < end:
            try:
                message = self.client.get_iopub_msg(timeout=end - time.monotonic())
            except queue.Empty:
                break
            if message["msg_type"] == "debug_event" and message["content"]["event"] == name:
                body: dict[str, Any] = message["content"].get("body") or {}
                return body
        raise TimeoutError(f"no event {name}")


def can_debug(session: Session) -> bool:
    """The extension's gate for local kernels: ipykernel 6 or newer."""
    version = session.hidden("import ipykernel\nprint(ipykernel.__version__)")
    return int(version.partition(".")[0]) >= 6


def debug(session: Session) -> None:
    assert can_debug(session), "this kernel cannot debug"
    session.request(
        "initialize",
        clientID="vscode",
        clientName="Visual Studio Code",
        adapterID="Python Kernel Debug Adapter",
        pathFormat="path",
        linesStartAt1=True,
        columnsStartAt1=True,
        supportsVariableType=True,
        supportsVariablePaging=True,
        supportsRunInTerminalRequest=True,
        locale="en",
        supportsProgressReporting=True,
        supportsInvalidatedEvent=True,
        supportsMemoryReferences=True,
    )
    session.request(
        "attach", type="Python Kernel Debug Adapter", request="attach", name="cell.ipynb", justMyCode=True, rules=[]
    )
    paths = [session.request("dumpCell", code=cell)["sourcePath"] for cell in CELLS]
    session.request("setBreakpoints", source={"path": paths[0]}, lines=[2], breakpoints=[{"line": 2}])
    session.request("setFunctionBreakpoints", breakpoints=[])
    session.request("setExceptionBreakpoints", filters=[], filterOptions=[])
    session.request("configurationDone")
    session.request("threads")
    session.hidden(CELLS[0])
    cell = session.client.execute(CELLS[1])
    look(session, paths)
    reply = session.client.get_shell_msg(timeout=DEADLINE_S)
    while reply["parent_header"].get("msg_id") != cell:
        reply = session.client.get_shell_msg(timeout=DEADLINE_S)
    assert reply["content"]["status"] == "ok", reply["content"]
    session.request("disconnect", restart=False)
    session.hidden(
        f"import os\nfor file in {paths}:\n    try:\n        os.remove(file)\n    except OSError:\n        pass"
    )


def look(session: Session, paths: list[str]) -> None:
    """Do what the editor does when code stops: fill its panels, then follow the person's keys."""
    thread = session.event("stopped")["threadId"]
    session.request("threads")
    frame = session.request("stackTrace", threadId=thread, startFrame=0, levels=20)["stackFrames"][0]
    assert frame["source"]["path"] == paths[0], frame
    (scope, *_) = session.request("scopes", frameId=frame["id"])["scopes"]
    names = variables(session, scope["variablesReference"])
    print(
        f"stopped in {frame['name']} at line {frame['line']}: number = {names['number']}, "
        f"result is {'there' if 'result' in names else 'not there yet'}"
    )
    session.request("evaluate", expression="number", frameId=frame["id"], context="hover")
    session.request("evaluate", expression="number + 1", frameId=frame["id"], context="watch")
    session.request("next", threadId=thread)
    session.event("stopped")
    session.request("stackTrace", threadId=thread, startFrame=0, levels=20)
    session.request("source", source={"path": paths[0]}, sourceReference=0)
    session.request("continue", threadId=thread)


def variables(session: Session, reference: int) -> dict[str, str]:
    found = session.request("variables", variablesReference=reference)["variables"]
    return {variable["name"]: variable["value"] for variable in found}


def main(kernel_name: str) -> None:
    manager = KernelManager(kernel_name=kernel_name)
    manager.start_kernel()
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=DEADLINE_S)
        session = Session(client)
        debug(session)
        print("the kernel is still there:", session.hidden("print(6 * 7)"))
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


if __name__ == "__main__":
    main(*(sys.argv[1:] or ["kernelet"]))
