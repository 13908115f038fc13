"""The files that a debugger shows and stops in: cells, modules, and the breakpoints set in them.

The debugger's thread. Needs no debugpy.
"""

from __future__ import annotations

import linecache
import os
import sys
import tokenize
from pathlib import Path
from typing import Any

from ..protocol.message import Content
from . import cell_name
from .debug_reply import DebugError, source_path, text_argument


class Sources:
    """Remembers breakpoints by source, as the front end finds them again in debugInfo."""

    def __init__(self) -> None:
        self.breakpoints: dict[str, list[Content]] = {}

    def dump_cell(self, arguments: Content) -> Content:
        """Write a cell's text where its code says that it is from."""
        code = text_argument(arguments, "code")
        path = Path(cell_name.file_name(code))
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.write_bytes(code.encode("utf-8", "replace"))  # bytes: line ends stay as they are
        except OSError as error:
            raise DebugError(f"cannot write the cell to {path}: {error.strerror}") from None
        return {"sourcePath": str(path)}

    def source(self, arguments: Content) -> Content:
        """Return the text of a file, or of a cell that ran and was never dumped."""
        path = source_path(arguments)
        try:
            with tokenize.open(path) as file:
                return {"content": file.read(), "mimeType": "text/x-python"}
        except (OSError, SyntaxError, UnicodeDecodeError) as error:
            lines = linecache.getlines(path)
            if not lines:
                raise DebugError(f"source unavailable: {error}") from None
            return {"content": "".join(lines), "mimeType": "text/x-python"}

    def remember(self, arguments: Content, body: Any) -> None:
        """Keep the breakpoints of one source, each on the line that debugpy moved it to."""
        asked = [dict(one) for one in arguments.get("breakpoints") or ()]
        actual = body.get("breakpoints") or () if isinstance(body, dict) else ()
        for wanted, placed in zip(asked, actual, strict=False):
            if isinstance(placed.get("line"), int):
                wanted["line"] = placed["line"]
        path = source_path(arguments)
        if asked:
            self.breakpoints[path] = asked
        else:
            self.breakpoints.pop(path, None)

    def listing(self) -> list[Content]:
        """Return the breakpoints as debugInfo has them."""
        return [{"source": path, "breakpoints": list(kept)} for path, kept in self.breakpoints.items()]


def modules(arguments: Content) -> Content:
    """Return the imported modules that have a Python file, a page of them where one is asked for."""
    found = []
    for number, (name, module) in enumerate(list(sys.modules.items())):
        path = getattr(getattr(module, "__spec__", None), "origin", None)
        if isinstance(path, str) and path.endswith(".py"):
            found.append({"id": number, "name": name, "path": path})
    return {"modules": page(found, arguments, "startModule", "moduleCount"), "totalModules": len(found)}


def page(items: list[Any], arguments: Content, start_name: str, count_name: str) -> list[Any]:
    """Return the part of `items` that the arguments ask for; no count, or 0, means all that follow."""
    start, count = arguments.get(start_name) or 0, arguments.get(count_name) or len(items)
    if not (isinstance(start, int) and isinstance(count, int)) or start < 0 or count < 0:
        raise DebugError(f"{start_name!r} and {count_name!r} must be numbers, not negative")
    return items[start : start + count]


def prefix() -> str:
    """Return what the file name of every cell begins with."""
    return cell_name.directory() + os.sep
