"""A real JupyterLab: the server process, and one notebook as a person at the screen has it."""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path
from typing import IO, Any

from playwright.sync_api import Locator, Page, expect

DEADLINE_MS = 30_000
expect.set_options(timeout=DEADLINE_MS)

QUIET_SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True},
    "notebook-extension/tracker": {"windowingMode": "none"},
    "codemirror-extension/plugin": {"defaultConfig": {"autoClosingBrackets": False}},
}


class LabServer:
    """A `jupyter lab` process with directories, port and token of its own.

    Nothing of the user's Jupyter is read or written: the four JUPYTER directories and IPYTHONDIR are under `home`.
    Kernelspecs come from the environment's share/jupyter.
    """

    def __init__(self, home: Path) -> None:
        self.root = home / "notebooks"
        self.token = secrets.token_hex(16)
        self.url = ""
        self.log: list[str] = []
        self.root.mkdir()
        for name, values in QUIET_SETTINGS.items():
            path = home / "config" / "lab" / "user-settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(values))
        env = {
            **os.environ,
            "JUPYTER_CONFIG_DIR": str(home / "config"),
            "JUPYTER_DATA_DIR": str(home / "data"),
            "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
            "IPYTHONDIR": str(home / "ipython"),
            "JUPYTER_TOKEN": self.token,
        }
        command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--ServerApp.allow_root=True"]
        command += ["--JupyterNotebookApp.expose_app_in_browser=True"]  # tests ask Notebook 7 what it does not show
        command += ["--ServerApp.ip=127.0.0.1", "--ServerApp.port=0", f"--ServerApp.root_dir={self.root}"]
        self.process = subprocess.Popen(
            command, env=env, cwd=self.root, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        assert self.process.stdout is not None
        started = threading.Event()
        self._reader = threading.Thread(target=self._read, args=(self.process.stdout, started), daemon=True)
        self._reader.start()
        started.wait(60)
        if not self.url:
            self.close()
            raise AssertionError("JupyterLab did not start:\n" + "".join(self.log))

    def _read(self, output: IO[str], started: threading.Event) -> None:
        """Keep the server's log for ever (a full pipe would stop it); tell when it serves, or has ended."""
        for line in output:
            self.log.append(line)
            if not self.url and (address := re.search(r"(http://127\.0\.0\.1:\d+)/lab", line)):
                self.url = address[1]
                started.set()
        started.set()

    def rest(self, method: str, path: str) -> Any:
        """Ask the server's REST interface."""
        headers = {"Authorization": f"token {self.token}"}
        request = urllib.request.Request(self.url + path, method=method, headers=headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            body = answer.read()
        return json.loads(body) if body else None

    def end_sessions(self) -> None:
        """Shut every kernel down, so that one test does not slow the next."""
        for session in self.rest("GET", "/api/sessions"):
            self.rest("DELETE", f"/api/sessions/{session['id']}")

    def write_notebook(self, name: str, kernel: str) -> None:
        """Write a notebook of one empty cell that asks for `kernel`."""
        cell = {"cell_type": "code", "id": "one", "execution_count": None, "metadata": {}, "outputs": [], "source": ""}
        spec = {"name": kernel, "display_name": kernel, "language": "python"}
        notebook = {"cells": [cell], "metadata": {"kernelspec": spec}, "nbformat": 4, "nbformat_minor": 5}
        (self.root / name).write_text(json.dumps(notebook))

    def close(self) -> None:
        """Stop the server as an operator does."""
        with self.process:  # closes the pipe, too
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
            self._reader.join(30)


class NotebookPage:
    """The notebook that a page shows: type into it, run it, look at what came out."""

    def __init__(self, page: Page, screenshot: Path) -> None:
        self.page = page
        self.screenshot = screenshot
        self.panel = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")
        self.cells = self.panel.locator(".jp-Notebook .jp-CodeCell")
        self.kernel_name = self.panel.locator(".jp-KernelName")
        self.indicator = self.panel.locator(".jp-Notebook-ExecutionIndicator")
        self.dialog = page.locator(".jp-Dialog")

    def wait_idle(self) -> None:
        """Wait until the kernel is connected and free.

        The status bar is asked too: the notebook's own circle shows "idle" a moment before there is a connection.
        """
        expect(self.page.locator("#jp-main-statusbar")).to_contain_text(re.compile(r"\| Idle"))
        expect(self.indicator).to_have_attribute("data-status", "idle")

    def start(self, code: str) -> Locator:
        """Run `code` in the last cell, as typed and with Shift+Enter; the cell, perhaps still running."""
        code = code.strip("\n")
        cell = self.cells.last
        mark = self.cells.count()
        editor = cell.locator(".cm-content")
        editor.fill(code)
        expect(editor.locator(".cm-line")).to_have_count(len(code.splitlines()))
        editor.press("Shift+Enter")
        expect(self.cells).to_have_count(mark + 1)
        return self.cells.nth(mark - 1)

    def run(self, code: str) -> Locator:
        """Run `code` in the last cell and wait for its end; the cell."""
        cell = self.start(code)
        self.wait_done(cell)
        return cell

    def wait_done(self, cell: Locator) -> None:
        """Wait until the prompt of `cell` shows a number."""
        expect(self.prompt(cell)).to_have_text(re.compile(r"^\[\d+\]:$"))

    def prompt(self, cell: Locator) -> Locator:
        return cell.locator(".jp-InputArea-prompt")

    def output(self, cell: Locator) -> Locator:
        """All outputs of `cell`."""
        return cell.locator(".jp-OutputArea-output")

    def menu(self, *names: str) -> None:
        """Choose from the menu bar, as a person does: `menu("Kernel", "Restart Kernel…")`."""
        bar, *items = names
        self.page.locator(".lm-MenuBar-itemLabel", has_text=re.compile(f"^{bar}$")).click()
        for item in items:
            self.page.locator(".lm-Menu-itemLabel", has_text=re.compile(f"^{re.escape(item)}$")).click()

    def accept(self) -> None:
        """Press the button that agrees in the dialog that is open."""
        self.dialog.locator("button.jp-mod-accept").click()

    def shoot(self) -> None:
        """Save what is seen now."""
        self.page.screenshot(path=self.screenshot)
