"""What every test frontend stands on: a home of its own for a kernel, a connection file's content, and the deadline."""

from __future__ import annotations

import itertools
import os
import random
import secrets
import select
import shutil
import socket
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

DEADLINE_S = float(os.environ.get("KERNELET_TEST_DEADLINE_S", "30"))
"""How long anything may take before a test fails: no test ever waits this long when all is well."""

KERNEL_NAME = os.environ.get("KERNELET_TEST_KERNEL", "kernelet")
"""The kernelspec under test; `python3` (ipykernel) is the oracle."""

PORTS = ("shell_port", "iopub_port", "stdin_port", "control_port", "hb_port")
Json = dict[str, Any]


class KernelGone(Exception):
    """The kernel process ended while a test was waiting for a message of it."""


class Sandbox:
    """A temporary home: IPython, Jupyter and history directories that belong to one kernel."""

    def __init__(self) -> None:
        # A short path: the address of an ipc socket may not be longer than 107 bytes.
        self.path = Path(tempfile.mkdtemp(prefix="knl-"))
        self.ipython = self.path / "ipython"
        self.runtime = self.path / "runtime"
        self.runtime.mkdir(mode=0o700)

    def environment(self, extra: Mapping[str, str | None] | None = None) -> dict[str, str]:
        """Return the environment of a kernel that lives here; a value None in `extra` takes the variable away."""
        # What users do not set, and kernels behave differently with. (PYTHONUNBUFFERED is C's stdout as well.)
        left_out = (
            "JPY_", "PYTEST_", "IPYTHON", "IPYKERNEL", "MPLBACKEND", "PYTHONSTARTUP", "PYTHONUNBUFFERED",
            "PYTHONDONTWRITEBYTECODE",
        )  # fmt: skip
        env = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
        env.update(
            IPYTHONDIR=str(self.ipython),
            JUPYTER_CONFIG_DIR=str(self.path / "config"),
            JUPYTER_DATA_DIR=str(self.path / "data"),
            JUPYTER_RUNTIME_DIR=str(self.runtime),
        )
        if KERNEL_NAME == "python3":
            env["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"  # else ipykernel prints debugpy's warning into no cell
        for name, value in (extra or {}).items():
            if value is None:
                env.pop(name, None)
            else:
                env[name] = value
        return env

    def close(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)


_ports = itertools.cycle(random.Random().sample(range(10000, 32000), 22000))


def free_ports(count: int) -> list[int]:
    """Return ports that were free a moment ago, none twice soon.

    Below the range from which the system takes the ports of outgoing connections: between the choice and the kernel's
    bind, hundreds of milliseconds later, the clients of other tests would take one now and then.
    """
    found: list[int] = []
    while len(found) < count:
        port = next(_ports)
        with socket.socket() as one:
            try:
                one.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
    return found


def connection(**changes: Any) -> Json:
    """Return the content of a connection file, with `changes`; a value None takes the key away."""
    content: Json = {
        "transport": "tcp",
        "ip": "127.0.0.1",
        "key": secrets.token_hex(16),
        "signature_scheme": "hmac-sha256",
        "kernel_name": KERNEL_NAME,
        **dict(zip(PORTS, free_ports(len(PORTS)), strict=True)),
        **changes,
    }
    return {name: value for name, value in content.items() if value is not None}


def process_gone(pid: int, deadline_s: float = DEADLINE_S) -> bool:
    """Wait until process `pid`, child of ours or not, has ended; False if it is still there at the deadline."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([pidfd], [], [], deadline_s)[0])
    finally:
        os.close(pidfd)
