"""What makes a session look like the run of a script. Sent as text and run in the kernel."""

from __future__ import annotations

import builtins
import getpass
import os
import sys
import warnings
from typing import Any


def ask(prompt: object = "") -> str:
    """Return a line of stdin, as `input()` does outside of a kernel."""
    print(prompt, end="", flush=True)  # noqa: T201  # it is the prompt
    line = sys.stdin.readline()
    if not line:
        raise EOFError("EOF when reading a line")
    return line.removesuffix("\n")


def prepare(shell: Any, name: str, arguments: list[str], has_stdin: bool) -> None:
    """Set what a script reads about itself: sys.argv, the first place of sys.path, `__file__`. `-` is stdin.

    With `has_stdin` the kernel has the stdin of whoever runs the script, and questions are answered from there.
    """
    if has_stdin:
        builtins.input = getpass.getpass = ask  # type: ignore[assignment]  # without the stream, which nobody passes
    sys.argv[:] = [name, *arguments]
    if name == "-":
        sys.path.insert(0, os.getcwd())
    else:
        sys.path.insert(0, os.path.dirname(os.path.abspath(name)))
        shell.user_ns["__file__"] = shell.user_ns_hidden["__file__"] = name
    warnings.filterwarnings("ignore", "To exit: use")  # advice for people at a prompt
