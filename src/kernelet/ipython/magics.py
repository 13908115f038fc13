"""The magics that only a kernel has: those that talk to its front end.

Main thread, in a cell.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shlex
import threading
from typing import TYPE_CHECKING, Any

from IPython.core import page
from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_magic, magics_class

from ..runtime.lane import SUBSHELL_THREAD
from .shared import load_magics_one_at_a_time, replace_magics

if TYPE_CHECKING:
    from .shell import ZMQInteractiveShell


@magics_class
class KernelMagics(Magics):
    """%edit, %clear, %less, %man, %connect_info, %qtconsole, %autosave, %subshell."""

    shell: ZMQInteractiveShell

    def __init__(self, shell: ZMQInteractiveShell | None = None, **kwargs: Any) -> None:
        super().__init__(shell, **kwargs)
        # What %edit opened last, for `%edit -p`; IPython's own function keeps it up to date.
        self._edited = ["", ""]
        if shell is not None and shell.magics_manager is not None:
            load_magics_one_at_a_time(shell.magics_manager)
            replace_magics(shell.magics_manager)

    @line_magic
    def edit(self, parameter_s: str = "", last_call: list[str] | None = None) -> None:
        """Open a file, an object's source, a string, a range of history or nothing yet in the front end's editor.

        -n N: at this line; -p: what was opened last; -r: history as it was typed.
        """
        from IPython.core.magics.code import CodeMagics, MacroToEdit  # 1 ms, and few kernels are asked

        options, arguments = self.parse_options(parameter_s, "prn:")
        last = self._edited if last_call is None else last_call
        try:
            filename, line_number, _ = CodeMagics._find_edit_target(self.shell, arguments, options, last)
        except MacroToEdit:
            raise UsageError("%edit cannot open a macro here; print it with %macro or print()") from None
        if filename is None:
            raise UsageError(f"nothing to edit: {arguments!r}")
        payload = {
            "source": "edit_magic",
            "filename": os.path.abspath(filename),
            "line_number": max(0, int(line_number or 0)),
        }
        self.shell.add_payload(payload)

    @line_magic
    def clear(self, arg: str = "") -> None:
        """Clear the output of the cell; in a console, the screen."""
        self.shell.display_pub.clear_output()
        print("\033[2J\033[H", end="")

    @line_magic
    def branch(self, arg: str = "") -> dict[str, Any] | None:
        """Start a second kernel with the same variables; return its connection file and pid.

        Connect to it with `jupyter console --existing FILE`. It ends with the client that started this kernel.
        """
        try:
            made = self.shell.host.requests.branch()
        except RuntimeError as error:
            raise UsageError(str(error)) from None
        return {name: made[name] for name in ("connection_file", "pid")}

    @line_magic
    def checkpoint(self, name: str = "") -> None:
        """Keep the state of now, under a name if you like; `%restore` goes back to it, as often as you like."""
        try:
            self.shell.host.requests.checkpoint(name.strip() or "default")
        except RuntimeError as error:
            raise UsageError(str(error)) from None

    @line_magic
    def restore(self, name: str = "") -> None:
        """Go back to a checkpoint when this cell is over: variables, functions and modules are as they were."""
        try:
            self.shell.host.requests.restore(name.strip() or "default")
        except RuntimeError as error:
            raise UsageError(str(error)) from None

    @line_magic
    def less(self, arg: str = "") -> None:
        """Show a file in the front end's pager."""
        if not arg:
            raise UsageError("%less needs a file name")
        if arg.endswith(".py"):
            from IPython.utils import PyColorize

            with open(arg, encoding="utf-8") as file:
                text = PyColorize.Parser(theme_name=self.shell.colors).format(file.read(), "str")
            page.page(text or "")
        else:
            with open(arg, encoding="utf-8", errors="replace") as file:
                page.page(file.read())

    @line_magic
    def more(self, arg: str = "") -> None:
        """Show a file in the front end's pager."""
        self.shell.run_line_magic("less", arg)

    @line_magic
    def man(self, arg: str = "") -> None:
        """Show a manual page in the front end's pager."""
        page.page(self.shell.getoutput(f"man {arg} | col -b", split=False))

    @line_magic
    def connect_info(self, arg: str = "") -> None:
        """Print how another client connects to this kernel."""
        from jupyter_core.paths import jupyter_runtime_dir

        from .connect import get_connection_file, get_connection_info  # it needs subprocess: 2 ms

        path = get_connection_file()
        print(json.dumps(json.loads(str(get_connection_info())), indent=2))
        local = os.path.basename(path) if os.path.dirname(path) == os.path.abspath(jupyter_runtime_dir()) else path
        print("\nPaste the above into a file and connect with:\n    jupyter <app> --existing <file>")
        print(f"or, on this machine:\n    jupyter <app> --existing {local}")

    @line_magic
    def qtconsole(self, arg: str = "") -> None:
        """Open a Qt console on this kernel; what follows are its options."""
        if importlib.util.find_spec("qtconsole") is None:
            raise UsageError("%qtconsole needs the package qtconsole, which is not installed")
        from .connect import connect_qtconsole

        connect_qtconsole(argv=shlex.split(arg, posix=os.name == "posix"))

    @line_magic
    def autosave(self, arg: str = "") -> None:
        """Ask the front end (nbclassic) to save the notebook every N seconds; 0 turns it off."""
        try:
            seconds = int(arg)
        except ValueError:
            raise UsageError(f"%autosave needs a number of seconds, not {arg!r}") from None
        from IPython.display import Javascript, display

        script = Javascript(f"IPython.notebook.set_autosave_interval({1000 * seconds})")
        display(script, include=["application/javascript"])
        print(f"Autosaving every {seconds} seconds" if seconds else "Autosave disabled")

    @line_magic
    def subshell(self, arg: str = "") -> None:
        """Print which subshell and thread run this cell, and which subshells there are."""
        thread = threading.current_thread()
        print(f"subshell id: {_subshell_id(thread.name)}")
        print(f"thread id: {thread.ident}")
        print(f"main thread id: {threading.main_thread().ident}")
        print(f"pid: {os.getpid()}")
        print(f"thread count: {threading.active_count()}")
        print(f"subshell list: {self.shell.host.requests.subshell_ids()}")


def _subshell_id(thread_name: str) -> str | None:
    return thread_name.removeprefix(SUBSHELL_THREAD) if thread_name.startswith(SUBSHELL_THREAD) else None
