"""Long texts as JSON: byte for byte what the json module writes, wherever they are."""

from __future__ import annotations

import copy
import json
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelet.protocol import quoting
from kernelet.protocol.codec import dumps
from kernelet.protocol.quoting import LONG_CHARS, escaped, set_aside

LONG = "x" * LONG_CHARS
ESCAPED = "".join(map(chr, range(0x80)))


def by_json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_text_is_escaped_as_json_does(text: str) -> None:
    assert b'"' + escaped(text) + b'"' == by_json(text)


@pytest.mark.parametrize("char", [*map(chr, range(0x20)), '"', "\\", "\x7f", "\x85", "é", "\u2028", "😀"])
def test_each_character_is_escaped_as_json_does(char: str) -> None:
    assert b'"' + escaped(f"{char}a\\{char}{char}") + b'"' == by_json(f"{char}a\\{char}{char}")


def holds_long_text(value: dict[str, Any]) -> bool:
    texts: list[bytes] = []
    before = copy.deepcopy(value)
    marked = set_aside(value, texts)
    assert value == before
    assert (marked is value) == (not texts)
    return bool(texts)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=3).filter(str.isprintable), inner),
    )
)
def test_any_value_is_written_as_json_does(value: Any) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quoting, "LONG_CHARS", 3)
        assert dumps(value) == by_json(value)


@pytest.mark.parametrize(
    "value",
    [
        {"name": "stdout", "text": LONG + ESCAPED},
        {"data": {"text/plain": "1", "image/png": LONG}, "metadata": {}, "transient": {}},
        {"comm_id": "1", "data": {"method": "update", "state": {"value": LONG + "é\0", "more": [LONG, "\0"]}}},
        {"data": {LONG: LONG, "a": LONG, "b": "\0"}},
    ],
)
def test_a_message_with_a_long_text_is_written_as_json_does(value: dict[str, Any]) -> None:
    assert holds_long_text(value)
    assert dumps(value) == by_json(value)


@pytest.mark.parametrize("value", [{}, {"a": LONG[1:]}, {"a": [LONG]}, {"a": {"b": {"c": {"d": LONG}}}}, {LONG: 1}])
def test_where_no_long_text_is_looked_for_json_writes_it(value: dict[str, Any]) -> None:
    assert not holds_long_text(value)
    assert dumps(value) == by_json(value)


def test_a_dict_may_change_while_it_is_looked_at() -> None:
    content: dict[str, Any] = {"a": 1, "b": {"c": 2}}

    def change(*args: Any) -> Any:
        """As another thread may, between any two lines."""
        content[str(len(content))] = content["b"][str(len(content))] = 1
        return change

    before = sys.gettrace()
    sys.settrace(change)
    try:
        assert set_aside(content, []) is content
    finally:
        sys.settrace(before)
    assert len(content) > 4


def test_who_says_the_mark_is_understood_all_the_same() -> None:
    value = {"a": LONG, "b": quoting._MARK, "c": {"d": LONG + quoting._MARK}}
    assert dumps(value) == by_json(value)


def test_a_text_of_another_class_is_written_as_json_does() -> None:
    class Markup(str):
        """As of markupsafe: `replace` escapes what it puts in."""

        def encode(self, *args: Any) -> bytes:
            raise AssertionError

    assert dumps({"a": Markup(LONG + '"'), "b": LONG}) == by_json({"a": LONG + '"', "b": LONG})


def test_a_lone_surrogate_in_a_long_text_is_replaced() -> None:
    assert dumps({"a": LONG + "\ud800", "b": float("inf"), "c": LONG}) == by_json(
        {"a": LONG + "\ufffd", "b": "inf", "c": LONG}
    )


def test_without_the_encoder_in_c_nothing_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json.encoder, "c_make_encoder", None)
    assert dumps({"a": LONG + "\0"}) == by_json({"a": LONG + "\0"})
