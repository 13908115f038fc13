"""The user's variables as a debugger's panel shows them, with no debugging needed: names, values, what is in them.

pydevd describes values (its resolvers know numpy arrays and pandas frames), so that a panel looks the same whether
code is stopped or not. References to variables made here are numbers that debugpy does not count up to.
The thread beside the debugger's: what it looks at may be the user's code.
"""

from __future__ import annotations

import ast
import itertools
import re
from types import SimpleNamespace
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from ..protocol.message import Content
from ..runtime.debug_adapter import import_debugpy
from .debug_reply import DebugError

# Still exact in JavaScript, whose numbers have 53 bits.
_FIRST_REFERENCE = 1 << 40
_MADE_BY_IPYTHON = re.compile(r"_{1,3}|_i{1,3}|_i?\d+|_[oid]h")
_HIDDEN = frozenset(
    {
        *("In", "Out", "get_ipython", "exit", "quit", "open", "debugpy", "__session__", "__display__"),
        *("__name__", "__doc__", "__package__", "__loader__", "__spec__", "__annotations__"),
        *("__builtins__", "__builtin__"),
    }
)
# A name, and what is reached from it without calling anything that the user did not write as an operator.
_LOOKS = (
    *(ast.Expression, ast.Name, ast.Attribute, ast.Subscript, ast.Constant, ast.Slice),
    *(ast.Load, ast.UnaryOp, ast.USub, ast.Tuple),
)


def is_hidden(name: str) -> bool:
    """Whether a name of the user namespace is there without the user having put it there."""
    return name in _HIDDEN or _MADE_BY_IPYTHON.fullmatch(name) is not None


class Explorer:
    """Describes the user namespace. References live until the next `inspect`."""

    def __init__(self, shell: InteractiveShell) -> None:
        import_debugpy()
        from _pydevd_bundle.pydevd_api import PyDevdAPI
        from _pydevd_bundle.pydevd_suspended_frames import _FrameVariable, _ObjectVariable

        self._shell = shell
        self._frame_variable, self._object_variable = _FrameVariable, _ObjectVariable
        self._numbers = itertools.count(_FIRST_REFERENCE)
        self._by_reference: dict[int, Any] = {}
        # What pydevd's variables ask of their debugger.
        self._debugger = SimpleNamespace(variable_presentation=PyDevdAPI.VariablePresentation())

    def inspect(self) -> list[Content]:
        """Return the variables of the namespace."""
        self._by_reference.clear()
        hidden = self._shell.user_ns_hidden
        names = {
            name: value
            for name, value in list(self._shell.user_ns.items())
            if not is_hidden(name) and not (name in hidden and hidden[name] is value)
        }
        frame = SimpleNamespace(f_code=SimpleNamespace(co_name="<module>"), f_locals=names, f_globals=names)
        children = self._frame_variable(self._debugger, frame, _forget).get_children_variables()
        return [self._describe(child) for child in children]

    def knows(self, reference: object) -> bool:
        """Whether a reference is one of ours. Any thread."""
        return reference in self._by_reference

    def children(self, reference: int) -> list[Content]:
        """Return what is in a variable."""
        variable = self._by_reference.get(reference)
        if variable is None:
            raise DebugError("these variables are gone: inspect them again")
        return [self._describe(child) for child in variable.get_children_variables()]

    def describe(self, name: str, value: Any) -> Content:
        """Return the description of one value."""
        return self._describe(self._object_variable(self._debugger, name, value, _forget, evaluate_name=name))

    def _describe(self, variable: Any) -> Content:
        data: Content = variable.get_var_data()
        if data["variablesReference"]:
            data["variablesReference"] = reference = next(self._numbers)
            self._by_reference[reference] = variable
        return data

    def look(self, expression: str) -> Any:
        """Return the value that an expression has in the namespace. Raises DebugError."""
        checked_look(expression)
        try:
            return eval(expression, self._shell.user_global_ns, self._shell.user_ns)
        except Exception as error:  # noqa: BLE001  # whatever the user's code raises is the answer
            raise DebugError(f"{type(error).__name__}: {error}") from None

    def assign(self, name: str, value: Any) -> Content:
        """Give a value a name in the namespace, and describe it."""
        self._shell.user_ns[name] = value
        return {"presentationHint": {}, **self.describe(name, value)}

    def rich(self, value: Any) -> Content:
        """Return a value in all the formats that it can be shown in."""
        data, metadata = self._shell.display_formatter.format(value)  # type: ignore[union-attr]  # made by __init__
        return {"data": data, "metadata": {kind: more for kind, more in metadata.items() if kind in data}}


def _forget(variable: Any) -> None:
    """pydevd would number the variable now; we do when it is described."""


def checked_look(expression: str) -> None:
    """Accept a name with attributes and subscripts, nothing that calls or assigns. Raises DebugError."""
    try:
        tree = ast.parse(expression, mode="eval")
    except (SyntaxError, ValueError):
        raise DebugError(f"{expression!r} is not the name of a variable") from None
    if not all(isinstance(node, _LOOKS) for node in ast.walk(tree)):
        raise DebugError(f"{expression!r} is not the name of a variable")


def identifier(arguments: Content, name: str) -> str:
    """Return an argument that must be a Python name. Raises DebugError."""
    value = arguments.get(name)
    if not isinstance(value, str) or not value.isidentifier():
        raise DebugError(f"{name} must be a valid identifier, not {value!r}")
    return value


class Kept:
    """Values that code evaluated in a stopped frame leaves for us: any object, with no way through its text."""

    def __init__(self) -> None:
        self._numbers = itertools.count()
        self._values: dict[int, Any] = {}

    def expression(self, value: str, rich: bool = False) -> tuple[int, str]:
        """Return a number, and the expression that puts the value of another one under that number."""
        number = next(self._numbers)
        how = "rich" if rich else "plain"
        return number, f"__import__({__name__!r}, None, None, ['kept']).kept.{how}({number}, ({value}))"

    def plain(self, number: int, value: Any) -> None:
        """Keep a value. The stopped thread."""
        self._values[number] = value

    def rich(self, number: int, value: Any) -> None:
        """Keep a value as it is shown. The stopped thread: it is the user's code that makes the picture."""
        self._values[number] = InteractiveShell.instance().display_formatter.format(value)  # type: ignore[union-attr]

    def take(self, number: int) -> Any:
        """Return what was kept, and forget it. Raises KeyError."""
        return self._values.pop(number)


# The one thing here that is found by import: the expression runs in any frame, whatever that calls its names.
kept = Kept()
