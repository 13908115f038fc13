"""nbclient executes notebooks: the way nbconvert, papermill, voila, Quarto and Jupyter Book run them."""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from needs import need_module

need_module("nbclient")

import nbformat  # noqa: E402
from jupyter_client.kernelspec import KernelSpecManager  # noqa: E402
from nbclient import NotebookClient  # noqa: E402
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError  # noqa: E402
from nbformat.v4 import new_code_cell, new_notebook  # noqa: E402

TOUR = Path(__file__).parents[2] / "examples" / "tour.ipynb"


def execute(kernel_name: str, *cells: Any, **traits: Any) -> list[Any]:
    """Execute a notebook of `cells` (sources, or cells); its cells afterwards."""
    notebook = new_notebook(cells=[cell if isinstance(cell, dict) else new_code_cell(cell) for cell in cells])
    client = NotebookClient(notebook, kernel_name=kernel_name, timeout=60, **traits)
    client.execute()
    return list(notebook.cells)


def text(cell: Any) -> str:
    """What `cell` printed, and its result."""
    parts = [output.get("text") or output.get("data", {}).get("text/plain", "") for output in cell.outputs]
    return "".join(parts)


@pytest.mark.timeout(300)
def test_tour_runs_to_its_end(kernel_name: str, tmp_path: Path) -> None:
    if kernel_name != "kernelet":
        pytest.skip("the tour shows what ipykernel cannot do")
    notebook = nbformat.read(TOUR, as_version=4)
    NotebookClient(notebook, kernel_name=kernel_name, timeout=60, resources={"metadata": {"path": tmp_path}}).execute()
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    tagged = [cell for cell in code if "raises-exception" in cell.metadata.get("tags", [])]
    failed = [cell for cell in code if any(output.output_type == "error" for output in cell.outputs)]
    assert failed == tagged
    pictures = [o.data["image/png"] for c in code for o in c.outputs if "image/png" in o.get("data", {})]
    assert pictures
    assert all(base64.b64decode(picture).startswith(b"\x89PNG") for picture in pictures)
    assert any("text/html" in output.get("data", {}) for cell in code for output in cell.outputs)
    nbformat.validate(notebook)


def test_variables_live_from_cell_to_cell(kernel_name: str) -> None:
    cells = execute(kernel_name, "x = 20", "print('printed')\nx + 1")
    assert text(cells[1]) == "printed\n21"
    assert [cell.execution_count for cell in cells] == [1, 2]
    assert [output.output_type for output in cells[1].outputs] == ["stream", "execute_result"]


def test_everything_printed_is_in_the_notebook(kernel_name: str) -> None:
    """nbclient stops listening to a cell at its idle: what came later would be lost."""
    (cell,) = execute(kernel_name, "for n in range(5000):\n    print(n)")
    assert text(cell) == "".join(f"{n}\n" for n in range(5000))


def test_failing_cell_raises_cell_execution_error(kernel_name: str) -> None:
    first, failing, last = new_code_cell("1 + 1"), new_code_cell("{}['key']"), new_code_cell("2 + 2")
    with pytest.raises(CellExecutionError, match="KeyError") as caught:
        execute(kernel_name, first, failing, last)
    assert (caught.value.ename, caught.value.evalue) == ("KeyError", "'key'")
    assert failing.outputs[-1].output_type == "error"
    assert last.execution_count is None


def test_tag_raises_exception_lets_the_notebook_go_on(kernel_name: str) -> None:
    failing = new_code_cell("1 / 0", metadata={"tags": ["raises-exception"]})
    cells = execute(kernel_name, failing, "'went on'")
    assert cells[0].outputs[0].ename == "ZeroDivisionError"
    assert text(cells[1]) == "'went on'"


def test_allow_errors_runs_every_cell(kernel_name: str) -> None:
    cells = execute(kernel_name, "1 / 0", "undefined", "'the end'", allow_errors=True)
    assert [cell.execution_count for cell in cells] == [1, 2, 3]
    assert text(cells[2]) == "'the end'"


def test_history_file_option_is_obeyed(kernel_name: str) -> None:
    """nbclient and papermill pass it to every kernel named python3."""
    code = "print(get_ipython().history_manager.hist_file)"
    (cell,) = execute(kernel_name, code, extra_arguments=["--HistoryManager.hist_file=:memory:"])
    assert text(cell) == ":memory:\n"


def test_kernel_works_under_the_name_python3(kernel_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What nbclient does when a notebook says python3 and that kernelspec is ours."""
    spec = KernelSpecManager().get_kernel_spec(kernel_name)
    folder = tmp_path / "kernels" / "python3"
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text(json.dumps({**spec.to_dict(), "display_name": "ours"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    assert KernelSpecManager().get_kernel_spec("python3").display_name == "ours"
    (cell,) = execute("python3", "print(get_ipython().history_manager.hist_file)")
    assert text(cell) == ":memory:\n"


def test_display_updates_and_clear_output_reach_the_notebook(kernel_name: str) -> None:
    cells = execute(
        kernel_name,
        "from IPython.display import display, clear_output\nhandle = display('first', display_id=True)",
        "handle.update('second')",
        "print('gone')\nclear_output()\nprint('stays')",
    )
    assert cells[0].outputs[0].data["text/plain"] == "'second'"
    assert text(cells[2]) == "stays\n"


def test_plot_is_in_the_notebook(kernel_name: str) -> None:
    need_module("matplotlib")
    (cell,) = execute(kernel_name, "import matplotlib.pyplot as plt\nplt.plot([1, 2]);")
    (output,) = cell.outputs
    assert output.output_type == "display_data"
    assert base64.b64decode(output.data["image/png"]).startswith(b"\x89PNG")


def test_input_is_refused(kernel_name: str) -> None:
    """nbclient has nobody to ask: it says allow_stdin False."""
    with pytest.raises(CellExecutionError, match="StdinNotImplementedError"):
        execute(kernel_name, "input('? ')")


def test_cell_over_its_time_is_interrupted(kernel_name: str) -> None:
    endless, after = new_code_cell("while True:\n    pass"), new_code_cell("'alive'")
    cells = execute(kernel_name, endless, after, interrupt_on_timeout=True, allow_errors=True, timeout_func=seconds)
    assert cells[0].outputs[-1].ename == "KeyboardInterrupt"
    assert text(cells[1]) == "'alive'"


def seconds(cell: Any) -> int:
    """How long a cell may take: one that never ends, a second."""
    return 1 if "while True" in cell.source else 60


def test_cell_over_its_time_raises(kernel_name: str) -> None:
    with pytest.raises(CellTimeoutError):
        execute(kernel_name, "while True:\n    pass", timeout_func=seconds)


def test_death_of_the_kernel_is_noticed(kernel_name: str) -> None:
    with pytest.raises(DeadKernelError):
        execute(kernel_name, "import os\nos._exit(1)")


def test_notebook_runs_in_its_own_folder(kernel_name: str, tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("word = 'imported from the notebook folder'")
    resources = {"metadata": {"path": str(tmp_path)}}
    (cell,) = execute(kernel_name, "import beside, os\nprint(beside.word)\nprint(os.getcwd())", resources=resources)
    assert text(cell) == f"imported from the notebook folder\n{tmp_path.resolve()}\n"


def test_kernel_is_this_python(kernel_name: str) -> None:
    (cell,) = execute(kernel_name, "import sys\nprint(sys.executable)\nprint(sys.version_info[:2])")
    assert text(cell).splitlines()[1] == str(sys.version_info[:2])
