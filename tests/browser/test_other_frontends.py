"""Notebook 7 and the classic Notebook: open one, run a cell, see what it printed and returned."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from needs import need_module

need_module("jupyterlab")
need_module("playwright")

from lab import DEADLINE_MS, LabServer  # noqa: E402
from playwright.sync_api import Page, expect  # noqa: E402

CODE = "print('printed')\n6 * 7"
# Notebook 7 has no status bar, and its circle shows "idle" before there is a kernel: a cell run then is forgotten.
CONNECTED = """() => {
    const context = window.jupyterapp?.shell.currentWidget?.context;
    return context?.isReady && context.sessionContext.session?.kernel?.connectionStatus === "connected";
}"""


@pytest.fixture
def written(lab: LabServer, kernel_name: str, screenshot: Path) -> str:
    """A notebook for our kernel; its file name."""
    name = f"{screenshot.stem}.ipynb"
    lab.write_notebook(name, kernel_name)
    return name


def test_notebook_7_runs_a_cell(lab: LabServer, page: Page, written: str, screenshot: Path) -> None:
    need_module("notebook")
    page.goto(f"{lab.url}/notebooks/{written}?token={lab.token}")
    expect(page.locator(".jp-Notebook-ExecutionIndicator")).to_have_attribute("data-status", "idle")
    page.wait_for_function(CONNECTED, timeout=DEADLINE_MS)
    cell = page.locator(".jp-Notebook .jp-CodeCell").first
    prompt = cell.locator(".jp-InputArea-prompt")
    cell.locator(".cm-content").fill(CODE)
    expect(cell.locator(".cm-line")).to_have_count(2)
    cell.locator(".cm-content").press("Shift+Enter")
    expect(cell.locator(".jp-OutputArea-output")).to_have_text(["printed\n", "42"])
    expect(prompt).to_have_text("[1]:")
    page.screenshot(path=screenshot)
    lab.end_sessions()


def test_classic_notebook_runs_a_cell(lab: LabServer, page: Page, written: str, screenshot: Path) -> None:
    need_module("nbclassic")
    page.goto(f"{lab.url}/nbclassic/notebooks/{written}?token={lab.token}")
    expect(page.locator("#kernel_indicator_icon")).to_have_class(re.compile("kernel_idle_icon"))
    cell = page.locator(".cell.code_cell").first
    cell.locator(".CodeMirror").click()
    page.keyboard.insert_text(CODE)
    page.keyboard.press("Shift+Enter")
    expect(cell.locator(".output_area .output_subarea")).to_have_text(["printed\n", "42"])
    expect(cell.locator(".input_prompt")).to_have_text(re.compile(r"In\s\[1\]:"))
    page.screenshot(path=screenshot)
    lab.end_sessions()
