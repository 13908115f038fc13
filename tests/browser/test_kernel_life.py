"""The kernel as the browser sees it: it dies and comes back, and it tells what it uses."""

from __future__ import annotations

import re

from needs import need_module

need_module("jupyterlab")
need_module("playwright")

from lab import NotebookPage  # noqa: E402
from playwright.sync_api import expect  # noqa: E402


def test_killed_kernel_is_restarted_and_the_notebook_goes_on(shared: NotebookPage) -> None:
    shared.start("lost = True\nimport os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    expect(shared.dialog).to_contain_text("appears to have died")
    expect(shared.dialog).to_contain_text("restart automatically")
    shared.shoot()
    shared.accept()
    expect(shared.dialog).to_have_count(0)
    shared.wait_idle()
    cell = shared.run("'lost' in globals()")
    expect(shared.prompt(cell)).to_have_text("[1]:")
    expect(shared.output(cell)).to_have_text("False")


def test_usage_panel_shows_the_kernels_memory_and_cpu(shared: NotebookPage) -> None:
    """jupyter-resource-usage asks on the control channel, while a cell runs as well."""
    need_module("jupyter_resource_usage")
    running = shared.start("print('running')\nwhile True: pass")
    expect(shared.output(running).first).to_have_text("running\n")
    shared.page.locator(".jp-SideBar [title='Kernel Usage']").click()
    panel = shared.page.locator(".jp-KernelUsage-view")
    # More than nothing: the cell is busy. The number has one decimal, and is of one process.
    expect(panel).to_contain_text(re.compile(r"CPU: [1-9]\d*(\.\d)?Memory: [1-9][\d.]* MB"))
    expect(panel).to_contain_text(re.compile(r"Total: [1-9][\d.]* GB"))
    expect(panel).to_contain_text(re.compile(r"Active: [1-9][\d.]* [MG]B"))
    shared.shoot()
    shared.panel.locator("[data-command='notebook:interrupt-kernel']").click()
    shared.wait_done(running)
