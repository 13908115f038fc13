"""Arguments of debug requests: what they are not, is told by name."""

from __future__ import annotations

from typing import Any

import pytest

from kernelet.ipython.debug_fields import check
from kernelet.ipython.debug_reply import DebugError

FILE = {"path": "/a.py"}


@pytest.mark.parametrize(
    "command, arguments",
    [
        ("threads", {}),
        ("threads", {"anything": object()}),
        ("stackTrace", {"threadId": 1, "startFrame": 0, "levels": None}),
        ("evaluate", {"expression": "1", "frameId": None, "context": "repl"}),
        ("setBreakpoints", {"source": FILE}),
        ("setBreakpoints", {"source": FILE, "breakpoints": [{"line": 1, "condition": None}], "lines": [1]}),
        ("setFunctionBreakpoints", {"breakpoints": [{"name": "f"}]}),
        ("setExceptionBreakpoints", {"filters": []}),
        ("setVariable", {"variablesReference": 1, "name": "a", "value": "1"}),
        ("a command that only debugpy knows", {"threadId": 1}),
    ],
)
def test_arguments_that_fit_pass(command: str, arguments: dict[str, Any]) -> None:
    check(command, arguments)


@pytest.mark.parametrize(
    "command, arguments, told",
    [
        ("stackTrace", {}, "stackTrace has no 'threadId'"),
        ("stackTrace", {"threadId": None}, "no 'threadId'"),
        ("next", {"threadId": True}, "threadId is True, not a whole number"),
        ("evaluate", {"expression": 3}, "expression is 3, not a text"),
        ("setBreakpoints", {"source": "/a.py"}, "source is '/a.py', not an object"),
        ("setBreakpoints", {"source": {"path": 3}}, "source.path is 3, not a text"),
        ("setBreakpoints", {"source": {}}, "source has no 'path'"),
        ("setBreakpoints", {"source": FILE, "breakpoints": {}}, "breakpoints is {}, not a list"),
        ("setBreakpoints", {"source": FILE, "breakpoints": [1]}, r"breakpoints\[0\] is 1, not an object"),
        ("setBreakpoints", {"source": FILE, "breakpoints": [{"line": "1"}]}, r"breakpoints\[0\].line is '1'"),
        ("setBreakpoints", {"source": FILE, "breakpoints": [{}]}, r"breakpoints\[0\] has no 'line'"),
        ("setFunctionBreakpoints", {"breakpoints": [{"line": 1}]}, "has no 'name'"),
        ("setExceptionBreakpoints", {"filters": [3]}, r"filters\[0\] is 3, not a text"),
        ("threads", {"format": 1}, "format is 1, not an object"),
    ],
)
def test_an_argument_that_does_not_fit_is_named(command: str, arguments: dict[str, Any], told: str) -> None:
    with pytest.raises(DebugError, match=told):
        check(command, arguments)
