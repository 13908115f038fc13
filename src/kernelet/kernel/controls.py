"""What the metadata of an execute_request asks for: a time limit, whether its error aborts the queue, where it runs.

Front ends send a cell's own metadata with its code, so these keys can be written into a notebook; JupyterLab lets users
edit tags, so each can be a tag as well (`timeout=10`, `concurrency=thread`, `stop-on-error=false`, `raises-exception`).
A key wins over a tag. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

Concurrency = Literal["task", "thread"]

# nbclient's word for "no time limit".
_NO_LIMIT: Final = -1
_SWITCHES: Final = {"true": True, "false": False, "": True}


class InvalidControl(ValueError):
    """The metadata of a request asks for something in a way that is not understood; the text names it."""


class Controls(NamedTuple):
    """`stop_on_error` is None where only the content of the request decides; `concurrency` None: in its turn."""

    timeout_s: float | None = None
    stop_on_error: bool | None = None
    concurrency: Concurrency | None = None
    measure_memory: bool = False

    def stops_queue(self, content: Mapping[str, Any]) -> bool:
        """Whether an error of this cell aborts those that are queued behind it."""
        if self.stop_on_error is not None:
            return self.stop_on_error
        return bool(content.get("stop_on_error", True))


NO_CONTROLS: Final = Controls()


def parse(metadata: Mapping[str, Any]) -> Controls:
    """Return what `metadata` asks for. Raises InvalidControl."""
    asked = _by_tags(metadata["tags"]) if metadata.get("tags") else {}
    for name in ("timeout", "stop_on_error", "concurrency", "measure_memory"):
        if metadata.get(name) is not None:
            asked[name] = metadata[name]
    if not asked:
        return NO_CONTROLS
    return Controls(
        _seconds(asked.get("timeout")),
        _truth("stop_on_error", asked.get("stop_on_error")),
        _concurrency(asked.get("concurrency")),
        _truth("measure_memory", asked.get("measure_memory")) or False,
    )


def _by_tags(tags: object) -> dict[str, Any]:
    if not isinstance(tags, list):
        raise InvalidControl(f"metadata: tags is {tags!r:.60}, not a list")
    asked: dict[str, Any] = {}
    for tag in tags:
        match str(tag).partition("="):
            case "raises-exception", "", _:
                asked.setdefault("stop_on_error", False)
            case "stop-on-error", _, value:
                asked["stop_on_error"] = _SWITCHES.get(value, value)
            case "timeout", "=", value:
                asked["timeout"] = _number(value)
            case "concurrency", "=", value:
                asked["concurrency"] = value
    return asked


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _seconds(value: object) -> float | None:
    if value is None or value == _NO_LIMIT:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf:
        return float(value)
    raise InvalidControl(f"metadata: timeout is {value!r:.60}, not a number of seconds above 0 (-1: no limit)")


def _truth(name: str, value: object) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    raise InvalidControl(f"metadata: {name} is {value!r:.60}, neither true nor false")


def _concurrency(value: object) -> Concurrency | None:
    if value is None or value in ("task", "thread"):
        return value
    raise InvalidControl(f"metadata: concurrency is {value!r:.60}, neither 'task' nor 'thread'")
