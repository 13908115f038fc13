"""What tests of compatibility share: the value of one cell."""

from __future__ import annotations

from textwrap import dedent

from frontend import Frontend


def value(kernel: Frontend, code: str) -> str:
    """Run a cell that must succeed, and return the text of its result."""
    result = kernel.execute(dedent(code))
    assert result.status == "ok", result.content
    assert result.result is not None, result.iopub
    return str(result.result["text/plain"])
