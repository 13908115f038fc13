"""One kernel under measurement: its process, the client that talks to it, and what it did wrong."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

import zmq

from benchmarks import process, provisioned
from benchmarks.client import Client, Fault
from benchmarks.kernels import Kernel

START_DEADLINE_S = 60.0
IOPUB_DEADLINE_S = 5.0


@dataclass(frozen=True, slots=True)
class Bench:
    """What every session of a run shares."""

    context: zmq.Context[zmq.Socket[bytes]]
    python: str
    folder: Path
    size: int
    """Requests in one timed block."""
    settle_s: float
    """How long a kernel may tidy up after its start, or after a block, before it counts as idle."""
    idle_s: float
    """How long an idle kernel is watched."""
    scale: float = 1.0
    """What share of the usual number is sent by the metrics that send thousands."""

    def count(self, usual: int, least: int = 2) -> int:
        """Return how many to send where `usual` many are meant."""
        return max(least, round(usual * self.scale))

    def home(self, kernel: Kernel) -> Path:
        """Return the kernel's home directory, the same for all its starts, so that only the first has to furnish it."""
        home = self.folder / kernel.label
        home.mkdir(exist_ok=True)
        return home


@dataclass
class Session:
    """A kernel that is started when first needed. Use it in one thread; close it."""

    bench: Bench
    kernel: Kernel
    faults: list[str] = field(default_factory=list)
    """What was wrong though it could be measured: a footnote to the cell."""
    _process: process.KernelProcess | None = None
    _client: Client | None = None
    _heard: bool = False

    @property
    def process(self) -> process.KernelProcess:
        if self._process is None:
            raise Fault("not running")
        return self._process

    @property
    def client(self) -> Client:
        if self._client is None:
            raise Fault("not running")
        return self._client

    @property
    def running(self) -> bool:
        return self._process is not None

    def fault(self, text: str) -> None:
        """Note a fault that leaves the measurement standing."""
        if text not in self.faults:
            self.faults.append(text)

    def spawn(self) -> float:
        """Start the process; return the time just before. The client's sockets are there first and wait for it."""
        home = self.bench.home(self.kernel)
        path, connection = process.connection(home)
        self._client = Client(self.bench.context, connection)
        argv = self.kernel.argv(self.bench.python, str(path))
        environment = process.clean_environment(self.bench.python, home)
        log = path.with_suffix(".log")
        kind = provisioned.ProvisionedProcess if self.kernel.provisioned else process.KernelProcess
        begin = time.perf_counter()
        self._process = kind(argv, environment, log)
        return begin

    def await_reply(self, deadline_s: float = START_DEADLINE_S) -> list[bytes]:
        """Wait for a message on shell from a process that may be starting, or dying."""
        end = time.perf_counter() + deadline_s
        while not self.client.shell.poll(100):
            if not self.process.alive():
                raise Fault(f"it ended: {self.process.last_words()}")
            if time.perf_counter() > end:
                raise Fault(f"no reply in {deadline_s:.0f} s of its start: {self.process.last_words()}")
        return self.client.shell.recv_multipart()

    def await_iopub(self) -> None:
        """Return once iopub is heard: a client that has only just subscribed hears nothing, and would blame the kernel.

        Not every kernel sends iopub_welcome or `starting`, so kernel_info is asked for until its idle status is heard.
        """
        end = time.perf_counter() + IOPUB_DEADLINE_S
        while time.perf_counter() < end:
            request = self.client.request("kernel_info_request", {})
            self.client.shell.send_multipart(request.frames)
            self.await_reply()
            while self.client.iopub.poll(200):
                answer = self.client.decode(self.client.iopub.recv_multipart())
                if answer.what == "idle" and answer.parent_id == request.token.decode():
                    return
        raise Fault(f"iopub mute for {IOPUB_DEADLINE_S:.0f} s after the start")

    def ready(self) -> None:
        """Start the kernel if it is not running; return when shell and iopub both work."""
        if not self.running:
            self.spawn()
        if not self._heard:
            self.await_iopub()
            self.client.drain()
            self._heard = True

    def interrupt(self) -> None:
        """Interrupt the kernel in the way that its kernelspec asks for."""
        if self.kernel.interrupted_by == "signal":
            self.process.interrupt()
        else:
            self.client.control.send_multipart(self.client.request("interrupt_request", {}).frames)

    def close(self) -> None:
        """End the kernel, at once and by force, and close the sockets."""
        if self._process is not None:
            self._process.kill()
            self._process = None
        if self._client is not None:
            self._client.close()
            self._client = None
        self._heard = False
