"""A kernel process: connection file, clean environment, start, and an end that always comes."""

from __future__ import annotations

import atexit
import contextlib
import itertools
import json
import os
import random
import resource
import secrets
import select
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import procfs

_running: set[KernelProcess] = set()


def track(process: KernelProcess) -> None:
    """Have a process ended when the run ends, whatever ends it."""
    _running.add(process)


_ports = itertools.cycle(random.sample(range(10000, 32000), 22000))


def _free_port() -> int:
    """Return a port that was free a moment ago and is not given again soon.

    Below those that the system gives to outgoing connections: with 30 kernels starting at once, a client's connection
    would take one between this choice and the kernel's bind.
    """
    while True:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port := next(_ports)))
            return port


def connection(folder: Path) -> tuple[Path, dict[str, Any]]:
    """Write a connection file with five free loopback ports; return its path and content."""
    ports = [_free_port() for _ in range(5)]
    names = ("shell_port", "iopub_port", "stdin_port", "control_port", "hb_port")
    info: dict[str, Any] = {
        **dict(zip(names, ports, strict=True)),
        "ip": "127.0.0.1",
        "transport": "tcp",
        "key": secrets.token_hex(16),
        "signature_scheme": "hmac-sha256",
        "kernel_name": "bench",
    }
    path = folder / f"kernel-{secrets.token_hex(8)}.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps(info))
    return path, info


def clean_environment(python: str, home: Path) -> dict[str, str]:
    """Make an environment with nothing of the caller's: a home of its own, so also a profile and history of its own."""
    return {
        "PATH": os.pathsep.join([str(Path(python).parent), "/usr/local/bin", "/usr/bin", "/bin"]),
        "HOME": str(home),
        "IPYTHONDIR": str(home / "ipython"),
        "JUPYTER_CONFIG_DIR": str(home / "jupyter"),
        "JUPYTER_DATA_DIR": str(home / "jupyter-data"),
        "JUPYTER_RUNTIME_DIR": str(home / "jupyter-run"),
        "LANG": "C.UTF-8",
        "JPY_PARENT_PID": str(os.getpid()),  # as jupyter_client sets it: watching the parent is part of a kernel's work
    }


class KernelProcess:
    """One kernel process, leader of a process group of its own; its output goes to a log file."""

    parents: tuple[int, ...] = ()
    """Processes that it shares with other kernels: their memory is part of what a fleet costs."""

    def __init__(self, argv: Sequence[str], environment: dict[str, str], log: Path) -> None:
        self.log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                argv,
                env=environment,
                cwd=environment["HOME"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.pid = self._process.pid
        track(self)

    def alive(self) -> bool:
        return self._process.poll() is None

    def wait(self, deadline_s: float) -> int | None:
        """Wait for the end and return the exit status, None if it did not come in time.

        By a pidfd where there is one: `Popen.wait` with a deadline polls, in steps of up to 50 ms.
        """
        if hasattr(os, "pidfd_open") and self._process.returncode is None:
            pidfd = os.pidfd_open(self.pid)
            try:
                select.select([pidfd], [], [], deadline_s)
            finally:
                os.close(pidfd)
            return self._process.poll()
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._process.wait(deadline_s)
        return None

    def kill(self) -> None:
        """End the process and everything it started, now. Harmless when it has ended by itself."""
        below = procfs.tree(self.pid)[1:] if procfs.available and self._process.poll() is None else []
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        for pid in below:  # a child may have left the group
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):  # stuck in the system: leave it, the run goes on
            self._process.wait(10)
        _running.discard(self)

    def interrupt(self) -> None:
        """Send SIGINT to the process, as jupyter_client does."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGINT)

    def last_words(self) -> str:
        """Return the last line the process wrote."""
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return lines[-1][:200] if lines else "it wrote nothing"


@atexit.register
def _kill_all() -> None:
    for process in list(_running):
        process.kill()


def printed(argv: Sequence[str], environment: dict[str, str], deadline_s: float = 60.0) -> float:
    """Run a command to its end and return the number that it prints. Raises OSError as `finish` does."""
    try:
        done = subprocess.run(argv, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=deadline_s)
        return float(done.stdout)
    except (subprocess.TimeoutExpired, ValueError) as error:
        raise OSError(f"{argv[0]} printed no number: {error}") from error


def finish(argv: Sequence[str], environment: dict[str, str], deadline_s: float = 60.0) -> tuple[float, float]:
    """Run a command to its end; return wall and CPU seconds. Raises OSError if it fails or does not end in time."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = time.perf_counter()
    try:
        done = subprocess.run(argv, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=deadline_s)
    except subprocess.TimeoutExpired as error:
        raise OSError(f"{argv[0]} did not end in {deadline_s:.0f} s") from error
    wall = time.perf_counter() - begin
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise OSError(lines[-1] if lines else f"exit status {done.returncode}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
