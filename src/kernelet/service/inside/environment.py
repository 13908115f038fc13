"""Environment variables for one execution. Sent as text and run in the kernel."""

from __future__ import annotations

import os
from typing import Any


def change(shell: Any, values: dict[str, str | None]) -> dict[str, str | None]:
    """Set variables, or take away those that are None; return what undoes it."""
    before = {name: os.environ.get(name) for name in values}
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    return before
