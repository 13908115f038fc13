"""papermill executes a notebook with parameters of the caller's choice."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

from needs import need_module

need_module("papermill")

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def write(folder: Path, *sources: str) -> None:
    """Write in.ipynb: a cell of parameters, then `sources`."""
    parameters = new_code_cell("alpha = 0.1\nname = 'default'", metadata={"tags": ["parameters"]})
    notebook = new_notebook(cells=[parameters, *map(new_code_cell, sources)])
    notebook.metadata["language_info"] = {"name": "python"}
    nbformat.write(notebook, folder / "in.ipynb")


def test_parameters_are_injected(jupyter: Run, kernel_name: str, tmp_path: Path) -> None:
    write(tmp_path, "print(name, alpha * 2)")
    done = jupyter("papermill", "in.ipynb", "out.ipynb", "-k", kernel_name, "-p", "alpha", "21", "-p", "name", "new")
    assert done.returncode == 0, done.stderr
    notebook = nbformat.read(tmp_path / "out.ipynb", as_version=4)
    assert "injected-parameters" in notebook.cells[1].metadata.tags
    assert notebook.cells[-1].outputs[0].text == "new 42\n"
    assert notebook.metadata.papermill.exception is None
    assert notebook.cells[-1].metadata.papermill.status == "completed"


def test_failing_notebook_is_written_and_reported(jupyter: Run, kernel_name: str, tmp_path: Path) -> None:
    write(tmp_path, "1 / 0", "print('never')")
    done = jupyter("papermill", "in.ipynb", "out.ipynb", "-k", kernel_name)
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr
    notebook = nbformat.read(tmp_path / "out.ipynb", as_version=4)
    assert notebook.metadata.papermill.exception is True
    assert any(output.output_type == "error" for cell in notebook.cells for output in cell.get("outputs", []))


def test_output_is_shown_while_the_notebook_runs(jupyter: Run, kernel_name: str, tmp_path: Path) -> None:
    write(tmp_path, "import sys\nprint('to stdout')\nprint('to stderr', file=sys.stderr)")
    done = jupyter("papermill", "in.ipynb", "out.ipynb", "-k", kernel_name, "--log-output", "--stdout-file", "said.txt")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "said.txt").read_text() == "to stdout\n"
