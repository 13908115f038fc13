"""Packages that reach into the shell: its magics, its displays, its cells' source, and the loop under it."""

from __future__ import annotations

import re
import urllib.request

from cells import model, value
from frontend import Frontend
from needs import need_module, need_tool
from sandbox import free_ports

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


def test_icecream_finds_the_source_of_its_call(kernel: Frontend) -> None:
    need_module("icecream")
    result = kernel.execute("from icecream import ic\nx = 41\nic(x + 1)")
    assert "ic| x + 1: 42" in re.sub(r"\x1b\[[0-9;]*m", "", result.stderr)


def test_ipytest_runs_the_tests_of_a_cell(kernel: Frontend) -> None:
    need_module("ipytest")
    code = "import ipytest\nipytest.autoconfig()\ndef test_true(): assert True\ndef test_false(): assert 1 == 2\n"
    result = kernel.execute(code + "int(ipytest.run('--color=no'))", deadline_s=90)
    assert "1 failed, 1 passed" in result.stdout
    assert "assert 1 == 2" in result.stdout
    assert result.result == {"text/plain": "1"}


def test_sympy_prints_formulas(kernel: Frontend) -> None:
    need_module("sympy")
    result = kernel.execute("import sympy\nsympy.init_printing()\nx = sympy.symbols('x')\nx ** 2 / 2", deadline_s=90)
    assert result.result is not None
    assert r"\frac{x^{2}}{2}" in result.result["text/latex"]


def test_dill_carries_a_class_and_the_whole_session(kernel: Frontend) -> None:
    need_module("dill")
    kernel.execute("import dill\nclass Point:\n    x = 41\n    def far(self): return self.x + 1")
    assert value(kernel, "dill.loads(dill.dumps(Point()))" + ".far()") == "42"


def test_watermark_magic_tells_the_versions(kernel: Frontend) -> None:
    need_module("watermark")
    kernel.execute("%load_ext watermark")
    assert "IPython version" in kernel.execute("%watermark -v").stdout


def test_jupyter_black_formats_the_cell(kernel: Frontend) -> None:
    """It reads the source from the history and has the front end replace it, by JavaScript."""
    need_module("jupyter_black")
    kernel.execute("import jupyter_black\njupyter_black.load()", deadline_s=90)
    result = kernel.execute("x=[1,2,\n3]")
    assert result.status == "ok"
    assert "x = [1, 2, 3]" in str(result.displays) + str(result.content["payload"])


def test_itables_shows_a_table_that_sorts(kernel: Frontend) -> None:
    need_module("itables")
    need_module("pandas")
    made = kernel.execute("import itables, pandas\nitables.init_notebook_mode(all_interactive=True)", deadline_s=90)
    assert made.status == "ok", made.content
    shown = kernel.execute("pandas.DataFrame({'city': ['Oslo']})")
    assert shown.result is not None
    assert "Oslo" in shown.result["text/html"]
    assert "itables" in shown.result["text/html"]


def test_progressbar_draws_into_the_cell(kernel: Frontend) -> None:
    need_module("progressbar")
    result = kernel.execute("import progressbar\nfor _ in progressbar.progressbar(range(3)): pass")
    assert result.status == "ok", result.content
    assert "100%" in result.stderr + result.stdout


def test_ipyvuetify_button_calls_back(kernel: Frontend) -> None:
    need_module("ipyvuetify")
    made = kernel.execute(
        "import ipyvuetify as v\nbutton = v.Btn(children=['Press'])\n"
        "button.on_event('click', lambda *a: print('pressed'))\nbutton",
        deadline_s=90,
    )
    assert made.result is not None
    comm_id = made.result[WIDGET_VIEW]["model_id"]
    click = {"method": "custom", "content": {"event": "click", "data": {}}}
    messages = kernel.until_idle(kernel.send("comm_msg", {"comm_id": comm_id, "data": click}))
    assert [m["content"]["text"] for m in messages if m["msg_type"] == "stream"] == ["pressed\n"]


def test_reacton_renders_and_updates_a_component(kernel: Frontend) -> None:
    """It replaces `display_pub.publish` while a component is rendered."""
    need_module("reacton")
    made = kernel.execute(
        """
import reacton, reacton.ipywidgets as w
@reacton.component
def Counter():
    count, set_count = reacton.use_state(0)
    return w.Button(description=f"clicked {count}", on_click=lambda: set_count(count + 1))
Counter()""",
        deadline_s=90,
    )
    assert made.status == "ok", made.content
    button = model(made, "ButtonModel")
    click = {"method": "custom", "content": {"event": "click"}}
    messages = kernel.until_idle(kernel.send("comm_msg", {"comm_id": button, "data": click}))
    assert "clicked 1" in str([m["content"] for m in messages if m["msg_type"] == "comm_msg"])


def test_ui_poll_lets_a_button_be_clicked_in_a_sync_cell(kernel: Frontend) -> None:
    """jupyter_ui_poll swaps `shell_handlers["execute_request"]` and calls `do_one_iteration`."""
    need_module("jupyter_ui_poll")
    need_module("ipywidgets")
    made = kernel.execute(
        "import ipywidgets, jupyter_ui_poll, time\nclicked = []\nbutton = ipywidgets.Button()\n"
        "button.on_click(lambda _: clicked.append(1))",
        deadline_s=90,
    )
    polling = kernel.send_execute(
        "print('polling')\nwith jupyter_ui_poll.ui_events() as poll:\n"
        "    while not clicked:\n        poll(5)\n        time.sleep(0.02)\nclicked"
    )
    kernel.see_text("polling", polling)
    waiting = kernel.send_execute("'after'")
    click = {"method": "custom", "content": {"event": "click"}}
    clicked = kernel.send("comm_msg", {"comm_id": model(made, "ButtonModel"), "data": click})
    result = kernel.result(polling)
    assert result.status == "ok", result.content
    assert result.result == {"text/plain": "[1]"}
    kernel.until_idle(clicked)
    assert kernel.result(waiting).result == {"text/plain": "'after'"}


def test_nest_asyncio_nests(kernel: Frontend) -> None:
    need_module("nest_asyncio")
    code = """
import asyncio, nest_asyncio
nest_asyncio.apply()
async def outer():
    return asyncio.get_event_loop().run_until_complete(asyncio.sleep(0, 'inner'))
"""
    assert kernel.execute(code).status == "ok"
    assert value(kernel, "asyncio.run(outer())") == "'inner'"
    assert value(kernel, "await outer()") == "'inner'"
    assert value(kernel, "6 * 7") == "42"


def test_kernel_in_a_kernel_shows_its_output_in_the_cell(kernel: Frontend) -> None:
    """jupyter_client's `execute_interactive` republishes through `display_pub`'s session and socket."""
    code = """
from jupyter_client.manager import start_new_kernel
manager, client = start_new_kernel(kernel_name="kernelet")
client.execute_interactive("print('from the inner kernel')\\n6 * 7", timeout=30)["content"]["status"]
"""
    result = kernel.execute(code, deadline_s=90)
    kernel.execute("client.stop_channels()\nmanager.shutdown_kernel(now=True)")
    assert result.status == "ok", result.content
    assert result.stdout == "from the inner kernel\n"
    assert "42" in str([m["content"] for m in result.iopub])


def test_widgets_survive_the_import_of_ipyparallel(kernel: Frontend) -> None:
    """It imports ipykernel's own kernel, which overwrites comm's hooks."""
    need_module("ipyparallel")
    need_module("ipywidgets")
    kernel.execute("import ipyparallel, ipyparallel.engine.kernel", deadline_s=90)
    made = kernel.execute("import ipywidgets\nipywidgets.IntSlider()")
    assert model(made, "IntSliderModel")


def test_dash_serves_its_page_from_the_kernel(kernel: Frontend) -> None:
    """Inline mode: it asks the front end by a comm, swaps `shell_handlers`, and polls `do_one_iteration`."""
    folder = need_tool("dash")
    [port] = free_ports(1)
    made = kernel.execute(
        f"import sys\nsys.path.append({str(folder)!r})\n"
        "from dash import Dash, html\napp = Dash()\napp.layout = html.Div('served by dash')",
        deadline_s=90,
    )
    assert made.status == "ok", made.content
    shown = kernel.execute(f"app.run(jupyter_mode='inline', port={port})", deadline_s=90)
    assert shown.status == "ok", shown.content
    assert any("iframe" in content["data"].get("text/html", "") for content in shown.displays), shown.iopub
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/_dash-layout", timeout=30) as page:
        assert "served by dash" in page.read().decode()
    assert kernel.execute("6 * 7").result == {"text/plain": "42"}
