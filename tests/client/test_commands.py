"""The commands that run code on a kernel: jupyter run, jupyter execute, jupyter nbconvert --execute."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

from needs import need_module

need_module("nbconvert")

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def test_jupyter_run_runs_a_script(jupyter: Run, kernel_name: str, tmp_path: Path) -> None:
    source = "import sys\nprint('from', 'the script')\nprint('aside', file=sys.stderr)\n6 * 7"
    (tmp_path / "script.py").write_text(source)
    done = jupyter("jupyter", "run", f"--kernel={kernel_name}", "script.py")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "from the script\n42"
    if kernel_name.startswith("kernelet"):  # which has nothing to add of its own
        assert done.stderr == "aside\n"


def test_jupyter_run_reads_standard_input(jupyter: Run, kernel_name: str) -> None:
    done = jupyter("jupyter", "run", f"--kernel={kernel_name}", stdin="print('piped')")
    assert (done.returncode, done.stdout) == (0, "piped\n")


def test_jupyter_run_shows_the_traceback(jupyter: Run, kernel_name: str, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text("print('before')\nundefined_name")
    done = jupyter("jupyter", "run", f"--kernel={kernel_name}", "script.py")
    assert done.returncode != 0
    assert "NameError" in done.stdout + done.stderr


def test_jupyter_execute_writes_in_place(jupyter: Run, kernel_name: str, tmp_path: Path) -> None:
    notebook = new_notebook(cells=[new_code_cell("print('executed')")])
    nbformat.write(notebook, tmp_path / "nb.ipynb")
    done = jupyter("jupyter", "execute", "nb.ipynb", f"--kernel_name={kernel_name}", "--inplace")
    assert done.returncode == 0, done.stderr
    executed = json.loads((tmp_path / "nb.ipynb").read_text())
    assert executed["cells"][0]["outputs"][0]["text"] == ["executed\n"]
    assert executed["metadata"]["language_info"]["name"] == "python"


def test_nbconvert_executes_to_html(jupyter: Run, kernel_name: str, tmp_path: Path) -> None:
    notebook = new_notebook(cells=[new_code_cell("from IPython.display import HTML\nHTML('<b>bold answer</b>')")])
    nbformat.write(notebook, tmp_path / "nb.ipynb")
    kernel = f"--ExecutePreprocessor.kernel_name={kernel_name}"
    done = jupyter("jupyter", "nbconvert", "--execute", "--to", "html", kernel, "nb.ipynb")
    assert done.returncode == 0, done.stderr
    assert "<b>bold answer</b>" in (tmp_path / "nb.html").read_text()


def test_nbconvert_tells_of_a_failing_cell(jupyter: Run, kernel_name: str, tmp_path: Path) -> None:
    nbformat.write(new_notebook(cells=[new_code_cell("1 / 0")]), tmp_path / "nb.ipynb")
    kernel = f"--ExecutePreprocessor.kernel_name={kernel_name}"
    done = jupyter("jupyter", "nbconvert", "--execute", "--to", "notebook", kernel, "nb.ipynb")
    assert done.returncode != 0
    assert "ZeroDivisionError" in done.stderr
