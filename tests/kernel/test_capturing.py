"""`%%capture` takes what its own cell says, whatever other cells say or capture at the same time."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from frontend import Frontend

SETUP = """
import threading
def meet(*names):
    "Let the cell that waits for the first of these go on, and wait for the second."
    go, wait = names
    gates[go].set()
    assert gates[wait].wait(120), wait
gates = {name: threading.Event() for name in ("one", "two", "three", "four", "never")}
"""
FIRST = """%%capture first
meet("one", "two")
print("first")
display("of the first")
"first's result"
"""
# Begins to capture while the first does, and ends after it.
SECOND = """%%capture second
meet("two", "three")
print("second")
import sys; print("error", file=sys.stderr)
display("of the second")
"second's result"
"""
TAKEN = "[(c.stdout, c.stderr, [o.data['text/plain'] for o in c.outputs]) for c in (first, second)]"


@pytest.fixture
def kernel(fresh_kernel: Frontend) -> Iterator[Frontend]:
    fresh_kernel.execute(SETUP)
    yield fresh_kernel
    if not fresh_kernel.ended:
        fresh_kernel.assert_quiet()


def subshell(kernel: Frontend) -> str:
    return str(kernel.request("create_subshell_request", channel="control").content["subshell_id"])


@pytest.mark.parametrize("where", ["two subshells", "main and a subshell"])
def test_two_captures_at_once_take_their_own(kernel: Frontend, where: str) -> None:
    """Each begins before the other ends, and they end in the order in which they began."""
    first = kernel.send_execute(FIRST, subshell_id=subshell(kernel) if where == "two subshells" else None)
    third = subshell(kernel)
    assert kernel.execute("gates['one'].wait(120)", subshell_id=third).result == {"text/plain": "True"}
    second = kernel.send_execute(SECOND, subshell_id=subshell(kernel))
    assert kernel.result(first).types == ["busy", "execute_input", "idle"]
    beside = kernel.execute("gates['three'].set()\nprint('beside')\n'it'", subshell_id=third)
    assert (beside.stdout, beside.result) == ("beside\n", {"text/plain": "'it'"})
    assert kernel.result(second).types == ["busy", "execute_input", "idle"]
    after = kernel.execute(f"print('heard')\ndisplay('seen')\n{TAKEN}")
    assert (after.status, after.stdout) == ("ok", "heard\n")
    assert [one["data"]["text/plain"] for one in after.displays] == ["'seen'"]
    assert after.result is not None
    assert ast.literal_eval(after.result["text/plain"]) == [
        ("first\n", "", ["'of the first'", '"first\'s result"']),
        ("second\n", "error\n", ["'of the second'", '"second\'s result"']),
    ]


def test_another_cell_is_heard_while_one_captures(kernel: Frontend) -> None:
    capturing = kernel.send_execute(FIRST, subshell_id=subshell(kernel))
    beside = kernel.execute("assert gates['one'].wait(120)\nprint('beside')\ndisplay('shown')\n'it'")
    assert (beside.stdout, beside.result) == ("beside\n", {"text/plain": "'it'"})
    assert [one["data"]["text/plain"] for one in beside.displays] == ["'shown'"]
    kernel.execute("gates['two'].set()")
    assert kernel.result(capturing).types == ["busy", "execute_input", "idle"]
    assert kernel.execute("first.stdout").result == {"text/plain": "'first\\n'"}


def test_threads_of_the_cell_are_captured(kernel: Frontend) -> None:
    code = "%%capture said\nt = threading.Thread(target=print, args=('from a thread',))\nt.start(); t.join()"
    assert kernel.execute(code).types == ["busy", "execute_input", "idle"]
    assert kernel.execute("said.stdout").result == {"text/plain": "'from a thread\\n'"}


def test_a_capture_inside_a_capture_takes_its_part(kernel: Frontend) -> None:
    code = "print(2)\nimport sys\nprint(3, file=sys.stderr)"
    inner = f"get_ipython().run_cell_magic('capture', '--no-stderr inner', {code!r})"
    assert kernel.execute(f"%%capture outer\nprint(1)\n{inner}\nprint(4)").status == "ok"
    result = kernel.execute("outer.stdout, outer.stderr, inner.stdout, inner.stderr").result
    assert result == {"text/plain": "('1\\n4\\n', '3\\n', '2\\n', '')"}


def test_the_streams_are_the_kernels_again(kernel: Frontend) -> None:
    kernel.execute("import sys\nbefore = sys.stdout, sys.stderr, sys.displayhook")
    assert kernel.execute("%%capture\nprint(1)\n1 / 0").ename == "ZeroDivisionError"
    kernel.execute("%%capture\nsys.stdout = None")
    assert kernel.execute("before == (sys.stdout, sys.stderr, sys.displayhook)").result == {"text/plain": "True"}


def test_what_the_magic_keeps_and_says_of_itself(kernel: Frontend) -> None:
    kernel.execute("%%capture kept\nprint(1);")
    assert kernel.execute("'kept' in globals()").result == {"text/plain": "False"}
    kernel.execute("%%capture kept\n# nothing")
    assert kernel.execute("kept.stdout, kept.stderr, kept.outputs").result == {"text/plain": "('', '', [])"}
    assert "--no-display" in kernel.execute("%%capture?").content["payload"][0]["data"]["text/plain"]
