"""What makes a session look like the run of a script. Sent as text and run in the kernel."""

from __future__ import annotations

import os
import sys
import warnings
from typing import Any


def prepare(shell: Any, name: str, arguments: list[str]) -> None:
    """Set what a script reads about itself: sys.argv, the first place of sys.path, `__file__`. `-` is stdin."""
    sys.argv[:] = [name, *arguments]
    if name == "-":
        sys.path.insert(0, os.getcwd())
    else:
        sys.path.insert(0, os.path.dirname(os.path.abspath(name)))
        shell.user_ns["__file__"] = shell.user_ns_hidden["__file__"] = name
    warnings.filterwarnings("ignore", "To exit: use")  # advice for people at a prompt
