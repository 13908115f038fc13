"""Cells that are Python as they stand: IPython's transformers would give them back unchanged, and need not be asked.

They tokenize the whole cell, look at each token in Python, and hash out what the first word of a single line might
mean: most of what IPython does for a small cell, and milliseconds for a long one. Whether there can be anything for
them is told by a few searches in C. The answer is "maybe" wherever somebody has changed IPython's own transformers.

The thread of the cell.
"""

from __future__ import annotations

import re
from typing import Any

from IPython.core.autocall import IPyAutocall
from IPython.core.inputtransformer2 import TransformerManager
from IPython.core.macro import Macro
from IPython.core.prefilter import PrefilterManager

_USUAL = TransformerManager()
# Odd line ends and NUL are the tokenizer's business. (Not in one set with those beyond ASCII: making that takes 70 ms.)
_ODD = re.compile("[\r\x0b\x0c\x1c-\x1e\x00]")
_ODD_BEYOND_ASCII = ("\x85", "\u2028", "\u2029")
# A line that is white space (IPython empties it), or begins with an escape of a single character.
_ODD_LINE = re.compile(r"\n(?:[^\S\n]+\n|[^\S\n]*[,;/])")
_FIRST_WORD = re.compile(r"[\w.*]*")


def is_plain(code: str) -> bool:
    """Whether IPython's own static transformers leave `code`, which ends in a line end, as it is."""
    return not (
        # Magics, commands, help.
        "%" in code
        or "!" in code
        or "?" in code
        # Prompts pasted along.
        or ">>>" in code
        or "In [" in code
        or "...:" in code
        or code[0].isspace()
        or code[0] in ",;/"
        or _ODD.search(code)
        or _ODD_LINE.search(code)
        or not (code.isascii() or _is_plain_beyond_ascii(code))
    )


def _is_plain_beyond_ascii(code: str) -> bool:
    try:
        code.encode()
    except UnicodeEncodeError:  # a lone surrogate
        return False
    return not any(odd in code for odd in _ODD_BEYOND_ASCII)


class PlainCells:
    """What one shell does to plain cells."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._checkers: list[Any] = list(shell.prefilter_manager.checkers)
        # The user may have registered some by now.
        usual = {f"{PrefilterManager.__module__}.{kind}" for kind in _CHECKERS}
        self._usual = {f"{type(one).__module__}.{type(one).__name__}" for one in self._checkers} <= usual

    def unchanged(self, raw_cell: str) -> str | None:
        """Return the cell as IPython would transform it, with a line end; None where IPython is to be asked."""
        shell = self._shell
        if not raw_cell or shell.input_transformers_post or not _is_usual(shell.input_transformer_manager):
            return None
        cell = raw_cell if raw_cell[-1] == "\n" else raw_cell + "\n"
        if not is_plain(cell):
            return None
        if cell.find("\n") == len(cell) - 1 and not self._is_plain_line(cell[:-1]):
            return None
        return cell

    def _is_plain_line(self, line: str) -> bool:
        """Whether the only line of a cell is no automagic, autocall or macro: its first word may be one."""
        shell = self._shell
        manager = shell.prefilter_manager
        if not self._usual or shell.autocall or manager.transformers or manager.checkers != self._checkers:
            return False
        if "#" in line:  # IPython has a checker for a comment
            return False
        word = _FIRST_WORD.match(line)[0]  # type: ignore[index]  # it matches anything
        if isinstance(shell.user_ns.get(word), (Macro, IPyAutocall)):
            return False
        if shell.automagic and shell.find_magic(word) and line[len(word) :].lstrip()[:1] not in ("=", ","):
            return False
        shell._last_input_line = line  # as IPython's prefilter does, for its crash reports
        return True


_CHECKERS = (
    "EmacsChecker",
    "MacroChecker",
    "IPyAutocallChecker",
    "AssignmentChecker",
    "AutoMagicChecker",
    "PythonOpsChecker",
    "AutocallChecker",
)


def _is_usual(manager: Any) -> bool:
    """Whether these are IPython's own transformers, and nobody has put any others among or around them."""
    return (
        type(manager) is TransformerManager
        and "transform_cell" not in vars(manager)
        and manager.cleanup_transforms == _USUAL.cleanup_transforms
        and manager.line_transforms == _USUAL.line_transforms
        and manager.token_transformers == _USUAL.token_transformers
    )
