"""The user's namespace as something to walk over: cells of other subshells add and delete names meanwhile.

Any thread that runs a cell. IPython iterates over the dict itself, and the cell that asks for `%who` fails when another
one assigns its first variable: "dictionary changed size during iteration". Copying a dict does not let the GIL go.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from IPython.core.magic import Magics, line_magic, magics_class
from IPython.core.magics.namespace import NamespaceMagics

_THEIRS: Any = NamespaceMagics  # IPython's types say that a magic takes a function


class Steady(dict[str, Any]):
    """A copy of a namespace that nobody else changes; what is deleted from it goes from the namespace too."""

    def __init__(self, namespace: dict[str, Any]) -> None:
        super().__init__(namespace)
        self._namespace = namespace

    def __delitem__(self, name: str) -> None:
        super().__delitem__(name)
        self._namespace.pop(name, None)  # another cell may have been first


@magics_class
class SteadyNamespaceMagics(Magics):
    """%who, %who_ls and %whos; and those that delete what %who_ls finds."""

    @line_magic
    def who_ls(self, parameter_s: str = "") -> Any:
        return self._steady().who_ls(parameter_s)

    @line_magic
    def who(self, parameter_s: str = "") -> Any:
        self._steady().who(parameter_s)

    @line_magic
    def whos(self, parameter_s: str = "") -> Any:
        self._steady().whos(parameter_s)

    @line_magic
    def reset_selective(self, parameter_s: str = "") -> Any:
        self._steady().reset_selective(parameter_s)

    @line_magic
    def reset(self, parameter_s: str = "") -> Any:
        _THEIRS.reset(self, parameter_s)  # with `who_ls` from here

    def _steady(self) -> Any:
        """Return IPython's magics on a shell that has what they use of it, and a namespace as it is now."""
        shell: Any = self.shell
        steady: Any = SimpleNamespace(
            user_ns=Steady(shell.user_ns), user_ns_hidden=shell.user_ns_hidden, ask_yes_no=shell.ask_yes_no
        )
        return _THEIRS(steady)


for _magic in ("who_ls", "who", "whos", "reset_selective", "reset"):  # `%who?` shows IPython's own words
    getattr(SteadyNamespaceMagics, _magic).__doc__ = getattr(_THEIRS, _magic).__doc__
