"""What linecache has of a cell: an entry as any other, except that it keeps the text, not a list of its lines.

IPython's entry is a third of what a short cell leaves in memory for good (200 bytes; this 48, and the text is the one
that the history keeps). Lines are asked for by tracebacks and inspect.getsource: few cells' ever are. Any thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, overload


class CellSource:
    """The entry `(size, mtime, lines, fullname)`. Not a tuple, but behaves as one. `mtime` None: it never grows old."""

    __slots__ = ("_code", "_name")

    def __init__(self, code: str, name: str) -> None:
        self._code = code
        self._name = name

    def _entry(self) -> tuple[int, None, list[str], str]:
        lines = [line + "\n" for line in self._code.splitlines()]
        return sum(map(len, lines)), None, lines, self._name

    def __len__(self) -> int:
        return 4

    def __iter__(self) -> Iterator[Any]:
        return iter(self._entry())

    @overload
    def __getitem__(self, at: int) -> Any: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[Any, ...]: ...
    def __getitem__(self, at: int | slice) -> Any:
        return self._entry()[at]

    def __eq__(self, other: object) -> bool:
        return self._entry() == (other._entry() if isinstance(other, CellSource) else other)

    __hash__ = None  # type: ignore[assignment]  # as of a tuple that has a list in it
