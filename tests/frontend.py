"""The test frontend: a kernel under stock jupyter_client, where every message is either taken by the test or fails it.

    with Frontend() as kernel:
        assert kernel.execute("print('hi')").stdout == "hi\\n"

Replies and iopub messages wait in an inbox until a test takes them. What is still there at the end (output of the wrong
cell, output after idle, a reply nobody asked for) is a failure: silence is verified too.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import zmq
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

from rawkernel import RawClient, RawKernel
from result import Result
from sandbox import DEADLINE_S, KERNEL_NAME, PORTS, Json, KernelGone, Sandbox, connection, free_ports, process_gone

__all__ = [
    "DEADLINE_S", "KERNEL_NAME", "Frontend", "Json", "KernelGone", "RawClient", "RawKernel", "Result", "Sandbox",
    "connection", "process_gone", "wait_for",
]  # fmt: skip

RECEIVE_AT_MOST = 200
LAST_WORDS_MS = 3000
CHANNELS = ("shell", "control", "stdin", "iopub")


def wait_for(condition: Callable[[], bool]) -> None:
    """Return once `condition` is true, for what no event tells; fails after DEADLINE_S."""
    end = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


class Frontend:
    """A kernel process and one client of it."""

    def __init__(
        self,
        kernel_name: str = KERNEL_NAME,
        *,
        env: Mapping[str, str | None] | None = None,
        extra_arguments: Sequence[str] = (),
        cwd: str | Path | None = None,
        sandbox: Sandbox | None = None,
        transport: str = "tcp",
        **traits: Any,
    ) -> None:
        """Start the kernel and wait until it answers; `traits` are those of KernelManager."""
        self._own_sandbox = sandbox is None
        self.sandbox = sandbox or Sandbox()
        self.ended = False
        self.session_id: str | None = None
        self._expects_another_session = False
        self.greetings: list[Json] = []
        """iopub messages without parent: iopub_welcome, and the status `starting`."""
        self.arrived: list[tuple[str, Json]] = []
        """Every message with its channel, in order of arrival, taken or not."""
        self._inbox: dict[str, list[Json]] = {channel: [] for channel in CHANNELS}
        self._requests: dict[str, Json] = {}
        self._forgotten: set[str] = set()
        if transport == "ipc":
            traits["ip"] = str(self.sandbox.runtime / "k")
        else:
            traits = {"cache_ports": False, **dict(zip(PORTS, free_ports(len(PORTS)), strict=True)), **traits}
        file = str(self.sandbox.runtime / "kernel-test.json")
        self.manager = KernelManager(kernel_name=kernel_name, connection_file=file, transport=transport, **traits)
        self._log = self.sandbox.path / "kernel.log"
        env = self.sandbox.environment(env)
        with open(self._log, "wb") as log:
            self.manager.start_kernel(
                env=env,
                extra_arguments=list(extra_arguments),
                cwd=str(cwd or self.sandbox.path),
                stdout=log,
                stderr=log,
            )
        self.client: BlockingKernelClient = self.manager.blocking_client()
        try:
            self._connect()
        except BaseException:
            self.kill()
            raise

    def _connect(self) -> None:
        self._ready = False
        self.client.start_channels(hb=False)
        self._sockets = {name: getattr(self.client, f"{name}_channel").socket for name in CHANNELS}
        self._pidfd = os.pidfd_open(self.pid)
        self._poller = zmq.Poller()
        for one in self._sockets.values():
            self._poller.register(one, zmq.POLLIN)
        self._poller.register(self._pidfd, zmq.POLLIN)
        # A subscription may reach the kernel after the first request: ask again until one answer came whole.
        end = time.monotonic() + DEADLINE_S
        while time.monotonic() < end:
            msg_id = self.send("kernel_info_request")
            self._forgotten.add(msg_id)
            self.kernel_info = self.reply(msg_id)["content"]
            try:
                self._wait_for_idle(msg_id, 1.0)
            except TimeoutError:
                continue
            self._reconnect_stdin()
            self._drop_forgotten()
            self._ready = True
            return
        raise TimeoutError(f"iopub says nothing; {self.diagnosis()}")

    def _reconnect_stdin(self) -> None:
        """Connect stdin once more and wait for it: a ROUTER drops what it sends to a client that is not there yet."""
        one = self._sockets["stdin"]
        url = one.last_endpoint.decode()
        monitor = one.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED)
        one.disconnect(url)
        one.connect(url)
        assert monitor.poll(int(DEADLINE_S * 1000)), "stdin is not connected"
        monitor.recv_multipart()
        one.disable_monitor()
        monitor.close()

    # -- the process

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The kernel process, started by jupyter_client's local provisioner."""
        provisioner = self.manager.provisioner
        assert isinstance(provisioner, LocalProvisioner)
        process: subprocess.Popen[bytes] | None = provisioner.process
        assert process is not None
        return process

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def log(self) -> str:
        """What the kernel process said on its own stdout and stderr."""
        return self._log.read_text(errors="replace")

    def diagnosis(self) -> str:
        status = self.process.poll()
        waiting = {channel: [(m["msg_type"], m["content"]) for m in box] for channel, box in self._inbox.items() if box}
        return f"exit status {status}, not taken {waiting}, log: {self.log[-3000:]}"

    def exit_status(self, deadline_s: float = DEADLINE_S) -> int:
        """Wait until the process is gone and return its status; nothing more is asked of this kernel."""
        self.ended = True
        assert process_gone(self.pid, deadline_s), f"the kernel is still there: {self.diagnosis()}"
        return self.process.wait()

    # -- sending

    def send(
        self,
        msg_type: str,
        content: Json | None = None,
        *,
        channel: str = "shell",
        metadata: Json | None = None,
        buffers: Sequence[Any] = (),
        **header: Any,
    ) -> str:
        """Send a request and return its msg_id; `header` adds or replaces header fields."""
        message = self.client.session.msg(msg_type, content or {}, metadata=metadata)
        message["header"].update(header)
        self._requests[message["header"]["msg_id"]] = message["header"]
        self.client.session.send(self._sockets[channel], message, buffers=list(buffers) or None)
        return str(message["header"]["msg_id"])

    def send_execute(
        self,
        code: str,
        *,
        silent: bool = False,
        store_history: bool = True,
        user_expressions: Json | None = None,
        allow_stdin: bool = True,
        stop_on_error: bool = True,
        **more: Any,
    ) -> str:
        """Send an execute_request, do not wait, and return its msg_id; `more` goes to `send`."""
        content = {
            "code": code,
            "silent": silent,
            "store_history": store_history,
            "user_expressions": user_expressions or {},
            "allow_stdin": allow_stdin,
            "stop_on_error": stop_on_error,
        }
        return self.send("execute_request", content, **more)

    def execute(
        self, code: str, *, answers: Sequence[str] = (), deadline_s: float = DEADLINE_S, **fields: Any
    ) -> Result:
        """Run a cell to its end, giving `answers` to its prompts; `fields` are those of `send_execute`."""
        msg_id = self.send_execute(code, **fields)
        for answer in answers:
            self.input(answer)
        return self.result(msg_id, channel=fields.get("channel", "shell"), deadline_s=deadline_s)

    def request(self, msg_type: str, content: Json | None = None, channel: str = "shell", **more: Any) -> Result:
        """Send any request and return its reply and iopub messages."""
        return self.result(self.send(msg_type, content, channel=channel, **more), channel=channel)

    def interrupt(self) -> None:
        """Interrupt as the kernelspec says (POSIX: SIGINT)."""
        self.manager.interrupt_kernel()

    def signal(self, number: int = signal.SIGINT) -> None:
        os.kill(self.pid, number)

    def input(self, answer: str) -> Json:
        """Wait for an input_request, answer it, and return it."""
        request = self.take("stdin", lambda m: m["msg_type"] == "input_request")
        self.client.input(answer)
        return request

    # -- receiving

    def result(self, msg_id: str, channel: str = "shell", deadline_s: float = DEADLINE_S) -> Result:
        """Wait for the reply to `msg_id` and for its idle; take both and every iopub message of that parent."""
        reply = self.reply(msg_id, channel, deadline_s)
        return Result(self._requests[msg_id], reply, self.until_idle(msg_id, deadline_s))

    def reply(self, msg_id: str, channel: str = "shell", deadline_s: float = DEADLINE_S) -> Json:
        """Wait for the reply to `msg_id` and take it."""
        what = f"reply to {self._requests[msg_id]['msg_type']}"
        return self._take(channel, lambda: self._find(channel, msg_id), what, deadline_s)

    def until_idle(self, msg_id: str, deadline_s: float = DEADLINE_S) -> list[Json]:
        """Wait for the idle of `msg_id` and take what iopub said with this parent."""
        self._wait_for_idle(msg_id, deadline_s)
        box = self._inbox["iopub"]
        mine = [m for m in box if m["parent_header"].get("msg_id") == msg_id]
        idle = next(n for n, m in enumerate(mine) if _is_idle(m))
        taken = mine[: idle + 1]  # what came after idle stays, and fails the test unless it is taken
        box[:] = [m for m in box if not any(m is t for t in taken)]
        return taken

    def see(self, where: Callable[[Json], bool], channel: str = "iopub", deadline_s: float = DEADLINE_S) -> Json:
        """Wait for a message, and leave it in the inbox for the result it belongs to."""
        found: Json = self._wait(lambda: self._find(channel, None, where), f"such message on {channel}", deadline_s)
        return found

    def take(self, channel: str, where: Callable[[Json], bool], deadline_s: float = DEADLINE_S) -> Json:
        """Wait for a message and take it out of the inbox."""
        return self._take(channel, lambda: self._find(channel, None, where), f"such message on {channel}", deadline_s)

    def drop(self, where: Callable[[Json], bool], channel: str = "iopub") -> None:
        """Forget what has arrived and is of no interest."""
        self._inbox[channel] = [message for message in self._inbox[channel] if not where(message)]

    def see_text(self, text: str, msg_id: str | None = None) -> None:
        """Wait until `text` was printed (by cell `msg_id`), in however many messages."""

        def printed() -> bool | None:
            streams = [m for m in self._inbox["iopub"] if m["msg_type"] == "stream"]
            mine = [m for m in streams if msg_id in (None, m["parent_header"].get("msg_id"))]
            return text in "".join(m["content"]["text"] for m in mine) or None

        self._wait(printed, f"text {text!r}", DEADLINE_S)

    def see_busy(self, msg_id: str) -> None:
        """Wait until the kernel has begun with `msg_id`."""
        self.see(lambda m: m["parent_header"].get("msg_id") == msg_id)

    def wait_first(self, *wanted: tuple[str, Callable[[Json], bool]]) -> str:
        """Wait for the first of several messages, take none, and return the channel where it waits."""

        def arrived() -> str | None:
            return next((channel for channel, where in wanted if self._find(channel, None, where)), None)

        return str(self._wait(arrived, "such message", DEADLINE_S))

    def wait_any(self, msg_id: str) -> str:
        """Wait for a prompt or for the reply of cell `msg_id`, take neither, and return the channel where it waits."""

        def arrived() -> str | None:
            asked = self._find("stdin", msg_id, lambda m: m["msg_type"] == "input_request")
            return "stdin" if asked else "shell" if self._find("shell", msg_id) else None

        return str(self._wait(arrived, "prompt or reply", DEADLINE_S))

    def _wait_for_idle(self, msg_id: str, deadline_s: float) -> None:
        self._wait(lambda: self._find("iopub", msg_id, _is_idle), "idle", deadline_s)

    def _find(self, channel: str, msg_id: str | None, where: Callable[[Json], bool] = lambda m: True) -> Json | None:
        mine = (m for m in self._inbox[channel] if msg_id in (None, m["parent_header"].get("msg_id")) and where(m))
        return next(mine, None)

    def _take(self, channel: str, look: Callable[[], Json | None], what: str, deadline_s: float) -> Json:
        found: Json = self._wait(look, what, deadline_s)
        self._inbox[channel] = [m for m in self._inbox[channel] if m is not found]
        return found

    def _wait(self, look: Callable[[], Any], what: str, deadline_s: float) -> Any:
        end = time.monotonic() + deadline_s
        while (found := look()) is None:
            left_s = end - time.monotonic()
            if left_s <= 0:
                raise TimeoutError(f"no {what} in {deadline_s} s; {self.diagnosis()}")
            ready = dict(self._poller.poll(int(left_s * 1000) + 1))
            if not self._receive() and self._pidfd in ready and not self._last_words():
                raise KernelGone(f"no {what}; {self.diagnosis()}")
        return found

    def _last_words(self) -> bool:
        """Whether there is something to receive yet: what a process sent before its end may arrive after it."""
        poller = zmq.Poller()
        for one in self._sockets.values():
            poller.register(one, zmq.POLLIN)
        return bool(poller.poll(LAST_WORDS_MS))

    def _receive(self) -> int:
        """Move what waits on the sockets to the inbox; return how many messages that was.

        Not all that waits: a cell that floods iopub says it faster than this reads, and it would never look up.
        """
        count = 0
        for channel, one in self._sockets.items():
            for _ in range(RECEIVE_AT_MOST):
                idents, message = self.client.session.recv(one, mode=zmq.NOBLOCK)
                if message is None:
                    break
                count += 1
                message["idents"] = idents
                self._accept(channel, message)
        return count

    def _accept(self, channel: str, message: Json) -> None:
        session = message["header"]["session"]
        self.session_id = self.session_id or session
        self.arrived.append((channel, message))
        if self._expects_another_session and session != self.session_id:
            self._expects_another_session, self.session_id = False, session
        assert session == self.session_id, f"a second session id: {message}"
        parent = message["parent_header"]
        if channel == "iopub" and not parent and message["msg_type"] in ("iopub_welcome", "status"):
            self.greetings.append(message)
        elif not (self._ready and parent.get("msg_id") in self._forgotten):
            self._inbox[channel].append(message)

    def _drop_forgotten(self) -> None:
        for channel, box in self._inbox.items():
            self._inbox[channel] = [m for m in box if m["parent_header"].get("msg_id") not in self._forgotten]

    # -- the end

    def leftovers(self) -> dict[str, list[Json]]:
        """Return what no test took; asks for one kernel_info first, so that what is on its way has arrived."""
        barrier = self.send("kernel_info_request")
        self.result(barrier)
        self._receive()
        left = {channel: box for channel, box in self._inbox.items() if box}
        self._inbox = {channel: [] for channel in CHANNELS}
        return left

    def assert_quiet(self) -> None:
        """Fail if the kernel said anything that the test did not take."""
        left = self.leftovers()
        short = {
            channel: [(m["msg_type"], m["content"], m["parent_header"].get("msg_type")) for m in box]
            for channel, box in left.items()
        }
        assert not left, f"messages that nobody took: {short}"

    def shutdown(self, restart: bool = False) -> Result:
        """Ask the kernel to end and return its answer; see `exit_status`."""
        self.ended = True
        msg_id = self.send("shutdown_request", {"restart": restart}, channel="control")
        return Result(self._requests[msg_id], self.reply(msg_id, "control"))

    def restart(self) -> None:
        """Restart the kernel through jupyter_client and connect again."""
        self._disconnect()
        with open(self._log, "ab") as log:
            self.manager.restart_kernel(stdout=log, stderr=log)
        self._inbox = {channel: [] for channel in CHANNELS}
        self.session_id, self.ended, self.greetings = None, False, []
        self.client = self.manager.blocking_client()
        self._connect()

    def reconnected(self) -> None:
        """Wait until another process has taken the kernel's place on its sockets, and hears and is heard."""
        self._expects_another_session = True
        for _ in range(int(DEADLINE_S)):
            msg_id = self.send("kernel_info_request")
            try:
                self.result(msg_id, deadline_s=1.0)
            except TimeoutError:  # the one before was sent it, too late to answer
                self._forgotten.add(msg_id)
                continue
            if not self._expects_another_session:
                self._reconnect_stdin()
                return
        raise TimeoutError("no other kernel answers")

    def _disconnect(self) -> None:
        self.client.stop_channels()
        if hasattr(self, "_pidfd"):
            os.close(self._pidfd)
            del self._pidfd

    def kill(self) -> None:
        """End the process at once, whatever it does, and forget it."""
        self.ended = True
        self._disconnect()
        if self.manager.has_kernel and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.manager.cleanup_resources()
        if self._own_sandbox:
            self.sandbox.close()

    def close(self) -> None:
        """Fail on leftovers, end the kernel as a frontend does, and fail if it stays."""
        try:
            if not self.ended:
                self.assert_quiet()
                self.shutdown()
                self.exit_status()
        finally:
            self.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self.kill()


def _is_idle(message: Json) -> bool:
    return bool(message["content"].get("execution_state") == "idle")
