"""The shell's side of GUI event loops and of matplotlib: which one is on. Main thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

if TYPE_CHECKING:
    from contextvars import Context

    from IPython.core.interactiveshell import InteractiveShell

    from ..runtime.host import Host
    from ..runtime.parking import ParkedLoop

else:
    InteractiveShell = object  # a class with traits takes 1 ms to make


class Windowed(InteractiveShell):
    """Has `enable_gui` and `enable_matplotlib`: a part of the shell."""

    host: Host
    kernel: Any

    def where(self) -> tuple[ParkedLoop, Context | None]:
        """Return the loop and the context of the cells of this thread."""
        raise NotImplementedError

    def enable_gui(self, gui: str | None = None) -> None:
        """Let the event loop of a GUI toolkit run beside the kernel's; None turns it off.

        Raises UsageError where it cannot run, and ImportError when it is not installed.
        """
        from .eventloops import enable_gui  # most kernels have no GUI

        if gui is not None and self.where()[0] is not self.host.parking:
            raise UsageError("windows belong to the main thread: a subshell cannot turn on a GUI event loop")
        try:
            enable_gui(gui, self.kernel)
        except (ValueError, RuntimeError) as error:
            raise UsageError(str(error)) from error
        self.active_eventloop = gui

    def enable_matplotlib(self, gui: str | None = None) -> Any:
        """Choose matplotlib's backend; figures are then drawn without plt.show()."""
        chosen = super().enable_matplotlib(gui)
        from matplotlib_inline.backend_inline import configure_inline_support

        configure_inline_support(self, chosen[1])
        return chosen
