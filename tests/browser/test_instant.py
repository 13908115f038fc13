"""A person chooses the instant kernel in JupyterLab: its kernel was forked, and does what any kernel does."""

from __future__ import annotations

import pytest

from needs import need_kernelspec, need_linux, need_module
from sandbox import KERNEL_NAME

need_linux()
need_module("jupyterlab")
need_module("playwright")
need_kernelspec("kernelet-instant")

from lab import LabServer, NotebookPage  # noqa: E402
from playwright.sync_api import expect  # noqa: E402

from kernelet.launch.zygotes import Zygotes  # noqa: E402

pytestmark = pytest.mark.skipif(KERNEL_NAME != "kernelet", reason="it tests that kernelspec anyway")


@pytest.fixture(scope="session")
def kernel_name() -> str:
    return "kernelet-instant"


def test_a_notebook_on_the_instant_kernel_is_interrupted_and_restarted(lab: LabServer, notebook: NotebookPage) -> None:
    expect(notebook.kernel_name).to_contain_text("Python 3 (kernelet, instant)")
    cell = notebook.run("import os\nopen(f'/proc/{os.getppid()}/cmdline').read().split('\\0')[2]")
    expect(notebook.output(cell)).to_have_text("'kernelet.launch.zygote'")
    cell = notebook.run("import matplotlib.pyplot as plt\nplt.plot([3, 1, 4, 1, 5]);")
    expect(notebook.output(cell).locator("img")).to_have_count(1)
    cell = notebook.start("import time\nprint('asleep')\ntime.sleep(600)")
    expect(notebook.output(cell).first).to_have_text("asleep\n")
    notebook.panel.locator("[data-command='notebook:interrupt-kernel']").click()
    notebook.wait_done(cell)
    expect(notebook.output(cell).last).to_contain_text("KeyboardInterrupt")
    notebook.shoot()
    notebook.menu("Kernel", "Restart Kernel…")
    notebook.accept()
    expect(notebook.dialog).to_have_count(0)
    notebook.wait_idle()
    cell = notebook.run("'os' in globals()")
    expect(notebook.output(cell)).to_have_text("False")
    Zygotes(lab.root.parent / "runtime/kernelet-zygotes").end()
