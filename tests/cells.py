"""What tests of compatibility share: the value of one cell."""

from __future__ import annotations

from textwrap import dedent

from frontend import Frontend
from result import Result


def value(kernel: Frontend, code: str) -> str:
    """Run a cell that must succeed, and return the text of its result."""
    result = kernel.execute(dedent(code))
    assert result.status == "ok", result.content
    assert result.result is not None, result.iopub
    return str(result.result["text/plain"])


def model(result: Result, name: str) -> str:
    """The comm_id of the model of an ipywidget that a cell made."""
    found = [c["comm_id"] for c in result.of_type("comm_open") if c["data"]["state"].get("_model_name") == name]
    assert len(found) == 1, found
    return str(found[0])
