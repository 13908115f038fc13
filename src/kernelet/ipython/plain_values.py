"""Numbers, texts and containers of Python itself: text/plain alone is asked what they look like.

IPython asks twelve formatters about every value, most of what a display or a result costs. A value of a builtin
type has no `_repr_html_` and no other such method, and cannot be given one; so what a formatter may have for it is in
its registries, and those are looked at here, in a tenth of the time. Where one has something, IPython asks them all.
"""

from __future__ import annotations

import functools
from typing import Any, Final

from IPython.core import formatters
from IPython.core.formatters import DisplayFormatter

_TEXT: Final = "text/plain"
_TYPES: Final = (int, float, complex, bool, str, bytes, type(None), list, tuple, dict, set, frozenset)
# Of each type what the registries may have it under: its classes, and their names.
_KEYS: Final = {kind: (kind.__mro__, tuple(("builtins", each.__name__) for each in kind.__mro__)) for kind in _TYPES}
# They look nowhere but in their registries and for a method of the value. Others do what they like.
_ASKED_BY_TYPE: Final = frozenset(
    {
        formatters.HTMLFormatter,
        formatters.MarkdownFormatter,
        formatters.SVGFormatter,
        formatters.PNGFormatter,
        formatters.PDFFormatter,
        formatters.JPEGFormatter,
        formatters.LatexFormatter,
        formatters.JSONFormatter,
        formatters.JavascriptFormatter,
        formatters.MimeBundleFormatter,
    }
)


def install(formatter: DisplayFormatter | None) -> None:
    """Make `formatter.format` ask no more formatters than it has to. Not a subclass: that takes 1 ms of a start."""
    assert formatter is not None  # its trait would allow it
    ask_all = formatter.format

    @functools.wraps(ask_all)
    def format(obj: Any, include: Any = None, exclude: Any = None) -> Any:  # noqa: A001  # IPython's name
        if type(obj) in _KEYS and not include and not exclude and _is_text_alone(formatter, obj):
            include = (_TEXT,)
        return ask_all(obj, include, exclude)

    formatter.format = format  # type: ignore[method-assign]  # see above


def _is_text_alone(formatter: DisplayFormatter, value: Any) -> bool:
    """Whether no formatter but that of text/plain has anything for a value of `_TYPES`."""
    others = [each for mime, each in formatter.formatters.items() if mime != _TEXT]
    return not any(_may_have(each, value) for each in (formatter.mimebundle_formatter, *others))


def _may_have(formatter: Any, value: Any) -> bool:
    if type(formatter) not in _ASKED_BY_TYPE:
        return True
    # What a trait's descriptor returns once it was asked for, in a tenth of the time.
    made = formatter._trait_values
    try:
        by_id, by_type, by_name = made["singleton_printers"], made["type_printers"], made["deferred_printers"]
    except KeyError:  # not yet
        return True
    classes, names = _KEYS[type(value)]
    return bool(
        (by_id and id(value) in by_id)
        or (by_type and not by_type.keys().isdisjoint(classes))
        or (by_name and not by_name.keys().isdisjoint(names))
    )
