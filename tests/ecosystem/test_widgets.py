"""ipywidgets and anywidget: state in both directions, Output, interact."""

from __future__ import annotations

from cells import model, value
from frontend import Frontend, Json
from needs import need_module

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


def tell(kernel: Frontend, comm_id: str, data: Json) -> list[Json]:
    """Send what a front end sends, and return iopub up to idle."""
    return kernel.until_idle(kernel.send("comm_msg", {"comm_id": comm_id, "data": data}))


def test_slider_moves_in_both_directions(kernel: Frontend) -> None:
    need_module("ipywidgets")
    made = kernel.execute("import ipywidgets\nslider = ipywidgets.IntSlider()\nslider")
    assert made.result is not None
    slider = model(made, "IntSliderModel")
    assert made.result[WIDGET_VIEW]["model_id"] == slider
    kernel.execute("slider.observe(lambda change: print(change['new']), 'value')")
    messages = tell(kernel, slider, {"method": "update", "state": {"value": 5}, "buffer_paths": []})
    assert [m["content"]["text"] for m in messages if m["msg_type"] == "stream"] == ["5\n"]
    changed = kernel.execute("slider.value = 7")
    assert [content["data"]["state"] for content in changed.of_type("comm_msg")] == [{"value": 7}]


def test_output_widget_takes_what_is_printed(kernel: Frontend) -> None:
    need_module("ipywidgets")
    made = kernel.execute("import ipywidgets\nout = ipywidgets.Output()\nout")
    output = model(made, "OutputModel")
    result = kernel.execute("with out:\n    print('inside')\nprint('outside')")
    updates = [c["data"]["state"] for c in result.of_type("comm_msg") if c["comm_id"] == output]
    assert [u["msg_id"] for u in updates] == [result.request["msg_id"], ""]
    order = [m["msg_type"] for m in result.iopub if m["msg_type"] in ("comm_msg", "stream")]
    assert order == ["comm_msg", "stream", "comm_msg", "stream"]


def test_interact_calls_with_the_sliders_value(kernel: Frontend) -> None:
    need_module("ipywidgets")
    made = kernel.execute("from ipywidgets import interact\ninteract(lambda x: print('x is', x), x=3);")
    messages = tell(
        kernel, model(made, "IntSliderModel"), {"method": "update", "state": {"value": 4}, "buffer_paths": []}
    )
    assert [m["content"]["text"] for m in messages if m["msg_type"] == "stream"] == ["x is 4\n"]


def test_error_of_a_callback_is_shown(kernel: Frontend) -> None:
    need_module("ipywidgets")
    made = kernel.execute("import ipywidgets\nbutton = ipywidgets.Button()\nbutton.on_click(lambda _: 1 / 0)")
    messages = tell(kernel, model(made, "ButtonModel"), {"method": "custom", "content": {"event": "click"}})
    assert any("ZeroDivisionError" in str(m["content"]) for m in messages)


def test_widget_is_pushed_from_a_thread_through_the_loop(kernel: Frontend) -> None:
    need_module("ipywidgets")
    made = kernel.execute("import ipywidgets\nslider = ipywidgets.IntSlider()")
    slider = model(made, "IntSliderModel")
    result = kernel.execute(
        "import asyncio, threading\ndone = asyncio.Event()\n"
        "def push():\n    slider.value = 9\n    done.set()\n"
        "threading.Thread(target=lambda: get_ipython().kernel.io_loop.add_callback(push)).start()\nawait done.wait()"
    )
    assert result.status == "ok"
    pushed = [c for c in result.of_type("comm_msg") if c["comm_id"] == slider]
    assert [content["data"]["state"] for content in pushed] == [{"value": 9}]


def test_anywidget_sends_its_module_and_bytes(kernel: Frontend) -> None:
    need_module("anywidget")
    made = kernel.execute("""
import anywidget, traitlets
class Counter(anywidget.AnyWidget):
    _esm = "export default { render() {} }"
    value = traitlets.Int(0).tag(sync=True)
    raw = traitlets.Bytes(b"abc").tag(sync=True)
counter = Counter()
counter
""")
    assert made.result is not None
    assert WIDGET_VIEW in made.result
    comm_id = made.result[WIDGET_VIEW]["model_id"]
    [opened] = [m for m in made.iopub if m["msg_type"] == "comm_open" and m["content"]["comm_id"] == comm_id]
    assert "export default" in opened["content"]["data"]["state"]["_esm"]
    assert [bytes(one) for one in opened["buffers"]] == [b"abc"]
    tell(kernel, comm_id, {"method": "update", "state": {"value": 3}, "buffer_paths": []})
    assert value(kernel, "counter.value") == "3"
