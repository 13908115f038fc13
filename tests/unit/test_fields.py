"""Every field of every request, with values of the wrong type."""

from __future__ import annotations

from typing import Any

import pytest

from kernelet.kernel.fields import InvalidField, MissingField, check
from kernelet.kernel.handlers import HANDLERS

NEEDED = {
    "execute_request": ("code",),
    "complete_request": ("code",),
    "inspect_request": ("code",),
    "is_complete_request": ("code",),
    "comm_open": ("comm_id", "target_name"),
    "comm_msg": ("comm_id",),
    "comm_close": ("comm_id",),
    "delete_subshell_request": ("subshell_id",),
}
WRONG: list[tuple[str, str, list[Any]]] = [
    *(("execute_request", flag, ["yes", [], {}, 1.5]) for flag in ("silent", "store_history", "allow_stdin")),
    ("execute_request", "stop_on_error", ["no"]),
    ("execute_request", "user_expressions", [["a"], "a", {"a": 1}, {"a": None}]),
    ("complete_request", "cursor_pos", ["1", 1.5, True, [1]]),
    ("inspect_request", "cursor_pos", ["1", True]),
    ("inspect_request", "detail_level", ["1", {}]),
    ("inspect_request", "omit_sections", ["docstring", [1]]),
    *(("history_request", flag, ["yes", []]) for flag in ("output", "raw", "unique")),
    *(("history_request", number, ["1", 1.5, True]) for number in ("session", "start", "stop", "n")),
    ("history_request", "hist_access_type", [1, ["tail"]]),
    ("history_request", "pattern", [1, ["*"]]),
    ("comm_info_request", "target_name", [1, ["x"]]),
    ("replay_request", "msg_ids", ["1", {"1": 1}, [1]]),
    ("replay_request", "after", [1, ["x"]]),
]


def whole(msg_type: str) -> dict[str, Any]:
    return dict.fromkeys(NEEDED.get(msg_type, ()), "text")


@pytest.mark.parametrize("msg_type", HANDLERS)
def test_what_is_needed_is_enough(msg_type: str) -> None:
    check(msg_type, whole(msg_type))
    check(msg_type, {**whole(msg_type), "something": "of tomorrow"})


@pytest.mark.parametrize("value", [None, 1, ["text"], {"text": "text"}, True])
@pytest.mark.parametrize("msg_type", NEEDED)
def test_a_field_that_is_needed_is_missed_by_name(msg_type: str, value: Any) -> None:
    for name in NEEDED[msg_type]:
        with pytest.raises(MissingField, match=f"{msg_type} has no text '{name}'"):
            check(msg_type, {**whole(msg_type), name: value})


@pytest.mark.parametrize("msg_type, name, values", WRONG, ids=[f"{msg_type}-{name}" for msg_type, name, _ in WRONG])
def test_a_field_of_a_wrong_type_is_named(msg_type: str, name: str, values: list[Any]) -> None:
    for value in values:
        with pytest.raises(InvalidField, match=f"{msg_type}: {name} is "):
            check(msg_type, {**whole(msg_type), name: value})
    check(msg_type, {**whole(msg_type), name: None})


def test_what_other_languages_send_for_true_and_false_is_fine() -> None:
    check("execute_request", {"code": "", "silent": 0, "store_history": 1, "user_expressions": {"a": "1"}})
