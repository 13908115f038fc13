"""How cells are run, the shell's API, GUI integration, processes and the environment (rows 11, 13, 18-21, 24, 25)."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from cells import value
from frontend import Frontend

Start = Callable[..., Frontend]


def test_run_cell_is_looked_up_on_the_instance(fresh_kernel: Frontend) -> None:
    """VS Code, sympy and ipyparallel replace it."""
    fresh_kernel.execute("""
shell = get_ipython()
own, calls = shell.run_cell, []
def run_cell(*args, **kwargs):
    calls.append((args, sorted(kwargs)))
    return own(*args, **kwargs)
shell.run_cell = run_cell
""")
    fresh_kernel.execute("1", metadata={"cellId": "c"})
    fresh_kernel.execute("shell.run_cell = own")
    assert value(fresh_kernel, "calls[0][0]") == "('1',)"
    assert value(fresh_kernel, "{'cell_id', 'silent', 'store_history'} <= set(calls[0][1])") == "True"


def test_sync_cell_runs_in_the_main_thread_beside_a_stdlib_loop(kernel: Frontend) -> None:
    code = """
    import asyncio, signal, threading
    signal.signal(signal.SIGUSR1, signal.SIG_DFL)
    threading.current_thread() is threading.main_thread(), isinstance(asyncio.get_running_loop(), asyncio.BaseEventLoop)
    """
    assert value(kernel, code) == "(True, True)"


def test_module_text_is_what_snippets_compare(kernel: Frontend) -> None:
    """scooby, plotly, modin, click and typer decide by these."""
    code = """
    import sys
    shell = get_ipython()
    [f"{type(o).__module__}.{type(o).__name__}" for o in
        (shell, shell.display_pub, shell.displayhook, sys.stdout, shell.kernel, shell.kernel.comm_manager)]
    """
    assert "".join(value(kernel, code).split()) == (
        "['ipykernel.zmqshell.ZMQInteractiveShell','ipykernel.zmqshell.ZMQDisplayPublisher',"
        "'ipykernel.displayhook.ZMQShellDisplayHook','ipykernel.iostream.OutStream',"
        "'ipykernel.ipkernel.IPythonKernel','ipykernel.comm.manager.CommManager']"
    )


def test_comm_has_the_module_and_the_kernel(kernel: Frontend) -> None:
    code = """
    import comm
    one = comm.create_comm(target_name="x", primary=False)
    type(one).__module__, one.kernel is get_ipython().kernel
    """
    assert value(kernel, code) == "('ipykernel.comm.comm', True)"


def test_kernel_has_the_attributes_of_ipykernels(kernel: Frontend) -> None:
    code = """
    import logging
    kernel = get_ipython().kernel
    (isinstance(kernel.log, logging.Logger), kernel.ident != "", kernel.int_id, kernel.language_info["name"],
     kernel.implementation, kernel.eventloop, kernel._poll_interval, kernel.execution_count > 0,
     kernel.user_ns is globals(), kernel.banner[:6],
     kernel.has_trait("shell"), type(kernel).initialized(), type(kernel).instance() is kernel)
    """
    assert " ".join(value(kernel, code).split()) == (
        "(True, True, -1, 'python', 'kernelet', None, 0.01, True, True, 'Python', True, True, True)"
    )


def test_kernels_class_can_be_subclassed_and_swapped(fresh_kernel: Frontend) -> None:
    """ipyflow swaps `kernel.__class__`."""
    code = """
    kernel = get_ipython().kernel
    class Mine(type(kernel)):
        def get_parent(self, channel=None):
            return "mine"
    kernel.__class__ = Mine
    kernel.get_parent()
    """
    assert value(fresh_kernel, code) == "'mine'"


def test_magic_for_notebooks_reads_language_info(kernel: Frontend) -> None:
    pytest.importorskip("nbformat")
    kernel.execute("1")  # there must be something to write
    assert kernel.execute("%notebook out.ipynb").status == "ok"
    assert (kernel.sandbox.path / "out.ipynb").exists()


def test_system_sets_the_exit_code_and_returns_nothing(kernel: Frontend) -> None:
    assert value(kernel, "get_ipython().system('exit 3'), _exit_code") == "(None, 3)"


def test_shell_has_what_libraries_replace_and_read(kernel: Frontend) -> None:
    code = """
    shell = get_ipython()
    [hasattr(shell, name) for name in ("showtraceback", "_showtraceback", "set_custom_exc", "ast_transformers",
        "exiter", "input_transformers_cleanup", "input_transformers_post", "history_manager", "payload_manager",
        "exit_now", "keepkernel_on_exit", "set_next_input", "ask_exit", "set_parent", "get_parent")].count(False)
    """
    assert value(kernel, code) == "0"
    assert (
        value(kernel, "shell.compile.get_code_name('1', '1', 1) == shell.compile.get_code_name('1', '2', 5)") == "True"
    )


def test_cells_directory_is_the_users_alone(kernel: Frontend) -> None:
    """When something (debugger, numba) makes it."""
    code = """
    import inspect, os
    folder = os.path.dirname(inspect.currentframe().f_code.co_filename)
    not os.path.exists(folder) or oct(os.stat(folder).st_mode & 0o777)
    """
    assert value(kernel, code) in ("True", "'0o700'")


def test_connection_file_keeps_its_name(kernel: Frontend) -> None:
    path = value(kernel, "get_ipython().config.IPKernelApp.connection_file").strip("'")
    assert os.path.samefile(path, kernel.manager.connection_file)


def test_integration_of_an_event_loop_can_be_registered(fresh_kernel: Frontend) -> None:
    code = """
    from ipykernel.eventloops import register_integration, loop_map, enable_gui
    @register_integration("mine", "also mine")
    def loop_mine(kernel): ...
    @loop_mine.exit
    def exit_mine(kernel): ...
    enable_gui("mine")
    (loop_map["mine"] is loop_map["also mine"] is loop_mine, loop_mine.exit_hook is exit_mine,
     get_ipython().kernel.eventloop is loop_mine)
    """
    assert value(fresh_kernel, code) == "(True, True, True)"
    assert fresh_kernel.execute("enable_gui('nonsense')").ename == "ValueError"
    assert fresh_kernel.execute("enable_gui(None)\n%gui asyncio").status == "ok"


def test_multiprocessing_shows_what_children_print(kernel: Frontend) -> None:
    code = (
        "import multiprocessing\n"
        "def work(n): print('child', n, flush=True)\n"
        "context = multiprocessing.get_context('fork')\n"
        "children = [context.Process(target=work, args=(n,)) for n in range(3)]\n"
        "print('parent')\n[c.start() for c in children]; [c.join() for c in children];"
    )
    assert sorted(kernel.execute(code).stdout.splitlines()) == ["child 0", "child 1", "child 2", "parent"]
