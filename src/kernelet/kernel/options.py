"""The few options that are needed before IPython is: which connection, which addresses. Everything else is IPython's.

Understands `-f FILE`, `-fFILE`, `--f=FILE`, `--connection-file FILE`, `--IPKernelApp.connection_file=FILE` (quotes
around the value are stripped: VS Code adds them) and ipykernel's aliases `--ip --transport --hb --shell --iopub
--stdin --control`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

_FILE = ("f", "connection-file", "connection_file", "IPKernelApp.connection_file", "KernelApp.connection_file")
_FIELDS: Mapping[str, str] = {
    "ip": "ip",
    "transport": "transport",
    **{name: f"{name}_port" for name in ("hb", "shell", "iopub", "stdin", "control")},
}
_PREFIXES = ("IPKernelApp.", "KernelApp.")


class InvalidOptions(ValueError):
    """A command line that cannot be used; the text says in one line what is wrong."""


class Options(NamedTuple):
    """`connection_file` is the path given, or None; `fields` override the file's; `rest` is for IPython."""

    connection_file: str | None
    fields: Mapping[str, Any]
    rest: Sequence[str]


def parse(argv: Sequence[str]) -> Options:
    """Split the kernel's own options from the rest of the command line (without the program's name).

    Raises InvalidOptions.
    """
    path: str | None = None
    fields: dict[str, Any] = {}
    rest: list[str] = []
    arguments = iter(argv)
    for argument in arguments:
        name, value = _split(argument)
        field = _field(name)
        if name not in _FILE and field is None:
            rest.append(argument)
            continue
        if value is None:
            value = next(arguments, "")
        value = value.strip("\"'")
        if field is None:
            if not value:
                raise InvalidOptions(f"{argument} needs a file name")
            path = value
        else:
            fields[field] = value
    return Options(path, fields, rest)


def _split(argument: str) -> tuple[str, str | None]:
    """Return the name and the value of an option; ("", None) for what is no option of ours."""
    if argument.startswith("--"):
        name, equals, value = argument[2:].partition("=")
        return name, value if equals else None
    if argument.startswith("-f"):
        return "f", argument[2:].removeprefix("=") or None
    return "", None


def _field(name: str) -> str | None:
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    return _FIELDS.get(name) or (name if name in _FIELDS.values() else None)
