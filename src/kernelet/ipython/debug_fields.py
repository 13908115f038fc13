"""What the arguments of a debug request must look like: one of a wrong type is refused by its name.

debugpy does not look: a path that is a number ends its reading thread, and with that the whole session.

Source: https://microsoft.github.io/debug-adapter-protocol/specification; an argument has one type in all requests.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ..protocol.message import Content
from .debug_reply import DebugError

_TOLD: Final[Mapping[type, str]] = {int: "a whole number", str: "a text", dict: "an object", list: "a list"}
_WHOLE: Final = (
    *("threadId", "frameId", "srcFrameId", "variablesReference", "sourceReference", "targetId"),
    *("line", "column", "endLine", "endColumn"),
    *("start", "count", "startFrame", "levels", "startModule", "moduleCount"),
)
_TEXTS: Final = (
    *("path", "expression", "context", "text", "name", "value", "filter", "code"),
    *("condition", "hitCondition", "logMessage", "variableName"),
)
_KINDS: Final[Mapping[str, type]] = {
    **dict.fromkeys(_WHOLE, int),
    **dict.fromkeys(_TEXTS, str),
    **dict.fromkeys(("source", "format"), dict),
    **dict.fromkeys(("breakpoints", "filters", "lines"), list),
}
_ITEMS: Final[Mapping[str, type]] = {"breakpoints": dict, "filters": str, "lines": int}
# What debugpy does not get along without.
_NEEDED: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(("stackTrace", "exceptionInfo", "next", "stepIn", "stepOut", "pause"), ("threadId",)),
    **dict.fromkeys(("scopes", "stepInTargets"), ("frameId",)),
    "variables": ("variablesReference",),
    "setVariable": ("variablesReference", "name", "value"),
    "evaluate": ("expression",),
    "completions": ("text", "column"),
    "setBreakpoints": ("source",),
    "setFunctionBreakpoints": ("breakpoints",),
    "setExceptionBreakpoints": ("filters",),
    "gotoTargets": ("source", "line"),
    "goto": ("threadId", "targetId"),
}


def check(command: str, arguments: Content) -> None:
    """Raise DebugError, which names the argument, unless these can be those of a request `command`."""
    for name in _NEEDED.get(command, ()):
        if arguments.get(name) is None:
            raise DebugError(f"{command} has no {name!r}")
    _check(command, "", arguments)
    if command in ("setBreakpoints", "gotoTargets") and not {"path", "sourceReference"} & set(arguments["source"]):
        raise DebugError(f"{command}: source has no 'path'")
    for number, one in enumerate(arguments.get("breakpoints") or ()):
        needed = "name" if command == "setFunctionBreakpoints" else "line"
        if one.get(needed) is None:
            raise DebugError(f"{command}: breakpoints[{number}] has no {needed!r}")


def _check(command: str, where: str, given: Content) -> None:
    for name, value in given.items():
        kind = _KINDS.get(name)
        if kind is None or value is None:
            continue
        _check_one(command, where + name, value, kind)
        if kind is dict:
            _check(command, f"{where}{name}.", value)
        for number, item in enumerate(value if kind is list else ()):
            _check_one(command, f"{where}{name}[{number}]", item, _ITEMS[name])
            if isinstance(item, dict):
                _check(command, f"{where}{name}[{number}].", item)


def _check_one(command: str, name: str, value: Any, kind: type) -> None:
    if not isinstance(value, kind) or isinstance(value, bool):
        raise DebugError(f"{command}: {name} is {value!r:.60}, not {_TOLD[kind]}")
