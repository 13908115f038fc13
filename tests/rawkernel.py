"""The lowest test frontend: a kernel process, and sockets whose every frame is ours.

`RawKernel` is the process; `RawClient` is one client of it and can say anything, also what no library would.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self, TypeVar

import zmq

from sandbox import DEADLINE_S, KERNEL_NAME, PORTS, Json, KernelGone, Sandbox, connection

KERNEL_MODULE = {"python3": "ipykernel_launcher", "kernelet-instant": "kernelet"}.get(KERNEL_NAME, KERNEL_NAME)
DELIMITER = b"<IDS|MSG>"
KINDS = {"shell": zmq.DEALER, "control": zmq.DEALER, "stdin": zmq.DEALER, "iopub": zmq.SUB, "hb": zmq.REQ}
T = TypeVar("T")


def run(*arguments: str, module: str = KERNEL_MODULE) -> subprocess.CompletedProcess[str]:
    """Run `python -m module arguments` to its end, in a home of its own."""
    sandbox = Sandbox()
    try:
        return subprocess.run(
            [sys.executable, "-m", module, *arguments],
            env=sandbox.environment(),
            cwd=sandbox.path,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )
    finally:
        sandbox.close()


class RawKernel:
    """A kernel process started by hand. Its stdout and stderr go to files, so that tests can read what it said."""

    def __init__(
        self,
        arguments: Sequence[str] | None = None,
        *,
        content: Json | None = None,
        module: str = KERNEL_MODULE,
        env: Mapping[str, str | None] | None = None,
        cwd: str | Path | None = None,
        sandbox: Sandbox | None = None,
        launcher: str | None = None,
    ) -> None:
        """Start `python -m module -f file` with `content` in the file, or `python -m module *arguments`.

        A `launcher` is a script that does it in our place; it finds `-m module ...` in sys.argv[1:].
        """
        self._own_sandbox = sandbox is None
        self.sandbox = sandbox or Sandbox()
        self.file = self.sandbox.runtime / "kernel-test.json"
        self._clients: list[RawClient] = []
        self.content = content if content is not None else connection()
        if arguments is None:
            self.file.write_text(json.dumps(self.content))
            self.file.chmod(0o600)
            arguments = ["-f", str(self.file)]
        with open(self._said("out"), "wb") as out, open(self._said("err"), "wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, *(["-c", launcher] if launcher else []), "-m", module, *arguments],
                env=self.sandbox.environment(env),
                cwd=cwd or self.sandbox.path,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )

    def _said(self, name: str) -> Path:
        return self.sandbox.path / f"std{name}.txt"

    @property
    def stdout(self) -> str:
        return self._said("out").read_text(errors="replace")

    @property
    def stderr(self) -> str:
        return self._said("err").read_text(errors="replace")

    def client(self, content: Json | None = None, **options: Any) -> RawClient:
        """Return a client of this kernel; `content` replaces the connection file's (ports, key, Curve keys)."""
        client = RawClient(content or self.content, self, **options)
        self._clients.append(client)
        return client

    def completed_file(self) -> Json:
        """Return the connection file once the kernel has put its ports in the place of zeros."""

        def complete() -> Json | None:
            try:
                content: Json = json.loads(self.file.read_text())
            except ValueError:  # seen while it is being written
                return None
            return content if all(int(content.get(port, 0)) for port in PORTS) else None

        return self.eventually(complete, "a connection file with all ports")

    def eventually(self, look: Callable[[], T | None], what: str, deadline_s: float = DEADLINE_S) -> T:
        """Look until something is there; for what no event tells. Fails when the kernel has ended."""
        end = time.monotonic() + deadline_s
        while (found := look()) is None:
            if self.process.poll() is not None:
                raise KernelGone(f"no {what}: exit status {self.process.returncode}; stderr: {self.stderr}")
            if time.monotonic() > end:
                raise TimeoutError(f"no {what}; stderr: {self.stderr}")
            time.sleep(0.01)
        return found

    def exit_status(self, deadline_s: float = DEADLINE_S) -> int:
        """Wait for the end of the process and return its status."""
        return self.process.wait(deadline_s)

    def assert_works(self, content: Json | None = None) -> None:
        """Assert that a client with `content` (default: what went into the file) can run, ask, beat and shut down."""
        client = self.client(content).ready()
        request = client.execute("print(6 * 7)")
        assert client.reply(request)["content"]["status"] == "ok"
        said = (m["content"]["text"] for m in client.until_idle(request) if m["msg_type"] == "stream")
        assert "".join(said) == "42\n"  # print writes twice: on a loaded machine these are two messages
        assert client.heartbeat() == b"ping"
        request = client.execute("input()", allow_stdin=True)
        client.recv("stdin")
        client.send("input_reply", {"value": ""}, channel="stdin")
        assert client.reply(request)["content"]["status"] == "ok"
        shutdown = client.send("shutdown_request", {"restart": False}, channel="control")
        assert client.reply(shutdown, "control")["content"]["status"] == "ok"
        assert self.exit_status() == 0

    def close(self) -> None:
        for client in self._clients:
            client.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        if self._own_sandbox:
            self.sandbox.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class RawClient:
    """One client: five sockets of its own, and frames made by hand."""

    def __init__(
        self, content: Json, kernel: RawKernel | None = None, *, subscription: bytes = b"", ipv6: bool = False
    ) -> None:
        self.content = content
        self.key = str(content.get("key", "")).encode()
        self.scheme = str(content.get("signature_scheme", "hmac-sha256")).removeprefix("hmac-")
        self.session = uuid.uuid4().hex
        self.kernel = kernel
        self.context = zmq.Context()
        self.context.set(zmq.BLOCKY, 0)  # a client that a failed test leaves behind never holds up the test run
        self.sockets: dict[str, zmq.Socket[bytes]] = {}
        for name, kind in KINDS.items():
            one = self.context.socket(kind)
            one.linger = 0
            one.ipv6 = ipv6
            if kind == zmq.DEALER:
                one.identity = self.session.encode()  # the same on stdin, where the kernel looks for who asked on shell
            if "curve_publickey" in content:
                own = zmq.curve_keypair() if name == "hb" else None
                one.curve_publickey = own[0] if own else content["curve_publickey"].encode()
                one.curve_secretkey = own[1] if own else content["curve_secretkey"].encode()
                one.curve_serverkey = content["curve_publickey"].encode()
            if kind == zmq.SUB:
                one.subscribe(subscription)
            if name == "stdin":
                self._stdin_is_connected = one.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED)
            one.connect(self.url(name))
            self.sockets[name] = one

    def url(self, name: str) -> str:
        """Return the address of channel `name`."""
        port = self.content[f"{name}_port"]
        if self.content.get("transport", "tcp") == "ipc":
            return f"ipc://{self.content['ip']}-{port}"
        return f"tcp://{self.content['ip']}:{port}"

    def header(self, msg_type: str, **changes: Any) -> Json:
        """Return a new header."""
        return {
            "msg_id": uuid.uuid4().hex,
            "msg_type": msg_type,
            "session": self.session,
            "username": "tester",
            "date": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
            "version": "5.4",
            **changes,
        }

    def sign(self, parts: Sequence[bytes]) -> bytes:
        """Return the signature of four frames as hex text, empty without a key."""
        if not self.key:
            return b""
        return hmac.new(self.key, b"".join(parts), getattr(hashlib, self.scheme)).hexdigest().encode()

    def frames(self, header: Json, content: Json | bytes, *, metadata: Json | None = None) -> list[bytes]:
        """Return delimiter, signature and four frames; `content` as bytes goes out as it is."""
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        parts = [json.dumps(header).encode(), b"{}", json.dumps(metadata or {}).encode(), body]
        return [DELIMITER, self.sign(parts), *parts]

    def send(self, msg_type: str, content: Json | bytes = b"{}", *, channel: str = "shell", **header: Any) -> Json:
        """Send a request and return its header."""
        made = self.header(msg_type, **header)
        self.send_frames(self.frames(made, content), channel)
        return made

    def send_frames(self, frames: Sequence[bytes], channel: str = "shell") -> None:
        self.sockets[channel].send_multipart(list(frames))

    def execute(self, code: str, **fields: Any) -> Json:
        """Send an execute_request and return its header."""
        content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False, "stop_on_error": True}
        return self.send("execute_request", {**content, "user_expressions": {}, **fields})

    def recv_frames(self, channel: str = "shell", deadline_s: float = DEADLINE_S) -> list[bytes]:
        """Return the next message of `channel`, frame by frame."""
        end = time.monotonic() + deadline_s
        while not self.sockets[channel].poll(200):
            if self.kernel and self.kernel.process.poll() is not None and not self.sockets[channel].poll(3000):
                raise KernelGone(f"exit status {self.kernel.process.returncode}; stderr: {self.kernel.stderr}")
            if time.monotonic() > end:
                said = f"; stderr: {self.kernel.stderr}" if self.kernel else ""
                raise TimeoutError(f"nothing on {channel}{said}")
        return self.sockets[channel].recv_multipart()

    def recv(self, channel: str = "shell", deadline_s: float = DEADLINE_S) -> Json:
        """Return the next message of `channel`, its signature checked; `idents` are the frames before the delimiter."""
        frames = self.recv_frames(channel, deadline_s)
        at = frames.index(DELIMITER)
        signature, *parts = frames[at + 1 : at + 6]
        assert signature == self.sign(parts), "the kernel's signature is wrong"
        names = ("header", "parent_header", "metadata", "content")
        message: Json = {name: json.loads(part) for name, part in zip(names, parts, strict=True)}
        message.update(idents=frames[:at], buffers=frames[at + 6 :], raw=parts, msg_type=message["header"]["msg_type"])
        return message

    def reply(self, request: Json, channel: str = "shell", deadline_s: float = DEADLINE_S) -> Json:
        """Return the next message of `channel` and assert that it is the reply to `request`."""
        message = self.recv(channel, deadline_s)
        assert message["parent_header"]["msg_id"] == request["msg_id"], f"a stray message on {channel}: {message}"
        return message

    def until_idle(self, request: Json) -> list[Json]:
        """Return what iopub says from now until `request` is done: only messages of that request."""
        seen = []
        while True:
            message = self.recv("iopub")
            if message["parent_header"].get("msg_id") == request["msg_id"]:
                seen.append(message)
                if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                    return seen

    def ready(self) -> RawClient:
        """Wait until the kernel answers, knows us on stdin (a ROUTER drops what nobody takes), and we hear iopub."""
        iopub = self.sockets["iopub"]
        while True:
            request = self.send("kernel_info_request")
            self.reply(request)
            assert self._stdin_is_connected.poll(int(DEADLINE_S * 1000)), "stdin is not connected"
            while iopub.poll(500):
                message = self.recv("iopub")
                idle = message["content"].get("execution_state") == "idle"
                if idle and message["parent_header"].get("msg_id") == request["msg_id"]:
                    return self

    def heartbeat(self, payload: bytes = b"ping", deadline_s: float = DEADLINE_S) -> bytes:
        """Return the echo of `payload`."""
        self.sockets["hb"].send(payload)
        return self.recv_frames("hb", deadline_s)[0]

    def kernel_info(self, channel: str = "shell") -> Json:
        """Return the reply to a kernel_info_request; a stray message before it fails the test."""
        return self.reply(self.send("kernel_info_request", channel=channel), channel)

    def assert_nothing_was_said(self, channel: str = "shell") -> None:
        """Assert that what was sent before had no effect: the next request is the first that anybody hears of."""
        request = self.send("kernel_info_request", channel=channel)
        self.reply(request, channel)
        seen = [self.recv("iopub") for _ in range(2)]
        assert [m["content"] for m in seen] == [{"execution_state": "busy"}, {"execution_state": "idle"}]
        assert {m["parent_header"]["msg_id"] for m in seen} == {request["msg_id"]}
        assert self.silent("shell", "control", "stdin", "iopub")

    def silent(self, *channels: str) -> bool:
        """Return whether nothing waits on `channels` (ask after a later request was answered)."""
        return not any(self.sockets[channel].poll(0) for channel in channels)

    def close(self) -> None:
        self.context.destroy(linger=0)
