"""How a kernel starts: the command line, what launchers add to it, and what the kernel says when it is there."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from typing import Any

import pytest

from frontend import KERNEL_NAME, Frontend, RawKernel, Sandbox, connection
from rawkernel import run
from sandbox import PORTS, free_ports

OURS_ONLY = pytest.mark.skipif(not KERNEL_NAME.startswith("kernelet"), reason="only kernelet promises it")


# -- the command line


def test_version_is_told_on_stdout() -> None:
    done = run("--version")
    assert done.returncode == 0
    assert re.search(r"\d+\.\d+", done.stdout)
    assert done.stderr == ""


def test_help_is_told_on_stdout() -> None:
    done = run("--help")
    assert done.returncode == 0
    assert "-f" in done.stdout
    assert done.stderr == ""


@OURS_ONLY
@pytest.mark.parametrize("module", ["kernelet", "kernel"])
def test_both_module_names_start_a_kernel(module: str) -> None:
    with RawKernel(module=module) as kernel:
        kernel.assert_works()


@pytest.mark.parametrize("form", [["-f", "{}"], ["--f={}"], ["-f={}"], ["--IPKernelApp.connection_file={}"]])
def test_every_way_to_name_the_file(form: list[str]) -> None:
    sandbox = Sandbox()
    try:
        content = connection()
        path = sandbox.path / "with space.json"
        path.write_text(json.dumps(content))
        with RawKernel([part.format(path) for part in form], content=content, sandbox=sandbox) as kernel:
            kernel.assert_works()
    finally:
        sandbox.close()


@pytest.mark.better_than_ipykernel("takes the quotes for a part of the name")
def test_a_quoted_file_name_is_understood() -> None:
    sandbox = Sandbox()
    try:
        content = connection()
        path = sandbox.path / "with space.json"
        path.write_text(json.dumps(content))
        with RawKernel([f'--f="{path}"'], content=content, sandbox=sandbox) as kernel:
            kernel.assert_works()
    finally:
        sandbox.close()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--HistoryManager.hist_file=:memory:"],
        ["--InteractiveShell.cache_size=10"],
        pytest.param(["--debug"], marks=pytest.mark.better_than_ipykernel("its log lands in the user's stderr")),
        ["--matplotlib=inline"],
        ["--NoSuchClass.no_such_trait=1"],
        pytest.param(["--no-such-option"], marks=pytest.mark.better_than_ipykernel("exits")),
        pytest.param(["--no-such-option=1"], marks=pytest.mark.better_than_ipykernel("exits")),
    ],
    ids=str,
)
def test_options_that_launchers_add_never_end_the_kernel(
    start_kernel: Callable[..., Frontend], arguments: list[str]
) -> None:
    kernel = start_kernel(extra_arguments=arguments)
    assert kernel.execute("1 + 1").result == {"text/plain": "2"}


def test_options_reach_the_shell(start_kernel: Callable[..., Frontend]) -> None:
    kernel = start_kernel(extra_arguments=["--HistoryManager.hist_file=:memory:", "--InteractiveShell.cache_size=10"])
    result = kernel.execute("get_ipython().history_manager.hist_file, get_ipython().cache_size")
    assert result.result == {"text/plain": "(':memory:', 10)"}


@pytest.mark.better_than_ipykernel("warns at every start that tcp is not encrypted")
def test_a_quiet_start_and_end_say_nothing_on_stdout_and_stderr() -> None:
    with RawKernel() as kernel:
        kernel.assert_works()
        assert kernel.stderr == ""
        assert kernel.stdout == ""


# -- jupyter_client


@OURS_ONLY
def test_the_kernelspec_tells_what_we_can(kernel: Frontend) -> None:
    spec = kernel.manager.kernel_spec
    assert spec is not None
    assert spec.display_name == "Python 3 (kernelet)"
    assert spec.language == "python"
    info = kernel.request("kernel_info_request").content
    assert spec.metadata.get("debugger", False) is ("debugger" in info["supported_features"])
    assert spec.metadata["supported_encryption"] in (["curve"], "curve")
    assert "{connection_file}" in spec.argv
    assert os.path.exists(os.path.join(spec.resource_dir, "logo-svg.svg"))


@pytest.mark.better_than_ipykernel("says it before anybody listens")
def test_a_kernel_greets_with_welcome_and_starting(kernel: Frontend) -> None:
    types = [m["msg_type"] for m in kernel.greetings]
    assert types[:2] == ["iopub_welcome", "status"]
    assert kernel.greetings[1]["content"] == {"execution_state": "starting"}
    # A kernel that was heard before it had a listener tells its state as well.
    assert [m["content"] for m in kernel.greetings[2:]] in ([], [{"execution_state": "idle"}])


def test_the_parents_variables_stay_in_the_environment(start_kernel: Callable[..., Frontend]) -> None:
    kernel = start_kernel(env={"JPY_SESSION_NAME": "work/a notebook.ipynb"})
    result = kernel.execute("import os; __session__, os.environ['JPY_SESSION_NAME'], 'JPY_PARENT_PID' in os.environ")
    assert result.result == {"text/plain": "('work/a notebook.ipynb', 'work/a notebook.ipynb', True)"}


def test_a_kernel_runs_where_it_was_started(start_kernel: Callable[..., Frontend], tmp_path: Any) -> None:
    (tmp_path / "local_module.py").write_text("here = 1")
    kernel = start_kernel(cwd=tmp_path)
    result = kernel.execute(
        "import os, local_module; os.path.samefile(os.getcwd(), os.path.dirname(local_module.__file__))"
    )
    assert result.result == {"text/plain": "True"}


def test_many_kernels_start_at_once(start_kernel: Callable[..., Frontend]) -> None:
    contents = [connection(**dict.fromkeys(PORTS, 0)) for _ in range(4)]
    kernels = [RawKernel(content=content) for content in contents]
    try:
        for kernel in kernels:
            kernel.assert_works(kernel.completed_file())
    finally:
        for kernel in kernels:
            kernel.close()


@pytest.mark.better_than_ipykernel("what start-up prints is not heard")
def test_what_start_up_prints_is_heard_by_the_first_who_listens() -> None:
    """However late its iopub connects: sockets connect one by one, and libzmq tries again only every 0.1 s."""
    sandbox = Sandbox()
    content = connection()
    path = sandbox.path / "kernel.json"
    path.write_text(json.dumps(content))
    lines = [f"--logfile={sandbox.path / 'session.py'}", "--IPKernelApp.exec_lines=print('from exec_lines')"]
    try:
        with RawKernel(["-f", str(path), *lines], content=content, sandbox=sandbox) as kernel:
            deaf = kernel.client({**content, "iopub_port": free_ports(1)[0]})
            assert deaf.reply(deaf.execute("print('a cell')"))["content"]["status"] == "ok"
            client = kernel.client()
            heard = [client.recv("iopub")]
            while heard[-1]["content"].get("execution_state") != "starting":
                heard.append(client.recv("iopub"))
            text = "".join(m["content"]["text"] for m in heard if m["msg_type"] == "stream")
            assert heard[0]["msg_type"] == "iopub_welcome"
            assert "session.py" in text
            assert text.endswith("from exec_lines\n")  # and nothing of the cell, to which somebody else was deaf
            assert all(m["parent_header"] == {} for m in heard)
            again = kernel.client()
            assert again.recv("iopub")["msg_type"] == "iopub_welcome"
            request = again.execute("")
            again.reply(request)
            assert [m["msg_type"] for m in again.until_idle(request)] == ["status", "execute_input", "status"]
    finally:
        sandbox.close()
