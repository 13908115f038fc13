"""JupyterLab's debugger as a person has it: the bug, the gutter, the panels on the right."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

from lab import DEADLINE_MS, NotebookPage
from playwright.sync_api import Locator, Page, expect

# Counts the breakpoints that JupyterLab sends to the kernel; its socket's frames are text or binary.
COUNT_SENT = """() => {
    const send = WebSocket.prototype.send;
    window.breakpointsSent = 0;
    WebSocket.prototype.send = function (data) {
        const text = typeof data === "string" ? data : new TextDecoder().decode(data);
        send.call(this, data);
        if (text.includes('"setBreakpoints"')) window.breakpointsSent += 1;
    };
}"""


class DebugPanel:
    """The debugger beside a notebook."""

    def __init__(self, notebook: NotebookPage) -> None:
        self.notebook = notebook
        self.page: Page = notebook.page
        self.bug = notebook.panel.locator(".jp-DebuggerBugButton")
        self.sidebar = self.page.locator(".jp-DebuggerSidebar")
        self.frames = self.sidebar.locator(".jp-DebuggerCallstackFrame")
        self.breakpoints = self.sidebar.locator(".jp-DebuggerBreakpoint")
        self.sources = self.sidebar.locator(".jp-DebuggerKernelSource-source")
        self.highlight = self.page.locator(".jp-DebuggerEditor-highlight")
        self._shots = 0
        self.page.set_viewport_size({"width": 1600, "height": 1000})  # else the toolbar hides its right end

    def enable(self) -> None:
        for _ in range(5):  # JupyterLab forgets a click that comes while it still sets the debugger up
            self.bug.click()
            with contextlib.suppress(AssertionError):
                expect(self.bug).to_have_attribute("aria-pressed", "true", timeout=DEADLINE_MS / 3)
                break
        expect(self.bug).to_have_attribute("aria-pressed", "true")
        expect(self.sources.first).to_be_visible()

    def write(self, code: str, line: int) -> Locator:
        """Type code into the last cell and click into the gutter beside a line; the cell.

        A second after the last key JupyterLab sends the breakpoints that it has drawn by then. A click whose
        breakpoint is still on its way to the kernel is undone by that: so click afterwards.
        """
        cell = self.notebook.cells.nth(self.notebook.cells.count() - 1)
        self.page.evaluate(COUNT_SENT)
        cell.locator(".cm-content").fill(code)
        self.page.wait_for_function("window.breakpointsSent > 0")
        self.toggle(cell, line)
        expect(self.breakpoints).to_have_count(1)
        return cell

    def toggle(self, cell: Locator, line: int) -> None:
        # The gutter's first element is there to be measured, and hidden.
        cell.locator(".cm-breakpoint-gutter .cm-gutterElement").nth(line).click()

    def stands(self, function: str, line: int) -> None:
        """Wait until code stands there, and the line is marked."""
        self.stopped(function, line)
        expect(self.highlight).to_have_count(1)

    def stopped(self, function: str, line: int) -> None:
        """Wait until the call stack says so."""
        expect(self.frames.first.locator(".jp-DebuggerCallstackFrame-name")).to_have_text(function)
        place = self.frames.first.locator(".jp-DebuggerCallstackFrame-location")
        expect(place).to_contain_text(f":{line}")

    def press(self, command: str) -> None:
        button = self.sidebar.locator(f"[data-command='debugger:{command}']")
        # After a reload the frames are shown before the buttons are enabled. Playwright's click does not wait for that:
        # it takes a custom element (jp-button) to be enabled always, and a disabled one swallows the click.
        expect(button).to_have_attribute("aria-disabled", "false")
        button.click()

    def variable(self, name: str) -> Locator:
        """The row of a variable."""
        named = self.page.locator(".jp-DebuggerVariables-name", has_text=re.compile(f"^{name}$"))
        return self.sidebar.locator("jp-tree-item", has=named).last

    def choose(self, row: Locator, item: str) -> None:
        """Choose from the menu of a row."""
        row.locator(".jp-DebuggerVariables-name").first.click(button="right")
        self.page.locator(".lm-Menu-itemLabel", has_text=item).click()

    def shoot(self, folder: Path, name: str) -> None:
        """Photograph a step."""
        self._shots += 1
        self.page.screenshot(path=folder / f"debugger_{self._shots:02}_{name}.png")
