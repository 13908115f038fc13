"""nbclient as Quarto's jupyter engine uses it: cell by cell, a kernel kept for many renderings, inline expressions."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from needs import need_module

need_module("nbclient")

import nbformat  # noqa: E402
from jupyter_core.utils import run_sync  # noqa: E402
from nbclient import NotebookClient  # noqa: E402
from nbformat.v4 import new_code_cell, new_notebook  # noqa: E402

from sandbox import DEADLINE_S, KERNEL_NAME, Sandbox  # noqa: E402

SETUP = """
import os
os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"
try:
    import matplotlib.pyplot as plt
    plt.rcParams["figure.figsize"] = (2, 1)
    plt.rcParams["figure.dpi"] = 50
    from matplotlib_inline.backend_inline import set_matplotlib_formats
    set_matplotlib_formats("svg")
except ImportError:
    pass
try:
    import plotly.io as pio
    pio.renderers.default = "plotly_mimetype+notebook_connected"
except Exception:
    pass
"""


class Renderer:
    """A kernel that lives on between the renderings of documents."""

    def __init__(self, folder: Path) -> None:
        self.client = NotebookClient(new_notebook(), kernel_name=KERNEL_NAME, timeout=60)
        self.client.resources["metadata"] = {"path": str(folder)}
        self.client.create_kernel_manager()
        self.client.start_new_kernel(cwd=str(folder))
        self.client.start_new_kernel_client()

    def render(self, *sources: str) -> list[nbformat.NotebookNode]:
        """Execute a new document in the same kernel; its cells."""
        notebook = new_notebook(cells=[new_code_cell(source) for source in sources])
        self.client.nb = notebook
        self.client.reset_execution_trackers()
        info = self.client.wait_for_reply(self.client.kc.kernel_info())
        notebook.metadata["language_info"] = info["content"]["language_info"]
        setup = new_code_cell(SETUP)
        notebook.cells.insert(0, setup)
        self.client.execute_cell(setup, 0, store_history=False)
        assert setup.outputs == []
        notebook.cells.pop(0)
        for index, cell in enumerate(notebook.cells):
            self.client.execute_cell(cell, index, execution_count=index + 1, store_history=True)
            self.client.set_widgets_metadata()
        return list(notebook.cells)

    def inline(self, expression: str) -> dict[str, str]:
        """The value of inline code: `execute("")` with a user expression, as Quarto asks for it."""
        request = self.client.kc.execute("", store_history=False, user_expressions={"0": expression})
        reply = self.client.wait_for_reply(request)
        result: dict[str, str] = reply["content"]["user_expressions"]["0"]
        return result


@pytest.fixture(scope="module")
def renderer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Renderer]:
    sandbox = Sandbox()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in sandbox.environment().items():
            if name.startswith(("JUPYTER_", "IPYTHON")):
                patch.setenv(name, value)
        renderer = Renderer(tmp_path_factory.mktemp("document"))
        yield renderer
        renderer.client.kc.stop_channels()
        run_sync(renderer.client.km.shutdown_kernel)()
    sandbox.close()


def test_cells_are_rendered_one_by_one_with_the_documents_numbers(renderer: Renderer) -> None:
    first, second = renderer.render("x = 6", "print('printed')\nx * 7")
    assert [cell.execution_count for cell in (first, second)] == [1, 2]
    assert [output.output_type for output in second.outputs] == ["stream", "execute_result"]
    assert renderer.client.nb.metadata.language_info.name == "python"


def test_kernel_is_kept_for_the_next_rendering(renderer: Renderer) -> None:
    renderer.render("kept = 'from the last rendering'")
    (cell,) = renderer.render("kept")
    assert cell.execution_count == 1
    assert cell.outputs[0].data["text/plain"] == "'from the last rendering'"


def test_figures_have_the_documents_format(renderer: Renderer) -> None:
    need_module("matplotlib")
    (cell,) = renderer.render("plt.plot([1, 2]);")
    (figure,) = [output for output in cell.outputs if output.output_type == "display_data"]
    svg = figure.data["image/svg+xml"]
    assert "<svg" in (svg if svg.lstrip().startswith("<") else base64.b64decode(svg).decode())


def test_inline_expressions_are_evaluated(renderer: Renderer) -> None:
    renderer.render("answer = 42")
    value = renderer.inline("answer")
    assert (value["status"], value["data"]) == ("ok", {"text/plain": "42"})
    assert renderer.inline("undefined_name")["ename"] == "NameError"


def test_state_of_widgets_is_in_the_document(renderer: Renderer) -> None:
    need_module("ipywidgets")
    renderer.render("import ipywidgets\nipywidgets.IntSlider(value=42)")
    states = renderer.client.nb.metadata.widgets["application/vnd.jupyter.widget-state+json"]["state"]
    assert 42 in [state["state"].get("value") for state in states.values()]


def test_restarted_kernel_renders_again(renderer: Renderer) -> None:
    renderer.render("forgotten = 1")
    run_sync(renderer.client.km.restart_kernel)()
    run_sync(renderer.client.kc.wait_for_ready)(timeout=DEADLINE_S)
    (cell,) = renderer.render("'forgotten' in globals()")
    assert cell.outputs[0].data["text/plain"] == "False"
