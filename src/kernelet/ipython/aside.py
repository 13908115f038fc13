"""What can be told about the user's objects without running any of the user's code: for answers while a cell runs.

The assistant's thread. A property, `__getattr__` or `__repr__` of a class made in the session may do anything, and
the code that runs in the main thread does not expect it; those of libraries are taken to be harmless.
"""

from __future__ import annotations

import inspect
import re
from typing import Any, Final

_MISSING: Final = object()
# Patterns, compiled when they are first needed.
_DOTTED: Final = r"([^\W\d]\w*(?:\.\w+)*)\.(\w*)$"
_AFTER_CALL_OR_SUBSCRIPT: Final = r"[)\]]\s*\.\s*\w*$"
_LOOKUPS = ("__getattr__", "__getattribute__", "__dir__", "__getitem__")
_LOOKS = (*_LOOKUPS, "__repr__", "__str__", "__len__", "__doc__", "__signature__", "__call__")


def find(namespaces: tuple[dict[str, Any], ...], path: str) -> Any:
    """Return what a dotted path leads to by plain attributes only. Raises LookupError where code would have to run."""
    first, *rest = path.split(".")
    for namespace in namespaces:
        if first in namespace:
            found = namespace[first]
            break
    else:
        raise LookupError(path)
    for name in rest:
        found = inspect.getattr_static(found, name, _MISSING)
        if found is _MISSING or hasattr(type(found), "__get__"):
            if inspect.isroutine(found):
                continue
            raise LookupError(path)
    return found


def defines(thing: Any, names: tuple[str, ...]) -> bool:
    """Whether a class of the session's, somewhere in the type of `thing`, defines one of `names` as code."""
    return any(
        one.__module__ == "__main__" and any(not isinstance(vars(one).get(name), str | None) for name in names)
        for one in type(thing).__mro__
    )


def names_of(thing: Any) -> list[str]:
    """Return the attributes of `thing` that are there without asking it."""
    own = inspect.getattr_static(thing, "__dict__", {})
    names = {name for one in type(thing).__mro__ for name in vars(one)}
    return sorted(names | set(own if isinstance(own, dict) else vars(thing)))


def completions(namespaces: tuple[dict[str, Any], ...], code: str) -> list[str] | None:
    """Return what may follow `code`, or None where nobody's code is in the way and IPython may look."""
    if re.search(_AFTER_CALL_OR_SUBSCRIPT, code):
        return []
    dotted = re.search(_DOTTED, code)
    if dotted is None:
        return None
    try:
        thing = find(namespaces, dotted[1])
    except LookupError:
        return None if dotted[1].split(".")[0] not in {name for one in namespaces for name in one} else []
    if not defines(thing, _LOOKUPS):
        return None
    return [name for name in names_of(thing) if name.startswith(dotted[2])]


def description(namespaces: tuple[dict[str, Any], ...], path: str) -> str | None:
    """Return what is known of an object without asking it, or None where IPython may ask it.

    Raises LookupError where code would have to run to reach it.
    """
    if not path:
        return None
    *before, _ = path.split(".")
    if not any(path.split(".")[0] in one for one in namespaces):
        return None
    holder = find(namespaces, ".".join(before)) if before else None
    if holder is not None and defines(holder, _LOOKUPS):
        raise LookupError(path)
    try:
        thing = find(namespaces, path)
    except LookupError:
        return None  # a property, or no such attribute: IPython does not call the one, and knows the other
    if not defines(thing, _LOOKS):
        return None
    kind = type(thing)
    return f"Type:      {kind.__name__}\nDocstring: {inspect.getdoc(kind) or '<no docstring>'}"
