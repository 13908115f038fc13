"""Questions about code and history: complete, inspect, is_complete, history.

The thread of the lane that a request was routed to; the assistant's while main runs a cell.
"""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING, Any

from IPython.utils.tokenutil import token_at_cursor

from ..protocol.message import Content
from . import aside
from .completions import complete
from .contexts import InLanes

if TYPE_CHECKING:
    from .shell import ZMQInteractiveShell


class Questions(InLanes):
    """Answers them."""

    shell: ZMQInteractiveShell

    def complete(self, request: Any) -> Content:
        code, cursor = _code_and_cursor(request.content)
        if self._is_aside():
            names = aside.completions(self._namespaces(), code[:cursor])
            if names is not None:
                start = cursor - len(code[:cursor].rpartition(".")[2])
                return {"matches": names, "cursor_start": start, "cursor_end": cursor, "metadata": {}}
        reply: Content = self._in_cell_context(complete, self.shell, code, cursor)
        return reply

    def _namespaces(self) -> tuple[dict[str, Any], ...]:
        return self.shell.user_ns, vars(builtins)

    def inspect(self, request: Any) -> Content:
        code, cursor = _code_and_cursor(request.content)
        detail = 1 if request.content.get("detail_level") == 1 else 0
        name = token_at_cursor(code, cursor)
        omit = tuple(request.content.get("omit_sections", ()))
        try:
            known = aside.description(self._namespaces(), name) if self._is_aside() else None
            if known is not None:
                return {"found": True, "data": {"text/plain": known}, "metadata": {}}
            data = self._in_cell_context(self.shell.object_inspect_mime, name, detail_level=detail, omit_sections=omit)
        except LookupError:
            return {"found": False, "data": {}, "metadata": {}}
        if not self.shell.enable_html_pager:
            data.pop("text/html", None)
        return {"found": True, "data": data, "metadata": {}}

    def is_complete(self, request: Any) -> Content:
        status, indent = self.shell.input_transformer_manager.check_complete(request.content["code"])
        reply: Content = {"status": status}
        if status == "incomplete":
            reply["indent"] = " " * (indent or 0)
        return reply

    def history(self, request: Any) -> Content:
        """Return history as [session, line, input] or [session, line, [input, output]]."""
        get = request.content.get
        manager = self.shell.history_manager
        assert manager is not None
        raw, output, kind = bool(get("raw", True)), bool(get("output", False)), get("hist_access_type")
        if kind == "tail":
            rows = manager.get_tail(_number(get("n")), raw=raw, output=output, include_latest=True)
        elif kind == "range":
            session = _number(get("session")) or 0
            start, stop = _number(get("start")) or 1, _number(get("stop"))
            rows = manager.get_range(session, start, stop, raw=raw, output=output)
            if session == manager.session_number:
                # IPython calls its own session 0; who asks by number gets the number.
                rows = [(session, *row[1:]) for row in rows]
        elif kind == "search":
            pattern, number, unique = get("pattern") or "*", _number(get("n")), bool(get("unique", False))
            rows = manager.search(pattern, raw=raw, output=output, n=number, unique=unique)
        else:
            raise ValueError(f"hist_access_type is {kind!r}, not tail, range or search")
        return {"history": list(rows)}


def _number(value: Any) -> int | None:
    """Return a whole number of a history_request, or None where it has none. Raises TypeError for anything else."""
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise TypeError(f"{value!r} is not a whole number")


def _code_and_cursor(content: Content) -> tuple[str, int]:
    """Return code and cursor position in code points; without one, the end."""
    code = content["code"]
    cursor = content.get("cursor_pos")
    return code, cursor if isinstance(cursor, int) and 0 <= cursor <= len(code) else len(code)
