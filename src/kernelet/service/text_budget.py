"""Text within a budget: the beginning and the end of what a stream said, and how much was left out between them.

Pure values, no thread of its own. Memory is bounded by the budget, whatever arrives: the caller's `spill` takes the
whole text as soon as it is clear that it does not fit.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

HEAD_SHARE: Final = 0.7
"""How much of the budget goes to the beginning; the rest goes to the end."""

_ANSI: Final = re.compile(
    r"\x1b(?:"
    r"\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor movements
    r"|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)"  # OSC and its like: titles, links
    r"|[ -/]*[0-~]"  # two or more characters
    r")"
)


def strip_ansi(text: str) -> str:
    """Return `text` without the escape sequences of terminals."""
    return _ANSI.sub("", text) if "\x1b" in text else text


def collapse_carriage_returns(line: str) -> str:
    """Return what a terminal shows of one line (its `\\n` excluded): text after a `\\r` overwrites what stood there."""
    if "\r" not in line:
        return line
    shown = ""
    for piece in line.split("\r"):
        shown = piece + shown[len(piece) :]
    return shown


def omission(omitted: int, total: int, full_text: str | None) -> str:
    """Return the line that stands for `omitted` of `total` characters; `full_text` says where the whole is."""
    where = f"; full text: {full_text}" if full_text else ""
    return f"... [{omitted} of {total} chars omitted{where}] ..."


class TextBudget:
    """What one stream said: `add` pieces as they come, then `finish`, then ask for `text()`.

    Progress bars are collapsed before anything is counted: `total` counts what a terminal would show.
    """

    __slots__ = ("_head", "_head_limit", "_limit", "_open", "_spill", "_spilling", "_tail", "_tail_limit", "total")

    def __init__(self, limit: int, spill: Callable[[str], object] | None = None) -> None:
        """Keep at most `limit` characters.

        `spill` is called with everything said so far once the limit is passed, and with every later piece.
        """
        if limit < 0:
            raise ValueError(f"a budget of {limit} characters")
        self._limit = limit
        self._head_limit = int(limit * HEAD_SHARE)
        self._tail_limit = limit - self._head_limit
        self._spill = spill
        self._spilling = False
        self._open = ""  # the line that a `\r` may still overwrite
        self._head = ""
        self._tail = ""
        self.total = 0

    def add(self, text: str) -> None:
        """Take a piece of text, cut anywhere."""
        before, newline, last = text.rpartition("\n")
        if newline:
            lines = (self._open + before).split("\n")
            # The `\r` of a `\r\n` ends a line; it overwrites nothing.
            whole = "\n".join([collapse_carriage_returns(line.rstrip("\r")) for line in lines])
            self._keep(whole + "\n")
            self._open = last
        else:
            self._open += last
        if len(self._open) > 2 * self._limit:
            _, _, cursor_at = self._open.rpartition("\r")
            shown = collapse_carriage_returns(self._open)
            if len(shown) > self._limit:  # a line this long is no progress bar
                self._keep(shown)
                self._open = "\r" if self._open.endswith("\r") else ""
            else:
                # What was written since the last `\r` says where the next text goes.
                self._open = f"{shown}\r{cursor_at}"

    def finish(self) -> None:
        """Take the last line, which has no newline, as final."""
        self._keep(collapse_carriage_returns(self._open.rstrip("\r")))
        self._open = ""

    @property
    def truncated(self) -> bool:
        """Whether anything is left out of `text()`."""
        return self.total > self._limit

    @property
    def kept(self) -> int:
        """How many characters of the stream are in `text()`."""
        return min(self.total, self._limit)

    def text(self, full_text: str | None = None) -> str:
        """Return the text, or its beginning and its end around a line that says what is missing.

        Args:
            full_text: where the caller put what `spill` was given.
        """
        if not self.truncated:
            return self._head + self._tail
        notice = omission(self.total - self.kept, self.total, full_text)
        tail = self._tail[-self._tail_limit :] if self._tail_limit else ""
        head = self._head[: self._head_limit]
        gap = "" if not head or head.endswith("\n") else "\n"
        return f"{head}{gap}{notice}\n{tail.removeprefix(chr(10))}"

    def _keep(self, text: str) -> None:
        if not text:
            return
        self.total += len(text)
        if self._spilling:
            assert self._spill is not None
            self._spill(text)
        elif self._spill is not None and self.total > self._limit:
            self._spilling = True
            self._spill(self._head + self._tail + text)
        room = self._head_limit - len(self._head)
        if room > 0:
            self._head += text[:room]
            text = text[room:]
        self._tail += text
        # Twice the limit, so that a stream of small pieces is copied now and then, not each time.
        if len(self._tail) > 2 * self._tail_limit and self.total > self._limit:
            self._tail = self._tail[-self._tail_limit :] if self._tail_limit else ""


def fit_text(text: str, limit: int, full_text: str | None = None) -> str:
    """Return `text` within `limit` characters, with the line that says what is missing on top of them."""
    if len(text) <= limit:
        return text
    budget = TextBudget(limit)
    # Not `add`: a result is not a stream, and what it does with `\r` is its own affair.
    budget._keep(text)
    return budget.text(full_text)


def fit_lines(lines: Sequence[str], limit: int, *, keep_ansi: bool = False) -> list[str]:
    """Return the lines of a traceback within `limit` characters, without colours unless `keep_ansi`."""
    plain = list(lines) if keep_ansi else [strip_ansi(line) for line in lines]
    if sum(map(len, plain)) + len(plain) <= limit:
        return plain
    return fit_text("\n".join(plain), limit).split("\n")
