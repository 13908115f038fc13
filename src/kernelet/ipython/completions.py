"""Completions as a complete_reply tells them: matches, their span in code points, and their types."""

from __future__ import annotations

from typing import Any

from IPython.core.completer import provisionalcompleter, rectify_completions
from IPython.core.interactiveshell import InteractiveShell

_TYPES = "_jupyter_types_experimental"


def complete(shell: InteractiveShell, code: str, cursor: int) -> dict[str, Any]:
    """Return the content of a complete_reply for `code` at `cursor` (code points).

    Source: https://jupyter-client.readthedocs.io/en/stable/messaging.html#completion
    """
    with provisionalcompleter():
        completions = list(rectify_completions(code, shell.Completer.completions(code, cursor)))
    start, end = (completions[0].start, completions[0].end) if completions else (cursor, cursor)
    described = [
        {"start": one.start, "end": one.end, "text": one.text, "type": one.type, "signature": one.signature}
        for one in completions
    ]
    return {
        "matches": [one.text for one in completions],
        "cursor_start": start,
        "cursor_end": end,
        "metadata": {_TYPES: described},
    }
