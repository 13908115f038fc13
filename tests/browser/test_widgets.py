"""Widgets on the screen: they move, they answer while a cell runs, and they are there again after a reload."""

from __future__ import annotations

import pytest

from needs import need_module

need_module("ipywidgets")
need_module("jupyterlab")
need_module("playwright")

from lab import LabServer, NotebookPage  # noqa: E402
from playwright.sync_api import Locator, expect  # noqa: E402

WAITS = {
    "blocks": "clicked.wait(60)",
    "awaits": "import asyncio\nwhile not clicked.is_set(): await asyncio.sleep(0.02)",
}


def sliders_handle(cell: Locator) -> Locator:
    """What a person drags, or moves by the arrow keys."""
    handle = cell.locator(".noUi-handle")
    expect(handle).to_be_visible()
    return handle


def outputs(cell: Locator) -> Locator:
    """All that is shown below `cell`, in its widgets too."""
    return cell.locator(".jp-Cell-outputArea")


def move_right(handle: Locator, steps: int) -> None:
    handle.focus()
    for _ in range(steps):
        handle.press("ArrowRight")


def test_slider_moves_more_than_once_and_its_observer_prints(shared: NotebookPage) -> None:
    """The front end sends the next change only after the idle of the one before."""
    cell = shared.run("""
import ipywidgets as widgets
slider = widgets.IntSlider(value=3)
out = widgets.Output()
def moved(change):
    with out:
        print("moved to", change["new"])
slider.observe(moved, "value")
display(slider, out)""")
    for value in (4, 5, 6):  # one after the other: of changes that wait for an idle, ipywidgets sends the last only
        move_right(sliders_handle(cell), 1)
        expect(outputs(cell)).to_contain_text(f"moved to {value}")
    expect(cell.locator(".widget-readout")).to_have_text("6")
    expect(outputs(cell)).to_contain_text("moved to 4\nmoved to 5\nmoved to 6")
    seen = shared.run("slider.value")
    expect(shared.output(seen)).to_have_text("6")
    shared.run("slider.value = 50")
    expect(cell.locator(".widget-readout")).to_have_text("50")


def test_interact_calls_the_function_for_every_value(shared: NotebookPage) -> None:
    cell = shared.run("widgets.interact(lambda n: print('square', n * n), n=widgets.IntSlider(value=5));")
    area = outputs(cell)
    expect(area).to_contain_text("square 25")
    move_right(sliders_handle(cell), 1)
    expect(area).to_contain_text("square 36")
    move_right(sliders_handle(cell), 1)
    expect(area).to_contain_text("square 49")


@pytest.mark.parametrize("kind", ["blocks", "awaits"])
def test_button_is_clicked_while_a_cell_runs(shared: NotebookPage, kind: str) -> None:
    made = shared.run("""
import threading
clicked = threading.Event()
button = widgets.Button(description="Press")
button.on_click(lambda _: clicked.set())
button""")
    button = made.locator("button.jupyter-button")
    expect(button).to_have_text("Press")
    running = shared.start(f"print('waiting')\n{WAITS[kind]}\nprint('clicked', clicked.is_set())")
    expect(shared.output(running)).to_contain_text("waiting")
    expect(shared.prompt(running)).to_have_text("[*]:")
    button.click()
    shared.wait_done(running)
    expect(shared.output(running).last).to_contain_text("clicked True")


def test_output_widget_takes_text_a_table_and_an_error(shared: NotebookPage) -> None:
    cell = shared.run("""
import pandas
box = widgets.Output()
display(box)
with box:
    print("inside")
    display(pandas.DataFrame({"city": ["Oslo"]}))
    1 / 0""")
    area = outputs(cell)
    expect(area).to_contain_text("inside")
    expect(area.locator("table.dataframe td")).to_have_text(["Oslo"])
    expect(area).to_contain_text("ZeroDivisionError")
    shared.run("box.clear_output()")
    expect(area).not_to_contain_text("inside")


def test_picture_arrives_as_bytes(shared: NotebookPage) -> None:
    """An Image widget's value is a binary buffer of its comm_open."""
    cell = shared.run("""
import io, matplotlib.pyplot as plt
buffer = io.BytesIO()
plt.imsave(buffer, [[0, 1], [1, 0]])
widgets.Image(value=buffer.getvalue(), width=80)""")
    image = cell.locator("img.widget-image")
    expect(image).to_be_visible()
    expect(image).to_have_js_property("naturalWidth", 2)


def test_widget_is_there_again_after_the_page_is_reloaded(shared: NotebookPage, lab: LabServer) -> None:
    """The new page asks the kernel for the states of all widgets; it runs nothing."""
    cell = shared.run("kept = widgets.IntSlider(value=42, description='kept')\nkept")
    sliders_handle(cell)
    number = shared.cells.count() - 2
    with shared.page.expect_response(lambda answer: answer.request.method == "PUT" and "/contents/" in answer.url):
        shared.page.keyboard.press("Control+s")
    shared.page.reload()
    shared.wait_idle()
    again = shared.cells.nth(number)
    move_right(sliders_handle(again), 1)
    expect(again.locator(".widget-readout")).to_have_text("43")
    seen = shared.run("kept.value")
    expect(shared.output(seen)).to_have_text("43")
