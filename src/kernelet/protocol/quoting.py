"""Long texts as JSON, several times as fast as the json module writes them: it looks at every character by itself.

Pure; any thread. Of the 34 characters that JSON escapes a text holds few kinds: for each of them one search of the C
library (memchr) tells whether it is there at all, and `bytes.replace` goes from one to the next. Measured per MB: lines
of 100 characters 0.5 ms, json 2.3; base64 0.4 and 2.2. Where every sixth character is escaped, both take the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final, TypeAlias

# Texts of so many characters are worth it: below about 1000 the 34 searches take longer than json does.
LONG_CHARS: Final = 2048
# The backslash first: the others' escapes have one.
_ESCAPES: Final = tuple(
    (ord(char), char.encode(), json.dumps(char)[1:-1].encode()) for char in ("\\", '"', *map(chr, range(0x20)))
)
# Stands for a long text in what json writes. It cannot be there otherwise: JSON has no control characters.
_MARK: Final = "\0"
_MARK_QUOTED: Final = f'"{_MARK}"'
_DEPTH: Final = 3

Quote: TypeAlias = Callable[[str], str]
quote_short: Quote = json.encoder.encode_basestring  # not only ASCII


def escaped(text: str) -> bytes:
    """Return what a JSON text has between its quotes. Raises UnicodeEncodeError for a lone surrogate."""
    raw = text.encode()
    for code, char, escape in _ESCAPES:
        if code in raw:
            raw = raw.replace(char, escape)
    return raw


def holds_long_text(value: dict[str, Any], depth: int = _DEPTH) -> bool:
    """Whether a dict has a long text in it, or in dicts in it: where display data and widgets' states have theirs."""
    for item in value.values():
        kind = type(item)
        if (kind is str and len(item) >= LONG_CHARS) or (
            kind is dict and depth > 1 and item and holds_long_text(item, depth - 1)
        ):
            return True
    return False


def dumps_with_long_texts(value: Any, encoder: Callable[[Quote], Callable[[Any], str]]) -> bytes:
    """Return `value` as JSON. `encoder(quote)` writes it but for its texts; the long ones are left out and put in here.

    Raises what that does, and UnicodeEncodeError for a lone surrogate.
    """
    texts: list[bytes] = []

    def quote(text: str) -> str:
        if len(text) < LONG_CHARS or type(text) is not str:  # a subclass may have an `encode` of its own
            return quote_short(text)
        texts.append(escaped(text))
        return _MARK_QUOTED

    between = encoder(quote)(value).encode().split(_MARK.encode())
    return b"".join([part for pair in zip(between, [*texts, b""], strict=True) for part in pair])
