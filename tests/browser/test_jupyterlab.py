"""A person works in JupyterLab: every test looks at what is on the screen."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from needs import need_module
from sandbox import KERNEL_NAME

need_module("jupyterlab")
need_module("playwright")

from lab import LabServer, NotebookPage  # noqa: E402
from playwright.sync_api import Page, expect  # noqa: E402


def test_launcher_offers_the_kernel_and_a_cell_runs(
    lab: LabServer, page: Page, kernel_name: str, screenshot: Path
) -> None:
    name = lab.rest("GET", "/api/kernelspecs")["kernelspecs"][kernel_name]["spec"]["display_name"]
    if kernel_name.startswith("kernelet"):
        assert name == "Python 3 (kernelet)"
    page.goto(f"{lab.url}/lab/workspaces/launcher?token={lab.token}")
    card = page.locator(".jp-LauncherCard[data-category='Notebook']", has_text=name)
    card.click()
    notebook = NotebookPage(page, screenshot)
    notebook.wait_idle()
    expect(notebook.kernel_name).to_contain_text(name)
    cell = notebook.run("answer = 6 * 7\nprint('the answer follows')\nanswer")
    expect(notebook.output(cell).first).to_have_text("the answer follows\n")
    expect(notebook.output(cell).last).to_have_text("42")
    notebook.shoot()
    lab.end_sessions()


def test_dataframe_is_a_table(notebook: NotebookPage) -> None:
    cell = notebook.run("import pandas\npandas.DataFrame({'city': ['Oslo', 'Lima'], 'height': [23, 154]})")
    table = notebook.output(cell).locator("table.dataframe")
    expect(table.locator("thead th")).to_have_text(["", "city", "height"])
    expect(table.locator("tbody tr")).to_have_count(2)
    expect(table.locator("tbody tr").last.locator("td")).to_have_text(["Lima", "154"])


def test_traceback_is_shown_with_its_line(notebook: NotebookPage) -> None:
    cell = notebook.run("def half(x):\n    return x / 0\n\nhalf(3)")
    output = notebook.output(cell)
    expect(output).to_contain_text("ZeroDivisionError")
    expect(output).to_contain_text("division by zero")
    expect(output).to_contain_text("return x / 0")
    assert output.locator("[class*=ansi]").count() > 0, "the traceback has no colours"


def test_plot_is_seen_without_show(notebook: NotebookPage) -> None:
    cell = notebook.run("import matplotlib.pyplot as plt\nplt.plot([3, 1, 4, 1, 5])\nplt.title('pi');")
    image = notebook.output(cell).locator("img")
    expect(image).to_have_count(1)
    expect(image).to_have_js_property("complete", True)
    assert image.evaluate("image => image.naturalWidth") > 100


def test_stdout_appears_while_the_cell_runs(lab: LabServer, notebook: NotebookPage) -> None:
    gate = lab.root / "gate"
    os.mkfifo(gate)
    cell = notebook.start("print('before', end='')\nopen('gate').read()\nprint(' and after')")
    expect(notebook.output(cell)).to_have_text("before")
    expect(notebook.prompt(cell)).to_have_text("[*]:")
    gate.write_text("go on")
    notebook.wait_done(cell)
    expect(notebook.output(cell)).to_have_text("before and after\n")


def test_input_prompt_is_answered(notebook: NotebookPage) -> None:
    cell = notebook.start("name = input('Who is there? ')\nprint(f'Hello, {name}!')")
    expect(cell.locator(".jp-Stdin-prompt")).to_have_text("Who is there? ")
    box = cell.locator(".jp-Stdin-input")
    box.fill("Ada")
    box.press("Enter")
    notebook.wait_done(cell)
    expect(notebook.output(cell).last).to_have_text("Hello, Ada!\n")


def test_stop_button_interrupts_a_running_cell(notebook: NotebookPage) -> None:
    cell = notebook.start("print('running')\nwhile True:\n    pass")
    expect(notebook.output(cell).first).to_have_text("running\n")
    expect(notebook.prompt(cell)).to_have_text("[*]:")
    notebook.panel.locator("[data-command='notebook:interrupt-kernel']").click()
    notebook.wait_done(cell)
    expect(notebook.output(cell).last).to_contain_text("KeyboardInterrupt")
    expect(notebook.output(cell).last).not_to_contain_text("kernelet/runtime")
    after = notebook.run("'alive'")
    expect(notebook.output(after)).to_have_text("'alive'")


@pytest.mark.skipif(not KERNEL_NAME.startswith("kernelet"), reason="ipykernel 7.4 does not interrupt an await")
def test_pressing_i_twice_interrupts_a_cell_that_awaits(notebook: NotebookPage) -> None:
    cell = notebook.start("import asyncio\nprint('waiting')\nawait asyncio.sleep(600)")
    expect(notebook.output(cell).first).to_have_text("waiting\n")
    notebook.page.keyboard.press("Escape")
    notebook.page.keyboard.press("i")
    notebook.page.keyboard.press("i")
    notebook.wait_done(cell)
    expect(notebook.output(cell).last).to_contain_text("KeyboardInterrupt")


def test_restart_from_the_menu_forgets_the_variables(lab: LabServer, notebook: NotebookPage) -> None:
    cell = notebook.run("import os\nkept = os.getpid()\nkept")
    pid = notebook.output(cell).inner_text().strip()
    notebook.menu("Kernel", "Restart Kernel…")
    notebook.accept()
    expect(notebook.dialog).to_have_count(0)
    notebook.wait_idle()
    cell = notebook.run("'kept' in globals(), os.getpid() if 'os' in globals() else None")
    expect(notebook.prompt(cell)).to_have_text("[1]:")
    expect(notebook.output(cell)).to_have_text("(False, None)")
    cell = notebook.run("import os; os.getpid()")
    assert notebook.output(cell).inner_text().strip() != pid


def test_saved_notebook_holds_the_outputs(lab: LabServer, notebook: NotebookPage) -> None:
    """What was seen is what the file has, so that nbconvert and git see it too."""
    notebook.run("print('to the file')\n{'a': 1}")
    with notebook.page.expect_response(lambda answer: answer.request.method == "PUT" and "/contents/" in answer.url):
        notebook.page.keyboard.press("Control+s")
    (path,) = lab.root.glob("saved_notebook*.ipynb")
    saved = json.loads(path.read_text())
    kinds = [output["output_type"] for output in saved["cells"][0]["outputs"]]
    assert kinds == ["stream", "execute_result"]
    assert saved["cells"][0]["outputs"][0]["text"] == ["to the file\n"]
    assert saved["cells"][0]["outputs"][1]["data"] == {"text/plain": ["{'a': 1}"]}
