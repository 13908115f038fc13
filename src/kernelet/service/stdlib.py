"""The standard library of sessions: one file of functions that every new session can start with.

Nothing of it runs in the service: it is parsed here, and tried in a scratch kernel before a change is kept.
"""

from __future__ import annotations

import ast
import os
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from kernelet.service.inside.expression import InsideError

try:
    import fcntl
except ImportError:  # Windows: writers of one service are still one after the other
    fcntl = None  # type: ignore[assignment]

HEADER = '"""REPL Standard Library - Auto-loaded into new sessions."""\n'

Trial = Callable[[str], Awaitable[Mapping[str, Any]]]
"""Runs a source in a kernel of its own and returns what `inside.stdlib.kinds` says; raises InsideError as that does."""


class StdlibError(Exception):
    """Why the library cannot be changed or loaded; the message is one sentence."""


def defined_names(source: str) -> set[str]:
    """Return the names of the functions and classes at the top level of `source`."""
    definitions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return {node.name for node in ast.parse(source).body if isinstance(node, definitions)}


def without(source: str, names: set[str]) -> str:
    """Return `source` without the functions and classes at its top level that have one of `names`."""
    lines = source.splitlines(keepends=True)
    for node in reversed(ast.parse(source).body):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node.name in names:
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            del lines[first - 1 : node.end_lineno]
    return "".join(lines)


def checked(source: str, what: str) -> str:
    """Return `source` if it is Python.

    Raises:
        StdlibError: it is not.
    """
    try:
        ast.parse(source)
    except (SyntaxError, ValueError) as error:  # ValueError: null bytes
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) else ""
        reason = error.msg if isinstance(error, SyntaxError) else error
        raise StdlibError(f"{what} is no valid Python{line}: {reason}") from error
    return source


class Stdlib:
    """The library in one file; any number of services may share it."""

    def __init__(self, path: Path, trial: Trial) -> None:
        self.path = path
        self._trial = trial
        self._kinds: tuple[str, Mapping[str, Any]] | None = None

    def source(self) -> str:
        """Return what a new session runs; empty when there is no library.

        Raises:
            StdlibError: somebody edited the file, and it is no Python any more.
        """
        try:
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""
        except (OSError, UnicodeDecodeError) as error:
            raise StdlibError(f"{self.path.name} cannot be read: {error}") from error
        return checked(text, self.path.name)

    async def add(self, function_code: str) -> list[str]:
        """Add definitions, in place of those with the same names; return the names. Sessions that run are not touched.

        Raises:
            StdlibError: it is no Python, fails when it is run, or the file cannot be written; nothing was changed.
        """
        checked(function_code, "The code")
        names = defined_names(function_code)
        old = self.source()
        new = _merged(old, names, function_code)
        try:
            kinds = await self._trial(new)
        except InsideError as error:
            raise StdlibError(f"The code fails when it is run: {error.name}: {error}") from error
        try:
            newest = self._replace(names, function_code)
        except OSError as error:
            raise StdlibError(f"{self.path.name} cannot be written: {error}") from error
        if newest == new:
            self._kinds = (new, kinds)
        return sorted(names)

    async def listing(self) -> Mapping[str, Any]:
        """Return the names by kind: functions (and classes), modules, other, and their count.

        Raises:
            StdlibError: the library does not run.
        """
        source = self.source()
        if self._kinds is None or self._kinds[0] != source:
            try:
                self._kinds = (source, await self._trial(source))
            except InsideError as error:
                raise StdlibError(f"{self.path.name} fails when it is run: {error}") from error
        return self._kinds[1]

    def _replace(self, names: set[str], function_code: str) -> str:
        """Write the library with the new definitions and return it. What others added during the trial stays."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(f"{self.path}.lock", "a", encoding="utf-8") as lock:
            if fcntl is not None:
                fcntl.flock(lock, fcntl.LOCK_EX)
            source = _merged(self.source(), names, function_code)
            handle, unfinished = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}.")
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    file.write(source)
                os.replace(unfinished, self.path)
            except BaseException:
                os.unlink(unfinished)
                raise
        return source


def _merged(library: str, names: set[str], function_code: str) -> str:
    return f"{without(library or HEADER, names).rstrip()}\n\n\n{function_code.strip()}\n"
