"""A person debugs in JupyterLab: from the bug icon to the end of the session, a picture of each step."""

from __future__ import annotations

from pathlib import Path

from needs import need_module

need_module("jupyterlab")
need_module("playwright")

from lab import NotebookPage  # noqa: E402
from panel import DebugPanel  # noqa: E402
from playwright.sync_api import expect  # noqa: E402

CODE = """\
import pandas
def half(number):
    result = number / 2
    table = pandas.DataFrame({"number": [number], "result": [result]})
    return result
words = ["a", "b"]
first = half(8)
second = half(first)"""


def test_debugging_a_cell_in_jupyterlab(notebook: NotebookPage, screenshot: Path) -> None:
    panel, shots = DebugPanel(notebook), screenshot.parent
    panel.enable()
    panel.shoot(shots, "bug_icon")

    cell = panel.write(CODE, 3)
    panel.shoot(shots, "gutter_breakpoint")

    cell.locator(".cm-content").press("Shift+Enter")
    panel.stands("half", 3)
    expect(panel.frames).to_have_count(2)
    expect(notebook.prompt(cell)).to_have_text("[*]:")
    panel.shoot(shots, "stopped")
    expect(panel.variable("number")).to_contain_text("8")
    panel.shoot(shots, "variables")

    panel.press("next")
    panel.stands("half", 4)
    expect(panel.variable("result")).to_contain_text("4")
    panel.press("next")
    panel.stands("half", 5)
    expect(panel.variable("table")).to_contain_text("DataFrame")  # the panel shows the globals until it has the locals
    panel.shoot(shots, "step_over")

    panel.choose(panel.variable("table"), "Render Variable")
    rendered = notebook.page.locator(".jp-VariableRendererPanel")
    expect(rendered.locator("table td").last).to_have_text("4.0")
    panel.shoot(shots, "rich_variable_view")
    notebook.page.keyboard.press("Escape")

    panel.choose(panel.variable("table"), "Copy Variable to Globals")
    panel.sidebar.locator("select[aria-label=Scope]").select_option("Globals")
    expect(panel.variable("table")).to_contain_text("DataFrame")
    panel.shoot(shots, "copied_to_globals")
    panel.sidebar.locator("select[aria-label=Scope]").select_option("Locals")

    panel.press("evaluate")
    console = notebook.page.locator(".jp-DebuggerPrompt, .jp-CodeConsole").last
    prompt = console.locator(".jp-CodeConsole-promptCell .cm-content, .cm-content").last
    prompt.fill("number * 100 + len(words)")
    prompt.press("Shift+Enter")
    expect(notebook.page.locator(".jp-CodeConsole-content")).to_contain_text("802")
    panel.shoot(shots, "evaluate_in_the_console")

    panel.press("stepOut")
    panel.stands("<module>", 7)
    panel.shoot(shots, "step_out")
    panel.press("next")
    panel.stands("<module>", 8)
    panel.press("stepIn")
    panel.stands("half", 3)
    panel.shoot(shots, "step_in")

    panel.sidebar.locator(".jp-Debugger-KernelSources-Filter input, .jp-Debugger-KernelSources-Filter").last.click()
    notebook.page.keyboard.type("textwrap")
    source = panel.sources.get_by_text("textwrap", exact=True)
    source.dblclick()
    expect(notebook.page.locator(".jp-MainAreaWidget", has_text="dedent").first).to_be_visible()
    panel.shoot(shots, "kernel_sources")
    notebook.page.locator(".lm-TabBar-tab", has_text=notebook.screenshot.stem).first.click()

    panel.press("continue")
    notebook.wait_done(cell)
    expect(panel.frames).to_have_count(0)
    panel.shoot(shots, "continued")

    panel.sidebar.locator(".jp-PauseOnExceptions").click()
    notebook.page.locator(".lm-Menu-itemLabel", has_text="uncaught").click()
    expect(panel.sidebar.locator(".jp-PauseOnExceptions")).to_have_attribute("aria-pressed", "true")
    failing = notebook.start("def fail(reason):\n    raise ValueError(reason)\nfail('seen')")
    panel.stands("fail", 2)
    expect(panel.variable("reason")).to_contain_text("seen")
    panel.shoot(shots, "pause_on_exceptions")
    panel.press("continue")
    notebook.wait_done(failing)
    expect(notebook.output(failing).last).to_contain_text("ValueError: seen")

    panel.bug.click()
    expect(panel.bug).to_have_attribute("aria-pressed", "false")
    after = notebook.run("'no longer debugged'")
    expect(notebook.output(after)).to_have_text("'no longer debugged'")
    panel.shoot(shots, "disabled")


def test_page_reload_while_a_cell_stands(notebook: NotebookPage) -> None:
    panel = DebugPanel(notebook)
    panel.enable()
    cell = panel.write("value = 1\nvalue += 1\nvalue", 2)
    cell.locator(".cm-content").press("Shift+Enter")
    panel.stands("<module>", 2)
    # A reload in the middle of the saving leaves the notebook as it was: one empty cell.
    with notebook.page.expect_response(lambda r: r.request.method == "PUT" and "/api/contents/" in r.url) as saved:
        notebook.menu("File", "Save Notebook")
    assert saved.value.ok
    notebook.page.reload()
    expect(panel.bug).to_have_attribute("aria-pressed", "true")
    # JupyterLab marks the line again only if the cell is drawn by then.
    panel.stopped("<module>", 2)
    notebook.shoot()
    panel.press("continue")
    expect(panel.frames).to_have_count(0)
    # The debugger is often there before the notebook is drawn: the last cell seen would be the first, or none.
    expect(notebook.cells).to_have_count(2)
    after = notebook.run("value")
    expect(notebook.output(after)).to_have_text("2")
