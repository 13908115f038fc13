"""Completions that are jedi's without jedi: where its answer is known beforehand.

That is after `import` and `from`, and after the name of a variable whose value is a string, a number or a container of
Python's own. jedi takes 90 ms to load and 10 for each answer. Any thread.
"""

from __future__ import annotations

import inspect
import io
import re
import tokenize
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from IPython.core import completer

# Their attributes are those of their type: nobody can add one, and looking runs no code of the user's.
_PLAIN: Final = frozenset({str, int, float, complex, bool, bytes, bytearray, list, tuple, dict, set, frozenset, range})
# Patterns, compiled when they are first needed: most kernels are never asked.
_IMPORT: Final = r"\s*(?:import|from)\s+(\w*)$"
# What stands before the name is a part of an expression, without strings and comments.
_DOTTED: Final = r"(?:[\w\s.,:=(\[{+*/<>-]*[\s,:=(\[{+*/<>-])?([^\W\d]\w*)\.(\w*)$"
_NO_EXPRESSION: Final = r"\b(?:import|from|def|class|global|nonlocal|lambda|as|except|async|match|case|type)\b"
_STAR: Final = r"\bimport\s*\*"
# How C code writes the signature of a method: "($self, /, sep=None)". inspect.signature needs 0.1 ms for each.
_SELF: Final = r"(?s)\(\$\w+(?:, /)?(?:, )?(.*\))$"
# And where it does not, the docstring may tell: "D.pop(k[,d]) -> v, remove specified key and return the value."
_TOLD: Final = r"[\w.]+\(([^)]*\)(?: -> \w+)?)"


class Known(NamedTuple):
    """A completion, with the names that IPython uses of jedi's."""

    name: str
    type: str
    parameters: str
    typed: int

    @property
    def name_with_symbols(self) -> str:
        return self.name

    @property
    def complete(self) -> str:
        """The rest of the name, after what is typed."""
        return self.name[self.typed :]

    def get_signatures(self) -> list[Known]:
        """Return this, as the signature of itself."""
        return [self]

    def to_string(self) -> str:
        """Return the signature."""
        return f"{self.name}({self.parameters}"


def jedi_matches(ours: completer.IPCompleter, cursor_column: int, cursor_line: int, text: str) -> Iterator[Any]:
    """Return what `IPCompleter._jedi_matches` returns."""
    before = text[: completer.cursor_to_position(text, cursor_line, cursor_column)]
    found = known(ours, before)
    if found is None:
        from .jedi_cache import mend

        mend()
        matches: Iterator[Any] = completer.IPCompleter._jedi_matches(ours, cursor_column, cursor_line, text)
        return matches
    if before.endswith(".") and ours.omit__names:
        hidden = "_" if ours.omit__names == 2 else "__.*__$"
        found = [one for one in found if not re.match(hidden, one.name)]
    return iter(found)


def known(ours: Any, before: str) -> list[Known] | None:
    """Return what jedi would find, in its order; None where only jedi knows."""
    above, _, line = before.rpartition("\n")
    if re.match(_IMPORT, line) and "sys.path" not in above:
        from . import modules  # most kernels are never asked

        names = modules.names_for_jedi()
        if names is None:
            return None
        found = [(name, "module", "") for name in names]
        typed = line.split()[1] if line[-1:].strip() else ""
    elif (dotted := re.match(_DOTTED, line)) and not re.search(_NO_EXPRESSION, line):
        name, typed = dotted.groups()
        spaces = (ours.namespace, ours.global_namespace)
        value = next((space[name] for space in spaces if space and name in space), None)
        if type(value) not in _PLAIN or len(re.findall(rf"\b{name}\b", before)) > 1 or re.search(_STAR, above):
            return None
        found = attributes(value)
    else:
        return None
    if above and not _whole(above):
        return None
    matching = [Known(*one, len(typed)) for one in found if one[0].startswith(typed)]
    return sorted(matching, key=lambda one: (one.name.startswith("__"), one.name.startswith("_"), one.name.lower()))


def _whole(lines: str) -> bool:
    """Whether a new statement may follow `lines`: no string, bracket or continued line is open."""
    if lines.endswith("\\"):
        return False
    try:
        for _ in tokenize.generate_tokens(io.StringIO(lines + "\n").readline):
            pass
    except (tokenize.TokenError, SyntaxError):
        return False
    return True


_attributes: dict[type, list[tuple[str, str, str]]] = {}


def attributes(value: object) -> list[tuple[str, str, str]]:
    """Return name, type and signature (after its bracket) of each attribute of a value of one of the plain types."""
    kind = type(value)
    if kind not in _attributes:
        _attributes[kind] = [(name, *_described(getattr(value, name))) for name in dir(value)]
    return _attributes[kind]


def _described(attribute: Any) -> tuple[str, str]:
    if inspect.isclass(attribute):
        return "class", ""
    if not (inspect.isbuiltin(attribute) or inspect.ismethoddescriptor(attribute)):
        return "instance", ""
    written = re.match(_SELF, getattr(attribute, "__text_signature__", None) or "")
    if written is not None and "sys." not in written[1] and "<" not in written[1]:
        return "function", written[1]
    try:
        return "function", str(inspect.signature(attribute))[1:]
    except ValueError:
        told = re.match(_TOLD, attribute.__doc__ or "")
        return "function", told[1] if told else "?)"
