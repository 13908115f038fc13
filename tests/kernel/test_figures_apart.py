"""Cells that run at once and plot: each shows its own figures, none of another cell that still runs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from frontend import Frontend, Json
from needs import need_module

need_module("matplotlib")

# A cell that has figures open, says so, and goes on when another one has opened the gate.
WAIT = "print('on', flush=True)\nassert gate.wait(60)\n"
PREPARE = """
import asyncio, threading
import matplotlib.pyplot as plt
%config InlineBackend.close_figures = True
plt.close('all')
gate = threading.Event()
def figure(width):
    plt.figure(figsize=(width, 1))
    plt.plot([width])
"""


def shown(result: object) -> list[str]:
    """The widths of the figures that a cell showed."""
    texts = [content["data"]["text/plain"] for content in result.displays]  # type: ignore[attr-defined]
    return [text.partition("size ")[2].partition("x")[0] for text in texts]


def begin(kernel: Frontend, code: str, **how: object) -> str:
    msg_id = kernel.send_execute(code, **how)
    kernel.see_text("on", msg_id)
    return msg_id


@pytest.fixture
def plotting(kernel: Frontend) -> Frontend:
    assert kernel.execute(PREPARE).status == "ok"
    return kernel


@pytest.fixture
def subshell(plotting: Frontend) -> Iterator[Json]:
    """The header field that sends a cell to a subshell."""
    subshell_id = plotting.request("create_subshell_request", channel="control").content["subshell_id"]
    yield {"subshell_id": subshell_id}
    plotting.request("delete_subshell_request", {"subshell_id": subshell_id}, "control")


@pytest.mark.better_than_ipykernel("the end of any cell shows and closes all figures")
def test_the_end_of_a_subshells_cell_leaves_the_figures_of_mains_running_cell(
    plotting: Frontend, subshell: Json
) -> None:
    main = begin(plotting, f"figure(2)\n{WAIT}plt.plot([3])\nlen(plt.gcf().axes[0].lines)")
    assert shown(plotting.execute("1", **subshell)) == []
    assert shown(plotting.execute("figure(3)", **subshell)) == ["300"]
    assert shown(plotting.execute("figure(4)\nplt.show()\nplt.close('all')\ngate.set()", **subshell)) == ["400"]
    result = plotting.result(main)
    assert result.result == {"text/plain": "2"}, "its second line went elsewhere"
    assert shown(result) == ["200"]
    assert plotting.execute("plt.get_fignums()").result == {"text/plain": "[]"}


@pytest.mark.better_than_ipykernel("the end of any cell shows and closes all figures")
def test_the_end_of_mains_cell_leaves_the_figures_of_a_subshells_running_cell(
    plotting: Frontend, subshell: Json
) -> None:
    beside = begin(plotting, f"figure(2)\n{WAIT}figure(3)", **subshell)
    assert shown(plotting.execute("figure(4)")) == ["400"]
    assert shown(plotting.execute("gate.set()")) == []
    assert shown(plotting.result(beside)) == ["200", "300"]


@pytest.mark.better_than_ipykernel("draws into the newest figure of all cells")
def test_pyplots_current_figure_is_the_cells_own(plotting: Frontend, subshell: Json) -> None:
    main = begin(plotting, f"figure(2)\n{WAIT}len(plt.gca().lines)")
    assert plotting.execute("plt.plot([1])\nplt.plot([2])\nlen(plt.gca().lines)", **subshell).result == {
        "text/plain": "2"
    }
    plotting.execute("gate.set()", **subshell)
    assert plotting.result(main).result == {"text/plain": "1"}


@pytest.mark.better_than_ipykernel("shows the figures of both")
def test_figures_that_are_kept_open_are_shown_by_their_own_cell_and_stay(plotting: Frontend, subshell: Json) -> None:
    plotting.execute("%config InlineBackend.close_figures = False")
    main = begin(plotting, f"figure(2)\n{WAIT}")
    assert shown(plotting.execute("figure(3)\nplt.show()", **subshell)) == ["300"]
    assert shown(plotting.execute("figure(4)\ngate.set()", **subshell)) == ["400"]
    assert shown(plotting.result(main)) == ["200"]
    assert plotting.execute("plt.get_fignums()").result == {"text/plain": "[1, 2, 3]"}
    assert plotting.execute("float(plt.gcf().get_figwidth())", **subshell).result == {"text/plain": "4.0"}, (
        "all have ended"
    )
    plotting.execute("plt.close('all')\n%config InlineBackend.close_figures = True")


@pytest.mark.better_than_ipykernel("runs cells one after the other")
@pytest.mark.parametrize("kind", ["task", "thread"])
def test_a_cell_that_runs_beside_main_has_its_own_figures(plotting: Frontend, kind: str) -> None:
    wait = "print('on', flush=True)\nwhile not gate.is_set():\n    await asyncio.sleep(0.005)\n"
    beside = begin(plotting, f"figure(2)\n{wait}figure(3)", metadata={"concurrency": kind})
    assert shown(plotting.execute("figure(4)")) == ["400"]
    assert shown(plotting.execute("plt.plot([1])\nawait asyncio.sleep(0.01)\nplt.show()")) == ["640"]
    assert shown(plotting.execute("gate.set()")) == []
    assert shown(plotting.result(beside)) == ["200", "300"]


@pytest.mark.better_than_ipykernel("the end of any cell shows and closes all figures")
def test_a_thread_draws_for_the_cell_that_started_it(plotting: Frontend, subshell: Json) -> None:
    main = begin(
        plotting, f"worker = threading.Thread(target=figure, args=(2,))\nworker.start()\nworker.join()\n{WAIT}"
    )
    assert shown(plotting.execute("gate.set()", **subshell)) == []
    assert shown(plotting.result(main)) == ["200"]


@pytest.mark.better_than_ipykernel("the end of any cell shows and closes all figures")
def test_cells_that_plot_at_the_same_moment_lose_and_mix_nothing(plotting: Frontend, subshell: Json) -> None:
    code = "gate.wait(60)\nfor n in range(4):\n    figure({width})"
    cells = [(plotting.send_execute(code.format(width=2)), "200")]
    cells.append((plotting.send_execute(code.format(width=3), **subshell), "300"))
    cells += [
        (plotting.send_execute(code.format(width=width), metadata={"concurrency": "thread"}), f"{width}00")
        for width in (4, 5)
    ]
    plotting.execute("gate.set()", channel="control")
    for msg_id, width in cells:
        result = plotting.result(msg_id)
        assert result.status == "ok", result.content
        assert shown(result) == [width] * 4


@pytest.mark.better_than_ipykernel("the end of any cell shows and closes all figures")
def test_a_cell_that_began_before_pyplot_was_there_keeps_its_figures(fresh_kernel: Frontend) -> None:
    fresh_kernel.execute("import threading\ngate, come = threading.Event(), threading.Event()")
    subshell_id = fresh_kernel.request("create_subshell_request", channel="control").content["subshell_id"]
    main = fresh_kernel.send_execute(
        "assert come.wait(60)\nplt.figure(figsize=(2, 1))\nprint('on', flush=True)\nassert gate.wait(60)"
    )
    code = "import matplotlib.pyplot as plt\nplt.figure(figsize=(3, 1))\ncome.set()"
    assert shown(fresh_kernel.execute(code, subshell_id=subshell_id)) == ["300"]
    fresh_kernel.see_text("on", main)
    assert shown(fresh_kernel.execute("gate.set()", subshell_id=subshell_id)) == []
    assert shown(fresh_kernel.result(main)) == ["200"]
