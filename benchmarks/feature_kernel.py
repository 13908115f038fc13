"""A kernel of any make under a stock client, for feature probes: started when asked, replaced when wedged."""

from __future__ import annotations

import os
import queue
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Self

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import KernelManager

from benchmarks.kernels import Kernel

Json = dict[str, Any]
PATIENCE_S = 6.0
"""How long an answer may take: what has not come by then is told as absent."""

BY_MESSAGE = {"async-kernel"}
"""Kernels whose own kernelspec asks for interrupts by message; the others take SIGINT."""


class Silence(Exception):
    """The answer that a probe waited for did not come."""


def parent_of(message: Json) -> str | None:
    """The msg_id of a message's parent; xeus-python sends parents that are null."""
    parent = message["parent_header"] or {}
    return parent.get("msg_id")


class Outcome:
    """A request's reply (None: there was none in time) and what iopub said with its parent, up to idle."""

    def __init__(self, reply: Json | None, iopub: list[Json]) -> None:
        self.reply = reply
        self.iopub = iopub
        self.content: Json = reply["content"] if reply else {}

    def text(self, name: str = "") -> str:
        return "".join(self.contents("stream", "text", name))

    def contents(self, msg_type: str, key: str, name: str = "") -> list[Any]:
        """Field `key` of the messages of a type (and, for streams, of a stream's name)."""
        mine = (m["content"] for m in self.iopub if m["msg_type"] == msg_type)
        return [content[key] for content in mine if name in ("", content.get("name"))]

    @property
    def ok(self) -> bool:
        return self.content.get("status") == "ok"

    @property
    def value(self) -> str:
        results = self.contents("execute_result", "data")
        return str(results[-1].get("text/plain")) if results else ""

    @property
    def error(self) -> str:
        return str(self.content.get("ename", ""))


class Peer:
    """One kernel, and what probes ask of it."""

    def __init__(self, kernel: Kernel, home: Path) -> None:
        self._kernel, self._home = kernel, home
        self.manager: KernelManager | None = None
        self._client: BlockingKernelClient | None = None
        self.iopub: list[Json] = []
        """All that iopub said so far."""

    @property
    def client(self) -> BlockingKernelClient:
        if self._client is None:
            self._start()
        assert self._client is not None
        return self._client

    def _start(self) -> None:
        self.manager = KernelManager(connection_file=str(self._home / f"kernel-{time.monotonic_ns()}.json"))
        argv = self._kernel.argv(sys.executable, "{connection_file}")
        mode = "message" if self._kernel.label in BY_MESSAGE else "signal"
        self.manager._kernel_spec = KernelSpec(argv=argv, language="python", interrupt_mode=mode)
        env = {**os.environ, "IPYTHONDIR": str(self._home), "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
        with open(self._home / "log", "ab") as log:
            self.manager.start_kernel(env=env, stdout=log, stderr=log)
        self._client = self.manager.blocking_client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=60)

    def drop(self) -> None:
        """End the kernel at once; the next probe gets another."""
        if self._client is not None:
            self._client.stop_channels()
        if self.manager is not None and self.manager.has_kernel:
            self.manager.shutdown_kernel(now=True)
        self._client = self.manager = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.drop()

    # -- requests

    def send(self, msg_type: str, content: Json, channel: str = "shell", **header: Any) -> str:
        message = self.client.session.msg(msg_type, content)
        message["header"].update(header)
        getattr(self.client, f"{channel}_channel").send(message)
        return str(message["header"]["msg_id"])

    def start(self, code: str, **fields: Any) -> str:
        """Send a cell and wait until it has printed something."""
        msg_id = self.send_cell(code, **fields)
        self.heard(msg_id, "stream")
        return msg_id

    def send_cell(self, code: str, *, header: Json | None = None, **fields: Any) -> str:
        content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": True}
        return self.send("execute_request", {**content, "stop_on_error": True, **fields}, **(header or {}))

    def cell(self, code: str, patience_s: float = PATIENCE_S, **fields: Any) -> Outcome:
        return self.outcome(self.send_cell(code, **fields), patience_s=patience_s)

    def ask(self, msg_type: str, content: Json, channel: str = "shell", **header: Any) -> Outcome:
        return self.outcome(self.send(msg_type, content, channel, **header), channel)

    def outcome(self, msg_id: str, channel: str = "shell", patience_s: float = PATIENCE_S) -> Outcome:
        return Outcome(self.reply(msg_id, channel, patience_s), self.heard(msg_id, "idle", patience_s, required=False))

    def reply(self, msg_id: str, channel: str = "shell", patience_s: float = PATIENCE_S) -> Json | None:
        """The reply to `msg_id`, or None."""
        for message in self._messages(channel, patience_s):
            if parent_of(message) == msg_id:
                return message
        return None

    def heard(self, msg_id: str, until: str, patience_s: float = PATIENCE_S, *, required: bool = True) -> list[Json]:
        """What iopub says with parent `msg_id`, up to a message of type `until` (or a status of that name)."""
        seen = []
        for message in self._messages("iopub", patience_s):
            if parent_of(message) == msg_id:
                seen.append(message)
                if until in (message["msg_type"], message["content"].get("execution_state")):
                    return seen
        if required:
            raise Silence(f"no {until}")
        return seen

    def _messages(self, channel: str, patience_s: float) -> Any:
        end = time.monotonic() + patience_s
        get = getattr(self.client, f"get_{channel}_msg")
        while (left_s := end - time.monotonic()) > 0:
            try:
                message = get(timeout=left_s)
            except queue.Empty:
                return
            if channel == "iopub":
                self.iopub.append(message)
            yield message

    def stdin(self) -> Json:
        for message in self._messages("stdin", PATIENCE_S):
            return dict(message)
        raise Silence("no input_request")

    def interrupt(self) -> None:
        assert self.manager is not None
        self.manager.interrupt_kernel()


def home() -> Path:
    return Path(tempfile.mkdtemp(prefix="features-"))
