"""The shell's completer, made when somebody first asks for it: it and its module take 6 ms of a start.

In the thread that asks: main, a subshell, or the assistant.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell
else:
    InteractiveShell = object  # a class with traits takes 1 ms to make


class LateCompleter(InteractiveShell):
    """Has `Completer`: a part of the shell."""

    _completer: Any = None
    _completer_made = False

    def init_completer(self) -> None:
        """Do what `Completer` needs to come later; IPython calls this at the start."""
        self._making_completer = threading.RLock()
        self.configurables = _Configurables(self, self.configurables)

    @property
    def Completer(self) -> Any:  # noqa: N802  # IPython's name
        """IPython's completer."""
        if not self._completer_made:
            with self._making_completer:
                if self._completer is None:
                    from . import completions

                    super().init_completer()  # it asks for `Completer` while it goes on with what it has assigned
                    completions.install(self)
                    self._completer_made = True
        return self._completer

    @Completer.setter
    def Completer(self, value: Any) -> None:  # noqa: N802
        self._completer = value

    def set_hook(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Set a hook of IPython's. One for completion comes behind IPython's own of the same priority."""
        if name == "complete_command":
            assert self.Completer is not None
        super().set_hook(name, *args, **kwargs)


class _Configurables(list[Any]):
    """What %config goes through: the completer is among them."""

    def __init__(self, shell: LateCompleter, configurables: list[Any]) -> None:
        super().__init__(configurables)
        self._shell = shell

    def __iter__(self) -> Iterator[Any]:
        assert self._shell.Completer is not None
        return super().__iter__()
