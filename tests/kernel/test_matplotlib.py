"""Figures: shown without plt.show(), in their place, in the formats asked for, and closed afterwards."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest

from frontend import Frontend
from needs import need_module

need_module("matplotlib")

PLOT = "import matplotlib.pyplot as plt\nplt.plot([1, 2, 3]);"


def pictures(displays: list[dict]) -> list[set[str]]:
    """The mime types of the displays that are no plain text."""
    return [set(content["data"]) - {"text/plain"} for content in displays]


@pytest.fixture(autouse=True)
def closed(kernel: Frontend) -> None:
    """Start each test without figures, with the formats that are the default."""
    kernel.execute("import matplotlib.pyplot as plt\nplt.close('all')\n%config InlineBackend.figure_formats = ['png']")


def test_a_figure_is_shown_at_the_end_of_its_cell(kernel: Frontend) -> None:
    result = kernel.execute(PLOT + "\nprint('printed')")
    assert result.types == ["busy", "execute_input", "stream", "display_data", "idle"]
    (content,) = result.displays
    assert base64.b64decode(content["data"]["image/png"]).startswith(b"\x89PNG\r\n")
    assert content["data"]["text/plain"].startswith("<Figure size")


def test_a_fresh_kernel_shows_the_figure_of_its_first_cell(fresh_kernel: Frontend) -> None:
    assert pictures(fresh_kernel.execute(PLOT).displays) == [{"image/png"}]
    assert fresh_kernel.execute("plt.get_backend()").result["text/plain"] in (
        "'module://matplotlib_inline.backend_inline'",
        "'inline'",
    )


def test_a_figure_is_shown_once(kernel: Frontend) -> None:
    kernel.execute(PLOT)
    assert kernel.execute("plt.get_fignums()").result == {"text/plain": "[]"}
    assert kernel.execute("1").displays == []


def test_a_figure_kept_in_a_variable_can_be_shown_again(kernel: Frontend) -> None:
    kernel.execute("figure, axes = plt.subplots()")
    result = kernel.execute("axes.plot([1])\nfigure")
    assert result.result is not None
    assert "image/png" in result.result


def test_several_figures_come_in_order(kernel: Frontend) -> None:
    code = "for n in (2, 4):\n    plt.figure(figsize=(n, 1))\n    plt.plot([n])"
    texts = [content["data"]["text/plain"] for content in kernel.execute(code).displays]
    assert texts == ["<Figure size 200x100 with 1 Axes>", "<Figure size 400x100 with 1 Axes>"]


def test_show_puts_the_figure_between_the_prints(kernel: Frontend) -> None:
    result = kernel.execute("print('before')\nplt.plot([1])\nplt.show()\nprint('after')")
    assert result.types[2:-1] == ["stream", "display_data", "stream"]


def test_a_figure_of_an_awaiting_cell_is_shown(kernel: Frontend) -> None:
    result = kernel.execute("import asyncio\nplt.plot([1])\nawait asyncio.sleep(0)\nplt.title('x');")
    assert pictures(result.displays) == [{"image/png"}]


def test_a_figure_of_a_failing_cell_is_not_lost(kernel: Frontend) -> None:
    result = kernel.execute("plt.plot([1])\n1 / 0")
    assert result.ename == "ZeroDivisionError"
    assert pictures(result.displays) == [{"image/png"}]
    assert kernel.execute("1").displays == []


def test_matplotlib_inline_magic_is_fine(kernel: Frontend) -> None:
    assert kernel.execute("%matplotlib inline").status == "ok"
    assert pictures(kernel.execute(PLOT).displays) == [{"image/png"}]


def test_svg_can_be_asked_for(kernel: Frontend) -> None:
    kernel.execute("%config InlineBackend.figure_formats = ['svg']")
    (content,) = kernel.execute(PLOT).displays
    assert "<svg" in content["data"]["image/svg+xml"]
    assert "image/png" not in content["data"]


def test_several_formats_come_in_one_bundle(kernel: Frontend) -> None:
    kernel.execute("%config InlineBackend.figure_formats = ['png', 'svg']")
    assert pictures(kernel.execute(PLOT).displays) == [{"image/png", "image/svg+xml"}]


def test_retina_tells_the_size_in_the_metadata(kernel: Frontend) -> None:
    kernel.execute("from matplotlib_inline.backend_inline import set_matplotlib_formats as formats\nformats('retina')")
    (content,) = kernel.execute("plt.figure(figsize=(2, 1))\nplt.plot([1]);").displays
    assert set(content["metadata"]["image/png"]) == {"width", "height"}


def test_figures_can_be_kept_open(kernel: Frontend) -> None:
    kernel.execute("%config InlineBackend.close_figures = False")
    kernel.execute(PLOT)
    assert kernel.execute("plt.get_fignums()").result == {"text/plain": "[1]"}
    kernel.execute("plt.close('all')\n%config InlineBackend.close_figures = True")


def test_pandas_plots_are_shown(kernel: Frontend) -> None:
    need_module("pandas")
    result = kernel.execute("import pandas\npandas.Series([1, 2]).plot();")
    assert pictures(result.displays) == [{"image/png"}]


def test_another_backend_of_the_environment_is_left_alone(start_kernel: Callable[..., Frontend]) -> None:
    kernel = start_kernel(env={"MPLBACKEND": "agg"})
    assert kernel.execute(PLOT).displays == []
    assert kernel.execute("plt.get_backend().lower()").result == {"text/plain": "'agg'"}


def test_option_matplotlib_inline_is_obeyed(start_kernel: Callable[..., Frontend]) -> None:
    kernel = start_kernel(extra_arguments=["--matplotlib=inline"])
    assert pictures(kernel.execute(PLOT).displays) == [{"image/png"}]


def test_pylab_magic_fills_the_namespace(fresh_kernel: Frontend) -> None:
    fresh_kernel.execute("%pylab inline --no-import-all")
    assert fresh_kernel.execute("np.__name__, plt.__name__").result == {"text/plain": "('numpy', 'matplotlib.pyplot')"}


def test_matplotlib_is_not_imported_before_the_user_does(fresh_kernel: Frontend) -> None:
    code = "import sys\n[name for name in sys.modules if name.partition('.')[0] == 'matplotlib']"
    assert fresh_kernel.execute(code).result == {"text/plain": "[]"}
