"""A web application of the Jupyter family as a process of its own: start it, ask it, stop it."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from sandbox import DEADLINE_S, Sandbox, free_ports


class WebApp:
    """`python -m MODULE ARGUMENTS` in a sandbox; an argument that ends in `port=` is given a free port."""

    def __init__(self, module: str, arguments: Sequence[str], cwd: Path) -> None:
        self._sandbox = Sandbox()
        [port] = free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        self.log: list[str] = []
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *(f"{a}{port}" if a.endswith("port=") else a for a in arguments)],
            env=self._sandbox.environment(),
            cwd=cwd,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert self._process.stdout is not None
        self._reader = threading.Thread(target=self.log.extend, args=(self._process.stdout,), daemon=True)
        self._reader.start()
        end = time.monotonic() + 2 * DEADLINE_S
        while not self._answers(port):
            if self._process.poll() is not None or time.monotonic() > end:
                self.close()
                raise AssertionError(f"{module} does not serve:\n" + "".join(self.log))

    def _answers(self, port: int) -> bool:
        """Tell whether somebody listens on `port`; where nobody does, a moment later."""
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except ConnectionRefusedError:
            time.sleep(0.05)
            return False
        return True

    def get(self, path: str) -> str:
        """The page at `path`, when it has come to its end."""
        with urllib.request.urlopen(self.url + path, timeout=2 * DEADLINE_S) as answer:
            text: str = answer.read().decode()
        return text

    def rest(self, method: str, path: str, body: Any = None) -> Any:
        """Ask a REST interface; the answer, decoded."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method)
        with urllib.request.urlopen(request, timeout=2 * DEADLINE_S) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def close(self) -> None:
        with self._process:
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
            self._reader.join(DEADLINE_S)
        self._sandbox.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
