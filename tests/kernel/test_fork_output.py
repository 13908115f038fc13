"""Forked and spawned processes: what they print and display arrives once, nothing hangs, and no second kernel stays."""

from __future__ import annotations

import os

import pytest

from frontend import KERNEL_NAME, Frontend

QUIET = "import os, warnings\nwarnings.simplefilter('ignore', DeprecationWarning)\n"


def fork(child: str, after: str = "") -> str:
    """A cell that forks; the child runs `child`, one line, and the parent waits for it."""
    return (
        f"{QUIET}pid = os.fork()\nif pid == 0:\n    {child}\n    os._exit(0)\n_, status = os.waitpid(pid, 0)\n{after}"
    )


def test_a_forked_child_displays_in_the_cell(kernel: Frontend) -> None:
    result = kernel.execute(fork("display({'text/plain': 'from the child'}, raw=True)", "print('parent')"))
    assert [display["data"] for display in result.displays] == [{"text/plain": "from the child"}]
    assert result.stdout == "parent\n"


def test_what_a_child_prints_and_displays_keeps_its_order(kernel: Frontend) -> None:
    child = "print('one', flush=True); display(2); print('three', flush=True)"
    result = kernel.execute(fork(child, "print('four')"))
    assert result.stdout == "one\nthree\nfour\n"
    assert len(result.displays) == 1
    if KERNEL_NAME.startswith("kernelet"):
        assert result.of_type("stream")[0]["text"] == "one\n"


def test_a_large_display_of_a_child_arrives_whole(kernel: Frontend) -> None:
    result = kernel.execute(fork("display({'text/plain': 'x' * 3_000_000}, raw=True)"))
    assert [len(display["data"]["text/plain"]) for display in result.displays] == [3_000_000]


def test_displays_of_many_children_do_not_mix(kernel: Frontend) -> None:
    code = f"""{QUIET}
pids = []
for n in range(8):
    pid = os.fork()
    if pid == 0:
        for i in range(50): display({{"text/plain": f"{{n}} {{i}} " + "x" * 100 * n}}, raw=True)
        os._exit(0)
    pids.append(pid)
for pid in pids: os.waitpid(pid, 0);
"""
    shown = [display["data"]["text/plain"] for display in kernel.execute(code).displays]
    assert sorted(shown) == sorted(f"{n} {i} " + "x" * 100 * n for n in range(8) for i in range(50))


def test_a_child_can_open_a_comm_and_clear_the_output(kernel: Frontend) -> None:
    result = kernel.execute(
        fork("import comm, IPython.display; comm.create_comm(target_name='t'); IPython.display.clear_output()")
    )
    assert [t for t in result.types if t in ("comm_open", "clear_output")] == ["comm_open", "clear_output"]


def test_a_grandchild_displays_too(kernel: Frontend) -> None:
    child = "import multiprocessing as m; p = m.get_context('fork').Process(target=display, args=('deep',))"
    child += "; p.start(); p.join()"
    assert [d["data"]["text/plain"] for d in kernel.execute(fork(child)).displays] == ["'deep'"]


def test_a_multiprocessing_child_displays(kernel: Frontend) -> None:
    code = f"""{QUIET}
import multiprocessing
workers = [multiprocessing.get_context("fork").Process(target=display, args=(n,)) for n in range(3)]
for worker in workers: worker.start()
for worker in workers: worker.join()
"""
    assert sorted(d["data"]["text/plain"] for d in kernel.execute(code).displays) == ["0", "1", "2"]


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_process_pool_prints_and_returns(kernel: Frontend, method: str) -> None:
    (kernel.sandbox.path / "tasks.py").write_text(
        "def square(n):\n    print(f'squaring {n}\\n', end='', flush=True)\n    return n * n\n"
    )
    code = f"""{QUIET}
import multiprocessing, sys
from concurrent.futures import ProcessPoolExecutor
sys.path.insert(0, os.getcwd())
import tasks
with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context({method!r})) as pool:
    squares = list(pool.map(tasks.square, range(4)))
squares
"""
    result = kernel.execute(code, deadline_s=60)
    assert result.result == {"text/plain": "[0, 1, 4, 9]"}
    lines = sorted(result.stdout.splitlines())
    if method == "forkserver" and lines == []:  # the server is told to forget stdout by some Pythons
        return
    assert lines == [f"squaring {n}" for n in range(4)]


def test_a_child_that_falls_out_of_its_cell_ends(kernel: Frontend) -> None:
    result = kernel.execute(
        f"{QUIET}pid = os.fork()\nif pid: _, status = os.waitpid(pid, 0)\nprint(pid > 0)\nstatus if pid else 'child'"
    )
    assert sorted(result.stdout.splitlines()) == ["False", "True"]
    assert result.result == {"text/plain": "0"}


def test_a_child_that_fails_shows_its_error_and_ends(kernel: Frontend) -> None:
    result = kernel.execute(
        f"{QUIET}pid = os.fork()\nif not pid: 1 / 0\n_, status = os.waitpid(pid, 0)\nos.waitstatus_to_exitcode(status)"
    )
    assert result.ename == "ZeroDivisionError"
    assert result.status == "ok"
    assert result.result == {"text/plain": "1"}


def test_a_child_that_calls_sys_exit_ends(kernel: Frontend) -> None:
    result = kernel.execute(
        f"import sys\n{QUIET}pid = os.fork()\nif not pid: sys.exit()\n_, status = os.waitpid(pid, 0)\n'alone'"
    )
    assert result.result == {"text/plain": "'alone'"}


def test_a_child_forked_by_a_comm_message_ends(kernel: Frontend) -> None:
    code = f"""{QUIET}
import comm
def opened(comm, message):
    pid = os.fork()
    if pid: print("parent", os.waitpid(pid, 0)[1])
comm.get_comm_manager().register_target("forks", opened)
"""
    kernel.execute(code)
    result = kernel.until_idle(kernel.send("comm_open", {"comm_id": "c", "target_name": "forks", "data": {}}))
    assert "".join(m["content"]["text"] for m in result if m["msg_type"] == "stream") == "parent 0\n"
    assert kernel.execute("comm.get_comm_manager().get_comm('c') is not None").result == {"text/plain": "True"}


def test_a_child_cannot_ask_for_input(kernel: Frontend) -> None:
    result = kernel.execute(fork("try: input('? ')\n    except EOFError: print('no input', flush=True)"))
    assert result.stdout == "no input\n"


def test_threads_that_print_while_children_are_forked_block_nobody(kernel: Frontend) -> None:
    """A lock that another thread held at the fork must not be waited for in the child."""
    code = f"""{QUIET}
import threading
stop = threading.Event()
def chatter():
    while not stop.is_set(): print("chatter")
threads = [threading.Thread(target=chatter) for n in range(2)]
for t in threads: t.start()
statuses = []
for n in range(50):
    pid = os.fork()
    if pid == 0:
        print("child", flush=True)
        display(n)
        os._exit(0)
    statuses.append(os.waitpid(pid, 0)[1])
stop.set()
for t in threads: t.join()
sum(statuses)
"""
    result = kernel.execute(code)
    assert result.result == {"text/plain": "0"}
    assert result.stdout.count("child") == 50
    assert len(result.displays) == 50


def test_a_forked_child_that_outlives_its_cell_displays_in_it(kernel: Frontend) -> None:
    os.mkfifo(kernel.sandbox.path / "door")
    starter = kernel.execute(
        f"{QUIET}pid = os.fork()\nif not pid:\n    open('door').read()\n    display('late')\n    os._exit(0)"
    )
    (kernel.sandbox.path / "door").write_text("now\n")
    shown = kernel.take("iopub", lambda m: m["msg_type"] == "display_data")
    assert shown["parent_header"]["msg_id"] == starter.request["msg_id"]
    kernel.execute("os.waitpid(pid, 0);")
