"""A `kernelet serve` process of a test's own, for tests that come from outside: MCP, the client, the page, examples."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Self

DEADLINE_S = 90


class ServeProcess:
    """Runs until the block ends; `url` and `token` are what a client needs."""

    token = "a token of tests"

    def __init__(self, folder: Path, *arguments: str, **env: str) -> None:
        self.folder = folder
        self.url = ""
        self.log: list[str] = []
        self._announced = threading.Event()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "kernelet", "serve", "--port", "0", "--token", self.token, *arguments],
            stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, cwd=folder,
            # A zygote of its own, which ends with it and is nobody else's.
            env={**os.environ, "KERNELET_PING_INTERVAL": "0.2", "JUPYTER_RUNTIME_DIR": str(folder / "run"), **env},
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.log.append(line)
            if found := re.search(r"kernelet serves at (\S+)", line):
                self.url = found[1]
                self._announced.set()
        self._announced.set()

    def __enter__(self) -> Self:
        assert self._announced.wait(DEADLINE_S)
        assert self.url, f"the service did not start: {''.join(self.log)[-3000:]}"
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise
        finally:
            self._reader.join()
            assert self._process.stderr is not None
            self._process.stderr.close()
            if sys.platform == "linux":
                from kernelet.launch.zygotes import Zygotes

                Zygotes(self.folder / "run" / "kernelet-zygotes").end()


class JupyterServer:
    """A Jupyter server of a test's own, with Python kernels of this environment."""

    token = "a-token-of-tests"

    def __init__(self, folder: Path) -> None:
        self.url = ""
        self._log: list[str] = []
        self._announced = threading.Event()
        home = {
            name: str(folder / name.lower())
            for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
        }
        options = ["--port=0", "--no-browser", "--allow-root", f"--IdentityProvider.token={self.token}"]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "jupyter_server", f"--ServerApp.root_dir={folder}", *options],
            stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env={**os.environ, **home},
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._log.append(line)
            if found := re.search(r"(http://127\.0\.0\.1:\d+)/", line):
                self.url = found[1]
                self._announced.set()
        self._announced.set()

    def __enter__(self) -> Self:
        assert self._announced.wait(DEADLINE_S)
        assert self.url, f"jupyter_server did not start: {''.join(self._log)[-3000:]}"
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._process.terminate()
        self._process.wait(DEADLINE_S)
        self._reader.join()
        assert self._process.stderr is not None
        self._process.stderr.close()
