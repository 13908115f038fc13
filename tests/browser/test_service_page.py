"""The service's own page in a real browser: what a person sees of sessions, and of code that runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import needs

for name in ("playwright", "fastapi", "uvicorn"):
    needs.need_module(name)
needs.need_chromium()

from playwright.sync_api import expect  # noqa: E402

from served import ServeProcess  # noqa: E402

if TYPE_CHECKING:
    from playwright.sync_api import Page


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServeProcess]:
    with ServeProcess(tmp_path_factory.mktemp("serve"), "--timeout-default", "600") as process:
        yield process


class ServicePage:
    """The page with a session of its own open, and no complaint of the browser allowed."""

    def __init__(self, page: Page, service: ServeProcess, name: str) -> None:
        self.page, self.name = page, name
        self.complaints: list[str] = []
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.goto(f"{service.url}/?token={service.token}")
        page.get_by_label("Name of the new session").fill(name)
        page.get_by_role("button", name="New session").click()
        expect(page.get_by_role("heading", name=name)).to_be_visible()

    def run(self, code: str) -> None:
        self.page.get_by_label("Code").fill(code)
        self.page.get_by_label("Code").press("Shift+Enter")

    @property
    def last(self):  # type: ignore[no-untyped-def]
        return self.page.locator(".cell").last

    def ended(self, status: str) -> None:
        expect(self.last).to_have_attribute("data-status", status)


@pytest.fixture
def opened(page: Page, service: ServeProcess, screenshot: Path) -> Iterator[ServicePage]:
    opened = ServicePage(page, service, screenshot.stem[:40])
    yield opened
    page.screenshot(path=screenshot)
    assert opened.complaints == []


def test_the_page_asks_for_the_token_and_refuses_a_wrong_one(page: Page, service: ServeProcess) -> None:
    page.goto(service.url)
    page.get_by_label("This service asks for its token").fill("wrong")
    page.get_by_role("button", name="Open").click()
    expect(page.get_by_text("The service refused this token.")).to_be_visible()
    page.get_by_label("This service asks for its token").fill(service.token)
    page.get_by_role("button", name="Open").click()
    expect(page.get_by_text("No session is open")).to_be_visible()


def test_the_token_leaves_the_address(opened: ServicePage, service: ServeProcess) -> None:
    assert service.token not in opened.page.url
    opened.page.reload()
    expect(opened.page.locator(f"[data-session='{opened.name}']")).to_be_visible()


def test_text_plots_tables_and_errors_are_shown(opened: ServicePage) -> None:
    needs.need_module("matplotlib")
    opened.run("import matplotlib.pyplot as plt\nprint('hello')\nplt.plot([3, 1, 2])\nplt.show()\n6 * 7")
    opened.ended("ok")
    expect(opened.last.locator(".stdout")).to_have_text("hello\n")
    expect(opened.last.locator("img")).to_be_visible()
    assert opened.last.locator("img").evaluate("image => image.naturalWidth") > 100
    expect(opened.last.locator(".result")).to_have_text("42")
    opened.run("1 / 0")
    opened.ended("error")
    expect(opened.last.locator(".error")).to_contain_text("ZeroDivisionError: division by zero")
    expect(opened.page.locator(f"[data-session='{opened.name}'] .numbers")).to_contain_text("idle, 2 runs, ")
    expect(opened.page.locator(f"[data-session='{opened.name}'] .numbers")).to_contain_text("MB")


def test_a_long_cell_shows_its_progress_until_it_is_interrupted(opened: ServicePage) -> None:
    opened.run("import time\nkept = 1\nfor n in range(10**6):\n    print(f'\\rstep {n}', end='')\n    time.sleep(0.05)")
    progress = opened.page.locator("#progress")
    expect(progress).to_be_visible()
    expect(progress.locator("#last-line")).to_contain_text("step ")
    expect(opened.page.locator("#session #state")).to_have_text("busy")
    seen = opened.last.locator(".stdout").inner_text()
    expect(opened.last.locator(".stdout")).not_to_have_text(seen)
    assert "\n" not in opened.last.locator(".stdout").inner_text().strip()
    opened.page.screenshot(path=Path("build", "screenshots", "a_long_cell_while_it_runs.png"))
    opened.page.get_by_role("button", name="Interrupt", exact=True).click()
    opened.ended("interrupted")
    expect(progress).to_be_hidden()
    opened.run("kept")
    opened.ended("ok")


def test_html_of_user_code_runs_no_script_and_sees_no_token(opened: ServicePage) -> None:
    script = (
        "<b>bold</b><script>parent.document.title = 'taken'</script><img src=x onerror=\"top.document.title='taken'\">"
    )
    opened.run(f"from IPython.display import HTML\nHTML({script!r})")
    opened.ended("ok")
    expect(opened.last.frame_locator("iframe").locator("b")).to_have_text("bold")
    assert opened.page.title() == "kernelet"
    # The browser reports what it has blocked.
    assert opened.complaints
    assert all("Blocked" in one or "Content Security Policy" in one for one in opened.complaints)
    opened.complaints.clear()


def test_output_is_cleared_and_displays_change(opened: ServicePage) -> None:
    opened.run(
        "from IPython.display import display, clear_output\nprint('gone')\nclear_output(wait=True)\nprint('stays')\n"
        "handle = display('old', display_id=True)\nhandle.update('new')"
    )
    opened.ended("ok")
    expect(opened.last.locator(".output")).to_have_text("stays\n'new'")


def test_a_crash_is_told_and_a_restart_forgets(opened: ServicePage) -> None:
    opened.run("import os; os._exit(3)")
    opened.ended("exit")
    expect(opened.last.locator(".notice")).to_contain_text("all variables are lost")
    opened.run("x = 1")
    opened.ended("ok")
    opened.page.get_by_role("button", name="Restart", exact=True).click()
    opened.run("x")
    opened.ended("error")
    opened.page.get_by_role("button", name="Destroy", exact=True).click()
    expect(opened.page.get_by_text("No session is open")).to_be_visible()
    expect(opened.page.locator(f"[data-session='{opened.name}']")).to_have_count(0)


def test_a_name_that_is_taken_is_a_complaint(opened: ServicePage) -> None:
    opened.page.get_by_label("Name of the new session").fill(opened.name)
    opened.page.get_by_role("button", name="New session").click()
    expect(opened.page.get_by_role("alert").filter(has_text="already exists")).to_be_visible()
    assert all("409" in complaint for complaint in opened.complaints)
    opened.complaints.clear()


def test_the_interface_page_shows_each_call_and_sends_it(page: Page, service: ServeProcess, screenshot: Path) -> None:
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{service.url}/docs?token={service.token}")
    call = page.locator("details", has_text="POST /v1/sessions/{session_id}/execute")
    call.locator("summary").click()
    expect(call.locator("table")).to_contain_text("on_disconnect")
    expect(call.get_by_text("curl -X POST")).to_contain_text("/v1/sessions/default/execute")
    call.get_by_label("Body").fill('{"code": "6 * 7"}')
    call.get_by_role("button", name="Send").click()
    expect(call.locator(".answer")).to_contain_text('"text/plain": "42"')
    assert page.locator("details").count() >= 20
    page.screenshot(path=screenshot)
    assert complaints == []


def test_the_interface_page_asks_for_the_token(page: Page, service: ServeProcess) -> None:
    page.goto(f"{service.url}/docs")
    page.get_by_label("This service asks for its token").fill(service.token)
    page.get_by_role("button", name="Open").click()
    expect(page.locator("details").first).to_be_visible()
