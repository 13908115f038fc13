"""What libraries look at to see that they run in a notebook: names, modules, attributes, environment."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from frontend import Frontend

Start = Callable[..., Frontend]


def value(kernel: Frontend, code: str) -> str:
    """The text of a cell's result; the cell must succeed."""
    result = kernel.execute(code)
    assert result.status == "ok", result.content
    assert result.result is not None
    return str(result.result["text/plain"])


def test_the_shell_has_the_name_that_everybody_looks_for(kernel: Frontend) -> None:
    assert value(kernel, "get_ipython().__class__.__name__") == "'ZMQInteractiveShell'"
    assert value(kernel, "str(type(get_ipython()))") == "\"<class 'ipykernel.zmqshell.ZMQInteractiveShell'>\""
    assert value(kernel, "type(get_ipython()).__module__.startswith('ipykernel.')") == "True"


def test_the_shell_is_the_one_of_interactiveshell(kernel: Frontend) -> None:
    code = "from IPython.core.interactiveshell import InteractiveShell\n"
    assert value(kernel, code + "InteractiveShell.instance() is get_ipython(), InteractiveShell.initialized()") == (
        "(True, True)"
    )


def test_config_holds_the_connection_file(kernel: Frontend) -> None:
    path = value(kernel, "get_ipython().config['IPKernelApp']['connection_file']").strip("'")
    assert Path(path) == Path(kernel.manager.connection_file)
    assert value(kernel, "'IPKernelApp' in get_ipython().config") == "True"


def test_kernel_is_a_trait_of_the_shell(kernel: Frontend) -> None:
    assert value(kernel, "get_ipython().has_trait('kernel'), get_ipython().kernel is not None") == "(True, True)"
    assert value(kernel, "get_ipython().kernel.shell is get_ipython()") == "True"
    assert value(kernel, "get_ipython().kernel.shell.user_ns is globals()") == "True"


def test_comm_manager_of_the_comm_package_is_the_kernels(kernel: Frontend) -> None:
    assert value(kernel, "import comm\ncomm.get_comm_manager() is get_ipython().kernel.comm_manager") == "True"


def test_main_is_the_namespace(kernel: Frontend) -> None:
    assert value(kernel, "import __main__\n__main__.__dict__ is get_ipython().user_ns") == "True"
    assert value(kernel, "import sys\nsys.modules['__main__'].__name__") == "'__main__'"


def test_cells_run_in_the_main_thread_of_the_process(kernel: Frontend) -> None:
    code = "import os, threading\nthreading.current_thread() is threading.main_thread()"
    assert value(kernel, code) == "True"
    kernel.execute("import asyncio")
    assert value(kernel, "await asyncio.sleep(0)\nthreading.current_thread() is threading.main_thread()") == "True"
    assert value(kernel, "os.getpid()") == str(kernel.pid)


def test_signal_handlers_can_be_set_in_a_cell(kernel: Frontend) -> None:
    code = "import signal\nold = signal.signal(signal.SIGUSR2, lambda *args: print('signalled'))\nold"
    assert kernel.execute(code).status == "ok"
    assert kernel.execute("signal.raise_signal(signal.SIGUSR2)").stdout == "signalled\n"
    kernel.execute("signal.signal(signal.SIGUSR2, old);")


@pytest.mark.parametrize("comment", ["", "# plain", "# ünïcode €", "# \U0001f600"])
def test_cell_file_is_named_by_the_hash_of_its_text(kernel: Frontend, comment: str) -> None:
    code = f"__import__('inspect').currentframe().f_code.co_filename  {comment}".rstrip()
    folder, file = os.path.split(value(kernel, code).strip("'"))
    assert folder == os.path.join(tempfile.gettempdir(), f"ipykernel_{kernel.pid}")
    assert file == f"{murmur2(code.encode())}.py"


def murmur2(data: bytes, seed: int = 0xC70F6907) -> int:
    """MurmurHash2 of `data`, as JupyterLab's debugger has it (`murmur2` in packages/debugger/src/hash.ts)."""
    value = seed ^ len(data)
    whole = len(data) // 4 * 4
    for start in range(0, whole, 4):
        word = int.from_bytes(data[start : start + 4], "little") * 0x5BD1E995 & 0xFFFFFFFF
        word = (word ^ word >> 24) * 0x5BD1E995 & 0xFFFFFFFF
        value = (value * 0x5BD1E995 & 0xFFFFFFFF) ^ word
    if rest := data[whole:]:
        value = (value ^ int.from_bytes(rest, "little")) * 0x5BD1E995 & 0xFFFFFFFF
    value = (value ^ value >> 13) * 0x5BD1E995 & 0xFFFFFFFF
    return value ^ value >> 15


def test_the_hash_of_a_known_cell() -> None:
    """The number was computed by ipykernel 7.4, so that our own copy of the algorithm is right."""
    assert murmur2(b"print('hello')") == 3900465672


def test_cell_name_can_be_given_by_the_environment(start_kernel: Start) -> None:
    kernel = start_kernel(env={"IPYKERNEL_CELL_NAME": "<my cell>"})
    assert value(kernel, "__import__('inspect').currentframe().f_code.co_filename") == "'<my cell>'"


def test_environment_for_children_is_ipykernels(kernel: Frontend) -> None:
    code = "import os\n[os.environ.get(n) for n in ('TERM', 'CLICOLOR', 'FORCE_COLOR', 'PAGER', 'GIT_PAGER')]"
    assert value(kernel, code) == "['xterm-color', '1', '1', 'cat', 'cat']"


def test_matplotlib_backend_is_inline_unless_given(kernel: Frontend, start_kernel: Start) -> None:
    code = "import os\nos.environ['MPLBACKEND']"
    assert value(kernel, code) == "'module://matplotlib_inline.backend_inline'"
    assert value(start_kernel(env={"MPLBACKEND": "agg"}), code) == "'agg'"


def test_session_name_of_the_server_is_in_the_namespace(start_kernel: Start) -> None:
    kernel = start_kernel(env={"JPY_SESSION_NAME": "/home/me/notebook.ipynb"})
    assert value(kernel, "__session__") == "'/home/me/notebook.ipynb'"
    assert value(kernel, "%who_ls") == "[]"
    assert value(kernel, "import os\nos.environ['JPY_SESSION_NAME']") == "'/home/me/notebook.ipynb'"


def test_parent_pid_stays_in_the_environment(kernel: Frontend) -> None:
    assert value(kernel, "import os\n'JPY_PARENT_PID' in os.environ") == "True"


def test_namespace_is_empty_at_the_start(fresh_kernel: Frontend) -> None:
    assert value(fresh_kernel, "%who_ls") == "[]"


def test_the_working_directory_is_on_the_path(kernel: Frontend) -> None:
    (kernel.sandbox.path / "beside_the_notebook.py").write_text("found = True")
    assert value(kernel, "import beside_the_notebook\nbeside_the_notebook.found") == "True"
    assert value(kernel, "import sys\n'' in sys.path") == "True"


def test_parent_of_the_cell_can_be_asked_for(kernel: Frontend) -> None:
    """As ipywidgets, dash, pyspark and wandb do."""
    code = """
        shell = get_ipython()
        kernel = shell.kernel
        ids = {
            shell.parent_header["header"]["msg_id"],
            shell.get_parent()["header"]["msg_id"],
            kernel.get_parent()["header"]["msg_id"],
            shell.display_pub.parent_header["msg_id"],
        }
        len(ids), shell.parent_header["metadata"].get("cellId")
        """
    result = kernel.execute(code, metadata={"cellId": "the-cell"})
    assert result.result == {"text/plain": "(1, 'the-cell')"}
