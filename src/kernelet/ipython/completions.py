"""Completions as a complete_reply tells them: matches, their span in code points, and their types."""

from __future__ import annotations

import copy
import threading
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.completer import Completion
    from IPython.core.interactiveshell import InteractiveShell


_TYPES = "_jupyter_types_experimental"


def complete(shell: InteractiveShell, code: str, cursor: int) -> dict[str, Any]:
    """Return the content of a complete_reply for `code` at `cursor` (code points).

    Source: https://jupyter-client.readthedocs.io/en/stable/messaging.html#completion
    """
    from IPython.core.completer import rectify_completions  # not before somebody completes: `late_completer.py`

    completions = list(rectify_completions(code, _completions(shell, code, cursor)))
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


def _completions(shell: InteractiveShell, code: str, cursor: int) -> list[Completion]:
    """Return IPython's completions. It makes an error of its own warning that Completion is a provisional class.

    Not `provisionalcompleter()`: it saves and restores the process's warning filters, and so does what it finds when a
    cell in another thread changes them at the same time. An added filter harms nobody; one taken away is added again.
    """
    from IPython.core.completer import ProvisionalCompleterWarning

    completer: Any = shell.Completer
    if threading.current_thread() is not threading.main_thread():
        # It keeps the line that it completes in its attributes, and a cell or main may complete at the same time. The
        # copy shares everything that user code has set.
        completer = copy.copy(completer)
    while True:
        warnings.filterwarnings("ignore", category=ProvisionalCompleterWarning)
        try:
            return list(completer.completions(code, cursor))
        except ProvisionalCompleterWarning:
            continue


def install(shell: Any) -> None:
    """Let the shell's completer answer without jedi where it can, and list modules quickly.

    What answers is imported when it is first asked. Not a subclass: a class with traits takes 2 ms to make.
    """

    def jedi_matches(cursor_column: int, cursor_line: int, text: str) -> Iterator[Any]:
        from .completer import jedi_matches

        return jedi_matches(shell.Completer, cursor_column, cursor_line, text)

    shell.Completer._jedi_matches = jedi_matches
    for command in ("import", "from", "%aimport"):
        shell.set_hook("complete_command", _complete_module, priority=49, str_key=command)  # IPython's has 50


def _complete_module(shell: Any, event: Any) -> list[str] | None:
    """Complete the first name of an import. None: IPython's completer is next."""
    words = event.line.split(" ")
    if len(words) != 2 or "." in words[1]:
        return None
    from .modules import names_for_ipython

    return names_for_ipython(event.symbol)
