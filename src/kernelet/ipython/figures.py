"""Whose figure it is, while several cells run at once: pyplot and matplotlib's inline backend know of one cell only.

A strand is what runs one cell at a time: main, a subshell, the thread of a cell, a task cell. As long as a strand runs
a cell, the others do not see the figures that it made: the end of their cells does not show and close them, and their
`plt.plot()` does not draw into them. Asked for by its number, every figure is there. Where one cell runs at a time
nothing differs, and other backends than inline are left alone.

Any thread.
"""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary, WeakSet

from .shared import CELL

if TYPE_CHECKING:
    from .language import IPythonLanguage

BACKEND: Final = "matplotlib_inline.backend_inline"


def install(strands: Strands) -> None:
    """Take part in pyplot and the inline backend, once in a process: a kernel after another one takes its place."""
    inline: Any = sys.modules[BACKEND]
    figures = getattr(inline.flush_figures, "__self__", None)
    if isinstance(figures, Figures):
        figures.strands = strands
    else:
        Figures(strands, inline).install()


class Strands:
    """Says which strand the calling code belongs to, and which ones run a cell."""

    def __init__(self, language: IPythonLanguage) -> None:
        self._language = language

    @property
    def shell(self) -> Any:
        return self._language.shell

    def here(self) -> object:
        """Return the strand of the calling code; a thread of the user's is part of the cell that started it."""
        language = self._language
        strand = CELL.get() or language.lane_here()
        if strand is None:
            strand = language.running.get(id(language.host.attribution.origin()))
        return strand or language.host.parking

    def busy(self) -> list[object]:
        """Return the strands that run cells now."""
        return list(self._language.running.values())


class Figures:
    """Knows who made each of pyplot's figures, and stands in the place of the functions that look at all of them."""

    def __init__(self, strands: Strands, inline: Any) -> None:
        self.strands = strands
        self._inline = inline
        self._gcf = inline.Gcf
        self._show: Callable[..., None] = inline.show
        self._flush: Callable[[], None] = inline.flush_figures
        self._adopt: Callable[[Any], None] = self._gcf._set_new_active_manager
        self._makers: WeakKeyDictionary[Any, object] = WeakKeyDictionary()
        # Made, and not shown yet. The backend's own list is one for all: whoever shows something empties it.
        self._waiting: WeakSet[Any] = WeakSet()
        self._numbering = threading.Lock()

    def install(self) -> None:
        """Stand in their place."""
        inline, gcf, events = self._inline, self._gcf, self.strands.shell.events
        registered = self._flush in events.callbacks["post_execute"]
        if registered:
            events.unregister("post_execute", self._flush)
        inline.show, inline.flush_figures = self._new_show(), self.flush_figures
        if registered:
            events.register("post_execute", inline.flush_figures)
        chosen = getattr(sys.modules.get("matplotlib.pyplot"), "_backend_mod", None)
        if chosen is not None and vars(chosen).get("show") is self._show:  # pyplot keeps a copy of the backend's names
            chosen.show = staticmethod(inline.show)
        gcf._set_new_active_manager = self.adopt
        gcf.get_all_fig_managers, gcf.get_active, gcf.destroy_all = self.visible, self.active, self.destroy_all

    def _new_show(self) -> Callable[..., None]:
        @functools.wraps(self._show)  # its attributes too: the backend keeps its list of figures in them
        def show(close: bool | None = None, block: bool | None = None) -> None:
            mine = self.visible()
            try:
                self._show(close, block)
            finally:
                self._waiting.difference_update(mine)

        return show

    def flush_figures(self) -> None:
        """Show the figures that this cell made, as the backend does: at the end of a cell, and for `interact`."""
        mine, show = self.visible(), self._inline.show
        forgotten = [manager.canvas.figure for manager in mine if manager in self._waiting]
        if forgotten:  # by the backend, if another cell ended meanwhile
            show._to_draw.extend(figure for figure in forgotten if figure not in show._to_draw)
            show._draw_called = True
        try:
            self._flush()
        finally:
            self._waiting.difference_update(mine)

    # -- in the place of Gcf's own ---------------------------------------------------------------------------------

    def adopt(self, manager: Any) -> None:
        """Note who makes a figure, and make it the current one."""
        matplotlib = sys.modules["matplotlib"]
        if matplotlib.get_backend() not in ("inline", f"module://{BACKEND}"):
            self._adopt(manager)
            return
        self._makers[manager] = self.strands.here()
        if matplotlib.is_interactive():
            self._waiting.add(manager)
        with self._numbering:
            known = self._gcf.figs
            if known.get(manager.num, manager) is not manager:  # another strand took the same number meanwhile
                manager.num = max(number for number in known if isinstance(number, int)) + 1
            self._adopt(manager)

    def visible(self) -> list[Any]:
        """Return the figures' managers, without those that another strand's running cell made."""
        managers = list(self._gcf.figs.values())
        busy = self.strands.busy()
        if not busy or not managers:
            return managers
        here = self.strands.here()
        others = [strand for strand in busy if strand is not here]
        return [manager for manager in managers if self._makers.get(manager) not in others] if others else managers

    def active(self) -> Any:
        """Return the manager of the current figure, or None."""
        managers = self.visible()
        return managers[-1] if managers else None

    def destroy_all(self) -> None:
        """Close them."""
        for manager in self.visible():
            self._gcf.destroy(manager)
