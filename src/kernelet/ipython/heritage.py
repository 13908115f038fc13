"""What a kernel that was branched off inherits from the one before: the namespace, and what IPython remembers of it.

The shell itself is built anew, so that nothing in it points to sockets, threads and loops of the other kernel. What was
changed in that shell (magics, hooks, traits) stays behind. In a fork, main thread.
"""

from __future__ import annotations

import atexit
import sys
from collections.abc import Sequence

from ..runtime.host import Host
from .app import IPKernelApp
from .facade import IPythonKernel
from .language import IPythonLanguage
from .shell import ZMQInteractiveShell

_RESULTS = ("_", "__", "___")


class Heritage:
    """Taken from the old language, given to the new one."""

    def __init__(self, language: IPythonLanguage) -> None:
        # Kept for ever: its destructors would close what it shares with the process that it still serves.
        self._old = language
        self._argv: Sequence[str] = list(IPKernelApp.instance().argv)

    @property
    def argv(self) -> Sequence[str]:
        """The options that IPython had on the command line."""
        return self._argv

    @property
    def connection_file(self) -> str:
        """The path of the file that the old kernel was told to use."""
        return self._old.host.connection_file

    def disown(self) -> None:
        """Let go of what belongs to the other process: its exit must not run here, its history not be written."""
        shell = self._old.shell
        atexit.unregister(shell.atexit_operations)
        manager = shell.history_manager
        finalizer = getattr(manager, "_finalizer", None)
        if finalizer is not None:
            finalizer.detach()
        for kind in (IPKernelApp, ZMQInteractiveShell, IPythonKernel):
            kind.clear_instance()

    def language(self, host: Host, argv: Sequence[str]) -> IPythonLanguage:
        """Build the new language around the old namespace."""
        IPKernelApp.inherits = True
        old = self._old.shell
        results = {name: old.user_ns[name] for name in _RESULTS if name in old.user_ns}
        recent = {name: value for name, value in old.user_ns.items() if name.startswith("_i")}
        directories = old.user_ns.get("_dh")
        count = old.numbers.upcoming
        language = IPythonLanguage(host, argv, user_module=old.user_module)
        shell = language.shell
        manager, before = shell.history_manager, old.history_manager
        if manager is not None and before is not None:
            for name in ("input_hist_parsed", "input_hist_raw"):
                getattr(manager, name)[:] = getattr(before, name)
            manager.output_hist.update(before.output_hist)
            for name in ("_i", "_ii", "_iii", "_i00"):
                setattr(manager, name, getattr(before, name))
        for name, value in results.items():
            setattr(shell.displayhook, name, value)
        shell.user_ns.update({**recent, **results})
        # These are the new shell's own lists, filled above.
        shell.user_ns.update(_ih=shell.user_ns["In"])
        if directories is not None:
            shell.user_ns["_dh"] = directories
        shell.user_ns_hidden.update(old.user_ns_hidden)
        shell.execution_count = count
        if old.extension_manager is not None and shell.extension_manager is not None:
            for module in sorted(old.extension_manager.loaded - shell.extension_manager.loaded):
                shell.extension_manager.load_extension(module)
        _plot_again(shell)
        return language


def _plot_again(shell: ZMQInteractiveShell) -> None:
    """Show figures at the end of a cell where they were shown before."""
    inline = sys.modules.get("matplotlib_inline.backend_inline")
    if inline is None or "matplotlib" not in sys.modules:
        return
    from IPython.core.pylabtools import select_figure_formats
    from matplotlib_inline.config import InlineBackend

    inline.configure_inline_support(shell, sys.modules["matplotlib"].get_backend())
    config = InlineBackend.instance()
    select_figure_formats(shell, config.figure_formats, **config.print_figure_kwargs)
