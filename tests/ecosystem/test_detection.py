"""Packages that ask where they run: each has its own way of telling a notebook's kernel from a terminal."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from frontend import Frontend
from needs import need_module


@pytest.fixture(scope="module")
def one_kernel() -> Iterator[Frontend]:
    """These tests only ask: they may share a kernel. Its connection file is where Jupyter puts it."""
    with Frontend() as kernel:
        yield kernel


@pytest.mark.parametrize(
    ("package", "question", "answer"),
    [
        # by the class of the shell, or its bases
        ("huggingface_hub", "from huggingface_hub.utils import is_notebook; is_notebook()", "True"),
        ("halo", "from halo._utils import get_environment; get_environment()", "'jupyter'"),
        ("enlighten", "import enlighten; type(enlighten.get_manager()).__name__", "'NotebookManager'"),
        # by the name of its module
        ("scooby", "import scooby; scooby.in_ipykernel()", "True"),
        # by the trait `kernel`
        ("pydeck", "from pydeck.io.html import in_jupyter; in_jupyter()", "True"),
        # by the connection file in the configuration of an application that is not there
        ("snakeviz", "from snakeviz.ipymagic import _check_ipynb; _check_ipynb()", "True"),
        # by the connection file's name, which holds the kernel's id
        ("mlflow", "from mlflow.tracking.context import jupyter_notebook_context as c; c._get_kernel_id()", "'test'"),
        ("mlflow", "c._is_in_jupyter_notebook()", "True"),
        # by the modules that are loaded
        ("tqdm", "import tqdm.autonotebook as a; a.tqdm.__module__", "'tqdm.notebook'"),
    ],
)
def test_package_knows_that_it_runs_in_a_notebook(
    one_kernel: Frontend, package: str, question: str, answer: str
) -> None:
    need_module(package)
    result = one_kernel.execute(question, deadline_s=90)
    assert result.status == "ok", result.content
    assert result.result == {"text/plain": answer}
