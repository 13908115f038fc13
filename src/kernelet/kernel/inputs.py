"""The inputs of one session, for kernels without a history of their own. Main thread; `rows` in any."""

from __future__ import annotations

import fnmatch

from ..protocol.message import Content

_SESSION = 1


class Inputs:
    """The code of the cells, in order."""

    def __init__(self) -> None:
        self.codes: list[str] = []

    def rows(self, asked: Content) -> list[list[object]]:
        """Return what a history_request asks for: [session, number, input], or [input, None] with `output`."""
        rows = [(number, code) for number, code in enumerate(self.codes, 1)]
        kind, count = asked.get("hist_access_type"), asked.get("n")
        if kind == "range":
            start, stop = asked.get("start") or 1, asked.get("stop")
            rows = [row for row in rows if row[0] >= start and (stop is None or row[0] < stop)]
        elif kind == "search":
            rows = [row for row in rows if fnmatch.fnmatch(row[1], asked.get("pattern") or "*")]
        if isinstance(count, int) and kind != "range":
            rows = rows[-count:] if count > 0 else []
        return [[_SESSION, number, [code, None] if asked.get("output") else code] for number, code in rows]
