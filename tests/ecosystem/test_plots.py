"""Plotting packages: the renderer that they choose, and the comms by which a plot is changed later."""

from __future__ import annotations

from cells import value
from frontend import Frontend
from needs import need_module

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


def test_plotly_chooses_the_renderer_of_a_jupyter_frontend(kernel: Frontend) -> None:
    need_module("plotly")
    assert value(kernel, "import plotly.io\nplotly.io.renderers.default") == "'plotly_mimetype'"
    result = kernel.execute("import plotly.graph_objects as go\ngo.Figure(go.Scatter(y=[1, 2])).show()")
    assert [list(content["data"]) for content in result.displays] == [["application/vnd.plotly.v1+json"]]


def test_bokeh_pushes_changes_through_a_comm(kernel: Frontend) -> None:
    need_module("bokeh")
    shown = kernel.execute("""
from bokeh.io import output_notebook, push_notebook, show
from bokeh.plotting import figure
output_notebook(hide_banner=True)
plot = figure()
points = plot.scatter([1, 2], [3, 4])
handle = show(plot, notebook_handle=True)
""")
    [opened] = shown.of_type("comm_open")
    pushed = kernel.execute("points.data_source.data['y'] = [5, 6]\npush_notebook(handle=handle)")
    assert {content["comm_id"] for content in pushed.of_type("comm_msg")} == {opened["comm_id"]}
    assert any("ColumnDataChanged" in str(content["data"]) for content in pushed.of_type("comm_msg"))


def test_bokeh_pushes_after_the_import_of_kernelapp(kernel: Frontend) -> None:
    need_module("bokeh")
    kernel.execute("import ipykernel.kernelapp")
    test_bokeh_pushes_changes_through_a_comm(kernel)


def test_altair_shows_a_chart(kernel: Frontend) -> None:
    need_module("altair")
    need_module("pandas")
    result = kernel.execute(
        "import altair, pandas\naltair.Chart(pandas.DataFrame({'a': [1, 2]})).mark_point().encode(x='a')"
    )
    assert result.result is not None
    assert "vega" in str(result.result)


def test_panel_object_is_live_once_the_front_end_opens_its_comm(kernel: Frontend) -> None:
    """The front end opens the comm to a target named after the view; from then on changes are pushed through ours."""
    need_module("panel")
    shown = kernel.execute(
        "import panel\npanel.extension()\nslider = panel.widgets.IntSlider(start=0, end=9)\ndisplay(slider)",
        deadline_s=90,
    )
    assert shown.status == "ok", shown.content
    assert any("text/html" in content["data"] for content in shown.displays)
    targets = value(kernel, "','.join(get_ipython().kernel.comm_manager.targets)").strip("'").split(",")
    opened = []
    for target in targets:
        data = {"comm_id": f"of-{target}", "target_name": target, "data": {}}
        opened += kernel.until_idle(kernel.send("comm_open", data))
    assert [m["content"] for m in opened if m["msg_type"] == "comm_close"] == []
    assert value(kernel, "len(get_ipython().kernel.comm_manager.comms) > 0") == "True"
    assert "comm_msg" in kernel.execute("slider.value = 3").types


def test_ipympl_draws_on_a_canvas_and_answers_it(kernel: Frontend) -> None:
    need_module("ipympl")
    made = kernel.execute(
        "%matplotlib widget\nimport matplotlib.pyplot as plt\nfigure, axes = plt.subplots()\naxes.plot([1, 2]);",
        deadline_s=90,
    )
    assert made.status == "ok", made.content
    models = [content["data"]["state"].get("_model_name") for content in made.of_type("comm_open")]
    assert "MPLCanvasModel" in models
    assert any(WIDGET_VIEW in content["data"] for content in made.displays)
    canvas = next(c for c in made.of_type("comm_open") if c["data"]["state"].get("_model_name") == "MPLCanvasModel")
    refresh = {"method": "custom", "content": {"type": "refresh"}}
    answered = kernel.until_idle(kernel.send("comm_msg", {"comm_id": canvas["comm_id"], "data": refresh}))
    assert any(m["msg_type"] == "comm_msg" for m in answered)


def test_inline_figures_of_a_widget_callback_are_shown(kernel: Frontend) -> None:
    """BaseComm.handle_msg triggers post_execute, by which matplotlib_inline shows them."""
    need_module("ipywidgets")
    need_module("matplotlib")
    made = kernel.execute(
        "%matplotlib inline\nimport ipywidgets, matplotlib.pyplot as plt\nbutton = ipywidgets.Button()\n"
        "button.on_click(lambda _: plt.plot([1, 2]))",
        deadline_s=90,
    )
    button = next(c for c in made.of_type("comm_open") if c["data"]["state"]["_model_name"] == "ButtonModel")
    click = {"method": "custom", "content": {"event": "click"}}
    messages = kernel.until_idle(kernel.send("comm_msg", {"comm_id": button["comm_id"], "data": click}))
    assert any("image/png" in m["content"].get("data", {}) for m in messages)
