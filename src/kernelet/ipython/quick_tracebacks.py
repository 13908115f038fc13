"""Spares the display of a traceback what it works out anew each time, although the result is the same.

Where IPython shows an error, inspect walks through all loaded modules, several times, to find that a cell is in no file
of theirs; a colour style is made and all its colours worked out; and for each function on the stack the rules of the
Python lexer are compiled. Any thread, one at a time.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Iterator
from importlib import import_module
from typing import Any
from weakref import WeakKeyDictionary


def quicken(tb: Any) -> None:
    """Prepare for the display of a traceback; from the second one on, since nothing of it is loaded for the first."""
    while tb is not None:
        frame = tb.tb_frame
        if frame.f_globals.get("__name__") == "__main__":
            inspect.modulesbyfile.setdefault(inspect.getabsfile(frame), "__main__")
        tb = tb.tb_next
    if "stack_data" in sys.modules:
        _keep_styles()
        _keep_lexer()


@functools.cache
def _keep_styles() -> None:
    """Let the colours of each style be worked out once."""
    formatter: Any = import_module("pygments.formatters.terminal256").Terminal256Formatter
    stack_data: Any = import_module("stack_data")
    stack_data.style_with_executing_node = functools.lru_cache(16)(stack_data.style_with_executing_node)
    set_up = formatter._setup_styles
    known: WeakKeyDictionary[Any, dict[Any, dict[str, Any]]] = WeakKeyDictionary()

    def once(self: Any) -> None:
        of_style = known.setdefault(self.style, {})
        options = (type(self), self.usebold, self.useunderline, self.useitalic)
        if options in of_style:
            self.style_string = dict(of_style[options])
        else:
            set_up(self)
            of_style[options] = dict(self.style_string)

    formatter._setup_styles = once


@functools.cache
def _keep_lexer() -> None:
    """Let one class of lexers mark what is executed: pygments compiles the rules of each class anew."""
    pygments: Any = import_module("pygments")
    python_lexer: Any = import_module("pygments.lexers.python").Python3Lexer
    core: Any = import_module("stack_data.core")
    if not hasattr(core, "_pygmented_with_ranges"):  # another version
        return

    class Marking(python_lexer):  # type: ignore[misc]  # pygments has no types
        ranges: list[tuple[int, int]] = []

        def get_tokens(self, text: str, *args: Any) -> Iterator[tuple[Any, str]]:
            at = 0
            for kind, value in super().get_tokens(text, *args):
                marked = any(start <= at < end for start, end in self.ranges)
                at += len(value)
                yield (kind.ExecutingNode if marked else kind), value

    def lines(formatter: Any, code: str, ranges: list[tuple[int, int]]) -> list[str]:
        lexer = Marking(stripnl=False)
        lexer.ranges = ranges
        try:
            shown: str = pygments.highlight(code, lexer, formatter)
        except Exception:  # noqa: BLE001  # whatever pygments trips over: the code is shown without colours
            shown = code
        return shown.splitlines()

    core._pygmented_with_ranges = lines
