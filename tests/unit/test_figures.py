"""Whose figures are seen, shown and closed by whom; without matplotlib."""

from __future__ import annotations

import sys
from collections import OrderedDict
from types import SimpleNamespace
from typing import Any

import pytest

from kernelet.ipython.figures import BACKEND, Figures


class Manager:
    """A figure of pyplot's."""

    def __init__(self, num: int) -> None:
        self.num = num
        self.canvas = SimpleNamespace(figure=self)


class Pyplot:
    """As much of pyplot's Gcf and of the inline backend as Figures knows of."""

    def __init__(self, here: Any) -> None:
        self.figs: OrderedDict[int, Manager] = OrderedDict()
        self.shown: list[list[int]] = []
        self.Gcf = self
        self.here, self.running = here, [here]

        def show(close: bool | None = None, block: bool | None = None) -> None:
            self.shown.append([manager.num for manager in self.get_all_fig_managers()])
            self.show._to_draw = []

        self.show: Any = show
        self.show._to_draw, self.show._draw_called = [], False
        events = SimpleNamespace(callbacks={"post_execute": []})
        shell = SimpleNamespace(events=events)
        strands: Any = SimpleNamespace(here=lambda: self.here, busy=lambda: self.running, shell=shell)
        self.figures = Figures(strands, self)
        self.figures.install()

    def flush_figures(self) -> None:
        if self.show._draw_called:
            self.show()
            self.show._draw_called = False

    def get_all_fig_managers(self) -> list[Manager]:
        raise AssertionError("Figures stands here")

    get_active: Any = None
    destroy_all: Any = None

    def _set_new_active_manager(self, manager: Manager) -> None:
        self.figs[manager.num] = manager

    def destroy(self, manager: Manager) -> None:
        del self.figs[manager.num]

    def make(self, num: int, strand: str) -> Manager:
        """Make a figure as code of `strand`, as the backend and pyplot do it."""
        self.here, before = strand, self.here
        manager = Manager(num)
        self.show._to_draw.append(manager)
        self.show._draw_called = True
        self._set_new_active_manager(manager)
        self.here = before
        return manager


@pytest.fixture
def pyplot(monkeypatch: pytest.MonkeyPatch) -> Pyplot:
    fake = SimpleNamespace(get_backend=lambda: f"module://{BACKEND}", is_interactive=lambda: True)
    monkeypatch.setitem(sys.modules, "matplotlib", fake)  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", SimpleNamespace(_backend_mod=None))  # type: ignore[arg-type]
    return Pyplot("main")


def numbers(managers: list[Manager]) -> list[int]:
    return [manager.num for manager in managers]


def test_figures_of_another_strand_are_not_seen_while_it_runs(pyplot: Pyplot) -> None:
    pyplot.make(1, "main")
    pyplot.make(2, "beside")
    pyplot.running = ["main", "beside"]
    assert (numbers(pyplot.get_all_fig_managers()), pyplot.get_active().num) == ([1], 1)
    pyplot.running = ["main"]
    assert (numbers(pyplot.get_all_fig_managers()), pyplot.get_active().num) == ([1, 2], 2)
    pyplot.running, pyplot.here = ["main"], "beside"
    assert (numbers(pyplot.get_all_fig_managers()), pyplot.get_active().num) == ([2], 2)


def test_no_figure_at_all_is_no_current_figure(pyplot: Pyplot) -> None:
    assert pyplot.get_active() is None


def test_closing_all_leaves_the_others(pyplot: Pyplot) -> None:
    pyplot.make(1, "main")
    pyplot.make(2, "beside")
    pyplot.running = ["main", "beside"]
    pyplot.destroy_all()
    assert list(pyplot.figs) == [2]


def test_what_another_cells_end_made_the_backend_forget_is_shown(pyplot: Pyplot) -> None:
    pyplot.make(1, "main")
    pyplot.running, pyplot.here = ["main", "beside"], "beside"
    pyplot.figures.flush_figures()
    assert (pyplot.shown, pyplot.show._draw_called) == ([[]], False)
    pyplot.here = "main"
    pyplot.figures.flush_figures()
    pyplot.figures.flush_figures()
    assert pyplot.shown == [[], [1]]


def test_what_was_shown_does_not_wait_any_more(pyplot: Pyplot) -> None:
    pyplot.make(1, "main")
    pyplot.show()
    pyplot.show._draw_called = False
    pyplot.figures.flush_figures()
    assert pyplot.shown == [[1]]


def test_two_strands_that_take_one_number_get_two(pyplot: Pyplot) -> None:
    first, second = pyplot.make(1, "main"), pyplot.make(1, "beside")
    assert (first.num, second.num) == (1, 2)
    assert list(pyplot.figs.values()) == [first, second]
