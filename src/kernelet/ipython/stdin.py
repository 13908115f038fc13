"""input(), getpass() and breakpoint() through the front end.

Any thread. What user code finds in `builtins` and `getpass` is replaced for the life of the kernel.
"""

from __future__ import annotations

import builtins
import sys
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from IPython.core.error import StdinNotImplementedError

from ..runtime.ask import StdinRefused
from ..runtime.host import Host
from ..runtime.on_import import call_after_import

if TYPE_CHECKING:
    from .debugger import Debugger


class Stdin:
    """Answers `input` and `getpass` by asking the client whose request runs."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._input = builtins.input
        self._getpass: Callable[..., str]
        # Set once somebody has asked for the debugger.
        self.debugger: Debugger | None = None

    def install(self) -> None:
        """Replace input, getpass.getpass and the breakpoint hook."""
        builtins.input = self.input
        call_after_import("getpass", self._replace_getpass)
        sys.breakpointhook = self.breakpoint

    def _replace_getpass(self) -> None:
        import getpass

        self._getpass, getpass.getpass = getpass.getpass, self.getpass

    def input(self, prompt: object = "", /) -> str:
        """Return a line from the front end.

        Raises StdinNotImplementedError when it cannot ask, EOFError for Ctrl-D, KeyboardInterrupt when interrupted.
        """
        if self._is_outside():
            return self._input(prompt)
        return self._ask(str(prompt), False)

    def getpass(self, prompt: str = "Password: ", stream: Any = None, *, echo_char: str | None = None) -> str:
        """Return a line that the front end does not echo. `stream` and `echo_char` are for terminals only."""
        if self._is_outside():
            return self._getpass(prompt, stream)
        if stream is not None:
            warnings.warn("The `stream` parameter of getpass has no effect in a kernel.", UserWarning, stacklevel=2)
        return self._ask(str(prompt), True)

    def breakpoint(self, *args: Any, **kwargs: Any) -> Any:
        """Stop where it is called: in the front end's debugger when that is attached, else in IPython's.

        Or call what PYTHONBREAKPOINT names (0: nothing).
        """
        import os

        if os.environ.get("PYTHONBREAKPOINT"):
            return sys.__breakpointhook__(*args, **kwargs)  # noqa: T100  # the user asked for it
        if self.debugger is not None and self.debugger.breakpoint(sys._getframe(1)):
            return None
        from IPython.core.debugger import Pdb

        Pdb().set_trace(sys._getframe(1))
        return None

    def _is_outside(self) -> bool:
        """Whether other code of the program asks, that has the kernel inside."""
        return self._host.guest and self._host.attribution.origin() is None

    def _ask(self, prompt: str, password: bool) -> str:
        try:
            return self._host.asker.ask(prompt, password)
        except StdinRefused:
            name = "getpass" if password else "raw_input"
            raise StdinNotImplementedError(
                f"{name} was called, but this frontend does not support input requests."
            ) from None
        except KeyboardInterrupt:
            raise KeyboardInterrupt("Interrupted by user") from None
