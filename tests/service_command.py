"""`kernelet serve` as a process of its own, for tests of what only such a process has: signals, memory, its end."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psutil


class Command:
    """One `kernelet serve` process."""

    def __init__(self, log: Path, *options: str, **environment: str) -> None:
        clean = {
            name: value for name, value in os.environ.items() if not name.startswith(("KERNELET_", "JUPYTER_TOKEN"))
        }
        self.log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "kernelet", "serve", "--port", "0", *options],
                stderr=output,
                cwd=log.parent,
                env={**clean, "KERNELET_PRELOAD": "", **environment},
            )
        self.url = self.said(r"kernelet serves at (\S+)")
        self.token = environment.get("KERNELET_TOKEN") or self.said(r"kernelet token: (\S+)")
        headers = {"Authorization": f"Bearer {self.token}"}
        self.client = httpx.Client(base_url=self.url, headers=headers, timeout=60, trust_env=False)

    def said(self, pattern: str) -> str:
        """Return the first group of what it said, once it has."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if found := re.search(pattern, self.log.read_text()):
                return found[1]
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.05)
        raise AssertionError(self.log.read_text())

    def kernels(self) -> list[psutil.Process]:
        """Make a session with a child, and return both processes."""
        made = self.client.post("/v1/sessions", json={"session_id": "s"})
        assert made.status_code == 201, made.text
        code = "import os, subprocess; (os.getpid(), subprocess.Popen(['sleep', '996']).pid)"
        result = self.client.post("/v1/sessions/s/execute", json={"code": code}).json()
        return [psutil.Process(int(pid)) for pid in re.findall(r"\d+", result["results"][0]["data"]["text/plain"])]

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        status = self.process.wait(60)
        self.client.close()
        return status
