"""One JupyterLab server and one headless Chromium for the session; a fresh notebook for every test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from needs import need_chromium
from sandbox import KERNEL_NAME

# playwright and what stands on it are imported in the fixtures: without it the tests are skipped, not broken.
if TYPE_CHECKING:
    from lab import LabServer, NotebookPage
    from playwright.sync_api import Browser, Page

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"


@pytest.fixture(scope="session")
def kernel_name() -> str:
    """The kernelspec under test."""
    return KERNEL_NAME


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabServer]:
    """A JupyterLab server of our own."""
    from lab import LabServer

    server = LabServer(tmp_path_factory.mktemp("lab"))
    yield server
    server.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=need_chromium(), args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """An empty window, large enough that nothing under test is out of sight."""
    from lab import DEADLINE_MS

    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    context.set_default_timeout(DEADLINE_MS)
    yield context.new_page()
    context.close()


@pytest.fixture
def screenshot(request: pytest.FixtureRequest) -> Path:
    """Where the picture of this test goes."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    return SCREENSHOTS / f"{request.node.name.removeprefix('test_')}.png"


@pytest.fixture
def notebook(lab: LabServer, page: Page, kernel_name: str, screenshot: Path) -> Iterator[NotebookPage]:
    """A new notebook open in JupyterLab, its kernel running; photographed at the end."""
    from lab import NotebookPage

    name = f"{screenshot.stem}.ipynb"
    lab.write_notebook(name, kernel_name)
    page.goto(f"{lab.url}/lab/workspaces/{screenshot.stem}/tree/{name}?token={lab.token}")
    notebook = NotebookPage(page, screenshot)
    notebook.wait_idle()
    yield notebook
    notebook.shoot()
    lab.end_sessions()
