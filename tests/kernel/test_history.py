"""History: asked for by message, kept in IPython's database, shared with terminal IPython."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from frontend import Frontend, Sandbox, wait_for

Start = Callable[..., Frontend]


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A home that outlives a kernel; named before `start_kernel` by its tests, so that it goes after the kernels."""
    sandbox = Sandbox()
    yield sandbox
    sandbox.close()


def ask(kernel: Frontend, kind: str, **fields: Any) -> list[list[Any]]:
    """The history of a history_request, as it came."""
    content = {"hist_access_type": kind, "output": False, "raw": True, **fields}
    reply = kernel.request("history_request", content).content
    assert reply["status"] == "ok"
    history: list[list[Any]] = reply["history"]
    return history


def inputs(history: list[list[Any]]) -> list[str]:
    """Only what was typed."""
    return [entry[2] for entry in history]


@pytest.fixture
def three(fresh_kernel: Frontend) -> Frontend:
    """A kernel that ran three cells."""
    for code in ("apple = 1", "apple + 1", "%who_ls int"):
        fresh_kernel.execute(code)
    return fresh_kernel


def test_tail_has_the_last_cells_oldest_first(three: Frontend) -> None:
    assert inputs(ask(three, "tail", n=2)) == ["apple + 1", "%who_ls int"]
    assert [entry[1] for entry in ask(three, "tail", n=3)] == [1, 2, 3]


def test_the_last_cell_is_there_at_once(three: Frontend) -> None:
    for n in range(5):
        three.execute(f"cell = {n}")
        assert inputs(ask(three, "tail", n=1)) == [f"cell = {n}"]


def test_tail_gives_less_when_there_is_less(three: Frontend) -> None:
    assert len(ask(three, "tail", n=50)) == 3


def test_range_of_this_session(three: Frontend) -> None:
    assert inputs(ask(three, "range", session=0, start=1, stop=3)) == ["apple = 1", "apple + 1"]
    assert inputs(ask(three, "range", session=0, start=2, stop=None)) == ["apple + 1", "%who_ls int"]
    assert ask(three, "range", session=0, start=1, stop=2)[0][:2] == [0, 1]


def test_output_comes_as_a_pair(three: Frontend) -> None:
    pairs = inputs(ask(three, "range", session=0, start=1, stop=4, output=True))
    assert pairs == [["apple = 1", None], ["apple + 1", "2"], ["%who_ls int", "['apple']"]]


def test_raw_is_what_was_typed_and_the_other_what_was_run(three: Frontend) -> None:
    assert inputs(ask(three, "range", session=0, start=3, stop=4, raw=False)) == [
        "get_ipython().run_line_magic('who_ls', 'int')"
    ]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"pattern": "apple*"}, ["apple = 1", "apple + 1"]),
        ({"pattern": "*who*"}, ["%who_ls int"]),
        ({"pattern": "apple = ?"}, ["apple = 1"]),
        ({"pattern": "pear*"}, []),
        ({"pattern": "*", "n": 2}, ["apple + 1", "%who_ls int"]),
    ],
)
def test_search_finds_by_glob(three: Frontend, fields: dict[str, Any], expected: list[str]) -> None:
    assert inputs(ask(three, "search", **fields)) == expected


def test_search_can_leave_repetitions_out(three: Frontend) -> None:
    for _ in range(3):
        three.execute("apple = 1")
    assert len(ask(three, "search", pattern="apple = 1", unique=False)) == 4
    assert len(ask(three, "search", pattern="apple = 1", unique=True)) == 1


def test_history_is_there_for_the_next_kernel(sandbox: Sandbox, start_kernel: Start) -> None:
    first = start_kernel(sandbox=sandbox)
    first.execute("of_the_first = 1")
    first.execute("'shown by the first'")
    first.shutdown()
    first.exit_status()
    second = start_kernel(sandbox=sandbox)
    second.execute("of_the_second = 2")
    assert inputs(ask(second, "tail", n=3)) == ["of_the_first = 1", "'shown by the first'", "of_the_second = 2"]
    assert inputs(ask(second, "range", session=-1, start=1, stop=None)) == ["of_the_first = 1", "'shown by the first'"]
    assert inputs(ask(second, "search", pattern="of_the*")) == ["of_the_first = 1", "of_the_second = 2"]
    sessions = [entry[0] for entry in ask(second, "search", pattern="of_the*")]
    assert sessions[1] == sessions[0] + 1


def test_history_survives_a_kill(sandbox: Sandbox, start_kernel: Start) -> None:
    """All but what the kernel had no time to write: a cell that was asked for by message is written."""
    first = start_kernel(sandbox=sandbox)
    first.execute("before_the_kill = 1")
    assert inputs(ask(first, "tail", n=1)) == ["before_the_kill = 1"]
    first.kill()
    second = start_kernel(sandbox=sandbox)
    second.execute("1")
    assert "before_the_kill = 1" in inputs(ask(second, "tail", n=5))


def test_history_survives_a_kill_after_a_fork(sandbox: Sandbox, start_kernel: Start) -> None:
    """It is written a second after the cell, by a thread that IPython had ended before the fork."""
    kernel = start_kernel(sandbox=sandbox)
    kernel.execute("import os\npid = os.fork()\nif not pid:\n    os._exit(0)\nos.waitpid(pid, 0)")
    kernel.execute("after_the_fork = 1")
    [file] = sandbox.ipython.rglob("history.sqlite")

    def is_written() -> bool:
        with contextlib.closing(sqlite3.connect(file)) as database:
            return bool(database.execute("SELECT 1 FROM history WHERE source = 'after_the_fork = 1'").fetchall())

    wait_for(is_written)


def test_two_kernels_write_at_once(sandbox: Sandbox, start_kernel: Start) -> None:
    one, other = (
        start_kernel(sandbox=sandbox),
        start_kernel(sandbox=Sandbox(), env={"IPYTHONDIR": str(sandbox.ipython)}),
    )
    for n in range(5):
        one.execute(f"one = {n}")
        other.execute(f"other = {n}")
    assert inputs(ask(one, "range", session=0, start=1, stop=None)) == [f"one = {n}" for n in range(5)]
    assert inputs(ask(other, "range", session=0, start=1, stop=None)) == [f"other = {n}" for n in range(5)]


def test_terminal_ipython_sees_the_history(sandbox: Sandbox, start_kernel: Start) -> None:
    kernel = start_kernel(sandbox=sandbox)
    kernel.execute("typed_in_the_notebook = 1")
    kernel.shutdown()
    kernel.exit_status()
    command = [sys.executable, "-m", "IPython", "--no-banner", "-c", "%history -g typed_in"]
    seen = subprocess.run(command, env=sandbox.environment(), capture_output=True, text=True, timeout=60)
    assert "typed_in_the_notebook = 1" in seen.stdout


def test_kernel_sees_the_history_of_terminal_ipython(sandbox: Sandbox, start_kernel: Start) -> None:
    code = "get_ipython().run_cell('typed_in_the_terminal = 1', store_history=True)"
    command = [sys.executable, "-m", "IPython", "--no-banner", "-c", code]
    subprocess.run(command, env=sandbox.environment(), capture_output=True, timeout=60, check=True)
    kernel = start_kernel(sandbox=sandbox)
    assert inputs(ask(kernel, "search", pattern="typed_in_the*")) == ["typed_in_the_terminal = 1"]


def test_history_can_be_kept_in_memory(sandbox: Sandbox, start_kernel: Start) -> None:
    kernel = start_kernel(sandbox=sandbox, extra_arguments=["--HistoryManager.hist_file=:memory:"])
    kernel.execute("secret = 1")
    assert inputs(ask(kernel, "tail", n=1)) == ["secret = 1"]
    assert not list(sandbox.ipython.rglob("history.sqlite"))


def test_history_can_be_turned_off(start_kernel: Start) -> None:
    kernel = start_kernel(extra_arguments=["--HistoryManager.enabled=False"])
    assert kernel.execute("6 * 7").result == {"text/plain": "42"}
    assert isinstance(ask(kernel, "tail", n=3), list)
    assert kernel.execute("_").result == {"text/plain": "42"}


def test_kernel_works_though_the_history_cannot_be_written(sandbox: Sandbox, start_kernel: Start) -> None:
    profile = sandbox.ipython / "profile_default"
    profile.mkdir(parents=True)
    (profile / "history.sqlite").write_bytes(b"this is not a database " * 100)
    kernel = start_kernel(sandbox=sandbox)
    result = kernel.execute("6 * 7")
    assert result.result == {"text/plain": "42"}
    assert inputs(ask(kernel, "tail", n=1)) == ["6 * 7"]
