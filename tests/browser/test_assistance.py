"""What JupyterLab asks the kernel while a person types: completions, tooltips; and a console beside the notebook."""

from __future__ import annotations

import contextlib
import re

import pytest

from needs import need_module
from sandbox import KERNEL_NAME

need_module("jupyterlab")
need_module("playwright")

from lab import NotebookPage  # noqa: E402
from playwright.sync_api import Locator, expect  # noqa: E402


def type_into_last(notebook: NotebookPage, text: str) -> Locator:
    """Type `text` key by key into the last cell; its editor."""
    editor = notebook.cells.last.locator(".cm-content")
    editor.click()
    editor.fill("")
    editor.press_sequentially(text)
    return editor


def press_tab(notebook: NotebookPage, editor: Locator) -> Locator:
    """Ask for completions and return the popup."""
    popup = notebook.page.locator(".jp-Completer:visible")
    for _ in range(10):  # JupyterLab drops an answer that takes longer than a second, as the first one may
        editor.press("Tab")
        with contextlib.suppress(AssertionError):
            expect(popup).to_have_count(1, timeout=5000)
            break
    return popup


def test_popup_shows_the_names_and_their_types(shared: NotebookPage) -> None:
    shared.run("colour_of_the_sky = 'blue'\ncolour_of_grass = 'green'")
    editor = type_into_last(shared, "colour_of")
    popup = press_tab(shared, editor)
    expect(popup.locator(".jp-Completer-item")).to_have_count(2)
    expect(popup).to_contain_text("colour_of_grass")
    expect(popup.locator(".jp-Completer-type").first).to_have_text("i")  # instance
    shared.shoot()
    popup.locator(".jp-Completer-item", has_text="colour_of_the_sky").click()
    expect(editor).to_have_text("colour_of_the_sky")


def test_shift_tab_shows_the_signature_and_the_docstring(shared: NotebookPage) -> None:
    shared.run('def paint(wall, colour="white"):\n    """Make the wall beautiful."""')
    editor = type_into_last(shared, "paint(")
    editor.press("Shift+Tab")
    tooltip = shared.page.locator(".jp-Tooltip")
    expect(tooltip).to_contain_text("Make the wall beautiful.")
    expect(tooltip).to_contain_text("paint(wall, colour='white')")
    shared.shoot()
    editor.press("Escape")
    expect(tooltip).to_have_count(0)


@pytest.mark.skipif(KERNEL_NAME != "kernelet", reason="ipykernel 7.4 answers when the cell has ended")
def test_popup_comes_while_a_cell_runs(shared: NotebookPage) -> None:
    shared.run("colour_of_the_sky, colour_of_grass = 'blue', 'green'")
    running = shared.start("print('running')\nwhile True: pass")
    expect(shared.output(running).first).to_have_text("running\n")
    editor = type_into_last(shared, "colour_of")
    popup = press_tab(shared, editor)
    expect(popup.locator(".jp-Completer-item")).to_have_count(2)
    expect(shared.prompt(running)).to_have_text("[*]:")
    editor.press("Escape")
    editor.fill("")
    shared.panel.locator("[data-command='notebook:interrupt-kernel']").click()
    shared.wait_done(running)
    expect(shared.output(running).last).to_contain_text("KeyboardInterrupt")


def test_console_works_on_the_notebooks_kernel(shared: NotebookPage) -> None:
    shared.run("from_notebook = 41")
    shared.menu("File", "New Console for Notebook")
    console = shared.page.locator(".jp-CodeConsole")
    prompt = console.locator(".jp-CodeConsole-promptCell .cm-content")
    expect(prompt).to_be_visible()
    expect(console.locator(".jp-CodeConsole-banner")).to_contain_text("IPython")
    prompt.fill("from_console = from_notebook + 1; from_console")
    prompt.press("Shift+Enter")
    output = console.locator(".jp-CodeConsole-content .jp-OutputArea-output")
    expect(output).to_have_text("42")
    expect(console.locator(".jp-CodeConsole-content .jp-InputArea-prompt").last).to_have_text(re.compile(r"\[\d+\]:"))
    shared.shoot()
