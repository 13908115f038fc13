"""The functions that every session starts with. Sent as text and run in the kernel, in the thread that runs cells."""

from __future__ import annotations

import types
from typing import Any

FILE_NAME = "<stdlib>"


def load(shell: Any, source: str) -> dict[str, Any]:
    """Run `source` in the user's namespace, so that its functions see the user's variables; hide what it defines.

    Raises:
        Exception: whatever `source` raises; nothing that it defined until then stays.
    """
    namespace = shell.user_ns
    before = dict(namespace)
    # Tracebacks show the lines of what has no file only when linecache has them.
    import linecache

    linecache.cache[FILE_NAME] = (len(source), None, source.splitlines(keepends=True), FILE_NAME)
    missing = object()
    try:
        exec(compile(source, FILE_NAME, "exec"), namespace)
    except BaseException:
        for name in [name for name in namespace if namespace[name] is not before.get(name, missing)]:
            del namespace[name]
        namespace.update(before)
        raise
    defined = [name for name, value in namespace.items() if value is not before.get(name, missing)]
    for name in defined:
        shell.user_ns_hidden[name] = namespace[name]
    return {"names": [name for name in defined if not name.startswith("_")]}


def kinds(shell: Any, source: str) -> dict[str, Any]:
    """Run `source` apart and return what its names are: function (or class), module, other."""
    namespace: dict[str, Any] = {"__name__": "__main__", "__builtins__": __builtins__}
    exec(compile(source, FILE_NAME, "exec"), namespace)
    sorts: dict[str, list[str]] = {"functions": [], "modules": [], "other": []}
    for name, value in namespace.items():
        if name.startswith("_"):
            continue
        sort = "modules" if isinstance(value, types.ModuleType) else "functions" if callable(value) else "other"
        sorts[sort].append(name)
    return {**sorts, "count": sum(map(len, sorts.values()))}
