"""What a cell is run with besides its code: the cell id and the metadata of its request, for extensions that ask."""

from __future__ import annotations

import inspect
from typing import Any, Final

from IPython.core.interactiveshell import InteractiveShell

# IPython tells them to pre_run_cell and its kin since 9.
_TELLS_METADATA: Final = "cell_meta" in inspect.signature(InteractiveShell.run_cell).parameters


def cell_arguments(shell: Any, metadata: dict[str, Any]) -> dict[str, Any]:
    """Return keyword arguments for `shell.run_cell` or `run_cell_async` from the metadata of an execute_request."""
    if not metadata:
        return {}
    arguments: dict[str, Any] = {}
    if metadata.get("cellId") is not None:
        arguments["cell_id"] = metadata["cellId"]
    if _TELLS_METADATA and ("run_cell" not in vars(shell) or _takes(shell.run_cell, "cell_meta")):
        arguments["cell_meta"] = metadata
    return arguments


def _takes(function: Any, name: str) -> bool:
    """Whether a function that user code put in the place of ours takes a keyword argument."""
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):  # it does not tell
        return False
    return name in parameters or any(one.kind is one.VAR_KEYWORD for one in parameters.values())
