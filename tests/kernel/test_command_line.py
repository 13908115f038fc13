"""ipykernel's aliases and flags: each reaches the shell, and those that mean nothing here end nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cells import value
from frontend import Frontend

Start = Callable[..., Frontend]


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("log") / "session.py")


@pytest.mark.better_than_ipykernel("what start-up prints is not heard")
def test_aliases_and_flags_reach_the_shell(start_kernel: Start, given: str) -> None:
    kernel = start_kernel(
        extra_arguments=[
            "--cache-size=7",
            "--autocall=1",
            "--colors=nocolor",
            f"--logfile={given}",
            "--no-automagic",
            "--no-pprint",
            "--ext=autoreload",
            "--ignore-cwd",
            "--nosep",
            "--log-level=40",
        ]
    )
    kernel.take("iopub", lambda message: given in message["content"].get("text", ""))
    assert value(kernel, "import sys; ip = get_ipython(); ip.cache_size, ip.autocall, ip.automagic") == "(7, 1, False)"
    assert value(kernel, "ip.display_formatter.formatters['text/plain'].pprint") == "False"
    assert value(kernel, "ip.find_line_magic('autoreload') is not None") == "True"
    assert value(kernel, "'' in sys.path") == "False"
    assert value(kernel, "ip.logger.logfname, ip.kernel.parent.log_level") == f"({given!r}, 40)"


def test_streams_are_the_cells_whatever_becomes_of_the_process_s(start_kernel: Start) -> None:
    """Services give --no-stdout to a kernel whose own output nobody reads."""
    kernel = start_kernel(extra_arguments=["--no-stdout", "--no-stderr"])
    result = kernel.execute("import os, sys\nprint('out')\nprint('err', file=sys.stderr)")
    assert (result.stdout, result.stderr) == ("out\n", "err\n")


def test_traits_of_the_streams_leave_them_to_the_cells(start_kernel: Start) -> None:
    kernel = start_kernel(extra_arguments=["--IPKernelApp.no_stdout=True", "--IPKernelApp.no_stderr=True"])
    result = kernel.execute("import sys\nprint('out')\nprint('err', file=sys.stderr)")
    assert (result.stdout, result.stderr) == ("out\n", "err\n")


def test_options_of_the_session_end_nothing(start_kernel: Start) -> None:
    """The connection file decides about keys and names; ipykernel's options for them are accepted."""
    options = ["--ident=11111111-2222", "--Session.username=x", "--quiet", "--no-secure", "--init"]
    assert value(start_kernel(extra_arguments=options), "1 + 1") == "2"


def test_cell_meta_reaches_the_shell(kernel: Frontend) -> None:
    """IPython 9 hands the request's metadata to extensions (pre_run_cell) beside the cell's id."""
    kernel.execute(
        "import inspect\nip = get_ipython()\ninfos = []\nip.events.register('pre_run_cell', infos.append)\n"
        "from IPython.core.interactiveshell import ExecutionInfo\n"
        "known = 'cell_meta' in inspect.signature(ExecutionInfo.__init__).parameters"
    )
    if value(kernel, "known") != "True":
        pytest.skip("this IPython has no cell_meta")
    msg_id = kernel.send_execute("pass", metadata={"cellId": "c1", "tags": ["a"]})
    kernel.result(msg_id)
    assert value(kernel, "[(i.cell_id, i.cell_meta) for i in infos][1]") == "('c1', {'cellId': 'c1', 'tags': ['a']})"


@pytest.mark.better_than_ipykernel("7.4 passes cell_meta all the same, and never answers")
def test_run_cell_that_knows_no_cell_meta_is_called_without_it(kernel: Frontend) -> None:
    """VS Code's hook names the arguments that it takes."""
    kernel.execute(
        "ip = get_ipython()\nown = ip.run_cell\n"
        "def run_cell(raw_cell, store_history=False, silent=False, shell_futures=True, cell_id=None):\n"
        "    return own(raw_cell, store_history, silent, shell_futures, cell_id)\nip.run_cell = run_cell"
    )
    result = kernel.result(kernel.send_execute("print('ran')", metadata={"cellId": "c2", "tags": ["a"]}))
    assert (result.status, result.stdout) == ("ok", "ran\n")
    kernel.execute("del ip.run_cell")
