"""The completer of the shell: IPython's, which answers without jedi where jedi's answer is known beforehand.

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


class IPCompleter(completer.IPCompleter):
    """Named as IPython's: `%config IPCompleter` and config files mean this one."""

    def _jedi_matches(self, cursor_column: int, cursor_line: int, text: str) -> Iterator[Any]:
        before = text[: completer.cursor_to_position(text, cursor_line, cursor_column)]
        known = self._known(before)
        if known is None:
            matches: Iterator[Any] = super()._jedi_matches(cursor_column, cursor_line, text)
            return matches
        if before.endswith(".") and self.omit__names:
            hidden = re.compile("_" if self.omit__names == 2 else "__.*__$")
            known = [one for one in known if not hidden.match(one.name)]
        return iter(known)

    def _known(self, before: str) -> list[Known] | None:
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
            spaces = (self.namespace, self.global_namespace)
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


def install(shell: Any) -> None:
    """Put this completer, and quick listings of modules, in the place of IPython's."""
    shell.Completer.__class__ = IPCompleter  # IPython makes its own, by name
    for command in ("import", "from", "%aimport"):
        shell.set_hook("complete_command", _complete_module, priority=49, str_key=command)


def _complete_module(shell: Any, event: Any) -> list[str] | None:
    """Complete the first name of an import. None: IPython's completer is next."""
    words = event.line.split(" ")
    if len(words) != 2 or "." in words[1]:
        return None
    from . import modules

    return modules.names_for_ipython(event.symbol)
