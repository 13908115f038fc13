"""A traceback is the same however often one was shown: what is kept from the first for the others changes nothing."""

from __future__ import annotations

import re

import pytest

from frontend import Frontend

CODE = '''
class Table:
    """A class, so that a whole method is shown."""

    def cell(self, row, column=2):
        # Broken in the middle of an expression.
        return {"row": row}["row"] + (column / (row - row)) * len(f"{row!r} {'text'}")

def f(n):
    return Table().cell(n) if n < 2 else f(n - 1)
'''


def shown(kernel: Frontend, call: str) -> str:
    lines = kernel.execute(call).content["traceback"]
    return re.sub(r"In\x1b\[[^m]*m\[\d+\]|In\[\d+\]|\[\d+\]", "In[n]", "\n".join(map(str, lines)))


@pytest.mark.parametrize("call", ["f(5)", "1 / 0", "import json\njson.loads('[')", "await g()"])
def test_a_later_traceback_is_like_the_first(fresh_kernel: Frontend, call: str) -> None:
    kernel = fresh_kernel
    kernel.execute(CODE + "async def g():\n    import asyncio\n    await asyncio.sleep(0)\n    f(1)")
    first = shown(kernel, call)
    assert "Error" in first
    assert [shown(kernel, call) for _ in range(3)] == [first] * 3


def test_colours_follow_the_theme(fresh_kernel: Frontend) -> None:
    kernel = fresh_kernel
    kernel.execute(CODE)
    first = shown(kernel, "f(1)")
    for _ in range(2):
        kernel.execute("%colors nocolor")
        assert "\x1b" not in shown(kernel, "f(1)")
        kernel.execute("%colors lightbg")
        other = shown(kernel, "f(1)")
        assert "\x1b" in other
        kernel.execute("%colors linux")
        assert shown(kernel, "f(1)") != other
    assert "Table" in first
