"""What `!` calls: the shell's method around a command's run. The thread of the cell."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell
else:
    InteractiveShell = object  # a class with traits takes 1 ms to make


class Commands(InteractiveShell):
    """Has `system_piped`: IPython's own on Windows, a terminal of ours elsewhere."""

    if os.name == "posix":

        def system_piped(self, cmd: str) -> None:
            """Run a shell command as part of the cell; its exit status, negative for a signal, is in `_exit_code`.

            Raises OSError where it is to run in the background, CalledProcessError if `system_raise_on_error` is set.
            """
            from .terminal import run  # most kernels never need it

            if cmd.rstrip().endswith("&"):
                raise OSError("Background processes not supported.")
            status = run(self.var_expand(cmd, depth=1))
            self.user_ns["_exit_code"] = status
            if status and getattr(self, "system_raise_on_error", False):
                from subprocess import CalledProcessError

                raise CalledProcessError(status, cmd)

        system = system_piped
