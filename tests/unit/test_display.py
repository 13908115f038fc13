"""What the displayhook decides by itself: whether a semicolon hides the value of a cell."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from IPython.core.displayhook import DisplayHook

from kernelet.ipython.display import ZMQShellDisplayHook

ends = ZMQShellDisplayHook.semicolon_at_end_of_expression
PIECES = [
    "1",
    ";",
    "\n",
    " ",
    "# c",
    "';'",
    '"',
    "'''",
    "x = 2",
    "(",
    ")",
    "\\\n",
    "\r",
    "\x0c",
    "\u2028",
    "if x:",
    "    ",
]


@pytest.mark.parametrize(
    ("cell", "hides"),
    [
        ("1", False),
        ("1;", True),
        ("1;\n\n# comment; more\n  # and more\n", True),
        ("1; # comment", True),
        ("1; # comment\u2028 no line", True),
        ("1;\nx", False),
        ("x = ';'\n'''\n# ;''';", True),
        ("'''\n# no comment'''\n# one", False),
        ("';'", False),
        ("f(\n1);", True),
        ("", False),
    ],
)
def test_a_semicolon_at_the_end_hides_the_value(cell: str, hides: bool) -> None:
    assert ends(cell) is hides


@given(st.lists(st.sampled_from(PIECES)).map("".join))
def test_it_is_found_where_ipython_finds_it(cell: str) -> None:
    try:
        expected = bool(DisplayHook.semicolon_at_end_of_expression(cell))
    except Exception:  # noqa: BLE001  # no Python: tokenize says so in many ways, and no such cell gets so far
        return
    assert ends(cell) is expected
