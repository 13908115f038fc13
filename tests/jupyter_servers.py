"""Real Jupyter servers for the tests of the remote backend, started and ended by them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from sandbox import free_ports

TOKEN = "the-token-of-the-backend"


@contextmanager
def jupyter_server(kind: str, folder: Path, *more: str) -> Iterator[str]:
    """Run a `server` or a `gateway` and yield its URL."""
    [port] = free_ports(1)
    command = {
        "server": [
            "jupyter_server", f"--ServerApp.port={port}", f"--IdentityProvider.token={TOKEN}", "--no-browser",
            "--ServerApp.port_retries=0", f"--ServerApp.root_dir={folder}", "--allow-root",
        ],
        "gateway": [
            "kernel_gateway", f"--KernelGatewayApp.port={port}", f"--KernelGatewayApp.auth_token={TOKEN}",
            "--KernelGatewayApp.port_retries=0", "--KernelGatewayApp.list_kernels=True",
        ],
    }[kind]  # fmt: skip
    environment = {name: value for name, value in os.environ.items() if not name.startswith("JUPYTER_")}
    environment["JUPYTER_RUNTIME_DIR"] = str(folder / "runtime")
    log = folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *command, *more], cwd=folder, env=environment, stdout=output, stderr=output
        )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(url, process, log)
        yield url
    finally:
        process.terminate()
        try:
            process.wait(3)  # a server that has kernels takes long; theirs end with it
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            if httpx.get(f"{url}/api", headers={"Authorization": f"token {TOKEN}"}, trust_env=False).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError(log.read_text())
