"""What a variables panel may look at: names and what they lead to, never a call."""

from __future__ import annotations

import pytest

from kernelet.ipython.debug_reply import DebugError
from kernelet.ipython.debug_variables import Kept, checked_look, identifier, is_hidden, kept


@pytest.mark.parametrize("expression", ["a", "a.b", "a['k'][0].c", "a[-1]", "a[1:2]", "a[1, 2]"])
def test_looks_are_let_through(expression: str) -> None:
    checked_look(expression)


@pytest.mark.parametrize(
    "expression", ["", "f()", "a + b", "a = 1", "lambda: 0", "(x := 1)", "[i for i in a]", "a b", "\0"]
)
def test_all_else_is_refused(expression: str) -> None:
    with pytest.raises(DebugError, match="not the name of a variable"):
        checked_look(expression)


@pytest.mark.parametrize("name", ["In", "Out", "_", "__", "___", "_i", "_ii", "_i12", "_3", "_oh", "__name__", "exit"])
def test_what_ipython_put_there_is_hidden(name: str) -> None:
    assert is_hidden(name)


@pytest.mark.parametrize("name", ["x", "_private", "__mine__", "_idx", "i", "_3d", "Input"])
def test_what_the_user_put_there_is_shown(name: str) -> None:
    assert not is_hidden(name)


def test_identifiers_are_checked_and_named() -> None:
    assert identifier({"dst": "x"}, "dst") == "x"
    for bad in ({}, {"dst": "a b"}, {"dst": 3}):
        with pytest.raises(DebugError, match="dst must be a valid identifier"):
            identifier(bad, "dst")


def test_value_of_a_frame_is_kept_by_an_expression_that_needs_no_names() -> None:
    number, expression = kept.expression("local")
    value = object()
    assert eval(expression, {}, {"local": value}) is None
    assert kept.take(number) is value
    with pytest.raises(KeyError):
        kept.take(number)
    assert Kept().expression("x", rich=True)[1].count(".rich(") == 1
