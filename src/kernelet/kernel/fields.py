"""What the content of each request must look like: a field of a wrong type is answered with an error that names it.

Checked in the lane, before a request is handled. null stands for "not given", as other clients' languages send it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple


class MissingField(ValueError):
    """A request without a field that its handling needs."""


class InvalidField(ValueError):
    """A request with a field that cannot be understood; the text names it."""


class _Field(NamedTuple):
    name: str
    kinds: tuple[type, ...]
    told: str
    items: type | None = None
    """What the items of a list, or the values of an object, have to be."""


def _text(name: str) -> _Field:
    return _Field(name, (str,), "a text")


def _flag(name: str) -> _Field:
    return _Field(name, (bool, int), "true or false")  # 0 and 1, of clients in languages that have nothing else


def _whole(name: str) -> _Field:
    return _Field(name, (int,), "a whole number")


_CODE = ("code",)
_FIELDS: Final[Mapping[str, tuple[tuple[str, ...], tuple[_Field, ...]]]] = {
    "execute_request": (
        _CODE,
        (
            *map(_flag, ("silent", "store_history", "allow_stdin", "stop_on_error")),
            _Field("user_expressions", (dict,), "an object of texts", str),
        ),
    ),
    "complete_request": (_CODE, (_whole("cursor_pos"),)),
    "inspect_request": (
        _CODE,
        (_whole("cursor_pos"), _whole("detail_level"), _Field("omit_sections", (list,), "a list of texts", str)),
    ),
    "is_complete_request": (_CODE, ()),
    "history_request": (
        (),
        (
            *map(_flag, ("output", "raw", "unique")),
            *map(_whole, ("session", "start", "stop", "n")),
            *map(_text, ("hist_access_type", "pattern")),
        ),
    ),
    "comm_info_request": ((), (_text("target_name"),)),
    "comm_open": (("comm_id", "target_name"), ()),
    "comm_msg": (("comm_id",), ()),
    "comm_close": (("comm_id",), ()),
    "delete_subshell_request": (("subshell_id",), ()),
    "shutdown_request": ((), (_flag("restart"),)),
    "checkpoint_request": ((), (_text("name"),)),
    "restore_request": ((), (_text("name"),)),
    "replay_request": ((), (_Field("msg_ids", (list,), "a list of texts", str), _text("after"))),
}


def check(msg_type: str, content: Mapping[str, Any]) -> None:
    """Raise MissingField or InvalidField when `content` is not that of a request of this type."""
    needed, others = _FIELDS.get(msg_type, ((), ()))
    for name in needed:
        if not isinstance(content.get(name), str):
            raise MissingField(f"{msg_type} has no text {name!r}")
    for field in others:
        value = content.get(field.name)
        if value is None or (type(value) in field.kinds and (field.items is None or not value)):
            continue
        fits = isinstance(value, field.kinds) and not (isinstance(value, bool) and bool not in field.kinds)
        if fits and field.items is not None:
            items = value.values() if isinstance(value, dict) else value
            fits = all(isinstance(item, field.items) for item in items)
        if not fits:
            raise InvalidField(f"{msg_type}: {field.name} is {value!r:.60}, not {field.told}")
