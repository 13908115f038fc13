"""One JupyterLab server and one headless Chromium for the session; a fresh notebook for every test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
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


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=need_chromium(), args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


@contextmanager
def new_window(browser: Browser) -> Iterator[Page]:
    """An empty window, large enough that nothing under test is out of sight."""
    from lab import DEADLINE_MS

    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    context.set_default_timeout(DEADLINE_MS)
    yield context.new_page()
    context.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A window of the test's own."""
    with new_window(browser) as page:
        yield page


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


@pytest.fixture(scope="module")
def notebook_of_module(
    lab: LabServer, browser: Browser, kernel_name: str, request: pytest.FixtureRequest
) -> Iterator[NotebookPage]:
    """One notebook in JupyterLab for all tests of a module."""
    from lab import NotebookPage

    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    stem = Path(request.path).stem
    lab.write_notebook(f"{stem}.ipynb", kernel_name)
    with new_window(browser) as page:
        page.goto(f"{lab.url}/lab/workspaces/{stem}/tree/{stem}.ipynb?token={lab.token}")
        notebook = NotebookPage(page, SCREENSHOTS / f"{stem}.png")
        notebook.wait_idle()
        yield notebook
    lab.end_sessions()


@pytest.fixture
def shared(notebook_of_module: NotebookPage, screenshot: Path) -> Iterator[NotebookPage]:
    """The module's notebook, photographed for this test unless the test did so itself."""
    notebook_of_module.screenshot = screenshot
    screenshot.unlink(missing_ok=True)
    yield notebook_of_module
    if not screenshot.exists():
        notebook_of_module.shoot()
