"""What a metric is: a function that measures, the rows it fills, and whether the kernel must be alone meanwhile."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from benchmarks.session import Session

Samples = Mapping[str, Sequence[float]]
"""The samples of each row, by the row's key. A row that cannot be had on this system is left out."""

Setting: TypeAlias = Literal["fresh", "new", "alone", "together"]


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table. Less is better, unless it says `more`."""

    key: str
    title: str
    unit: str
    target: float | None = None
    """The ratio to the reference kernel that ours should not exceed."""
    goal: float | None = None
    """The value that ours should reach on a quiet machine, in the row's unit (design: performance.md)."""
    more: bool = False
    """Whether more is better."""


@dataclass(frozen=True, slots=True)
class Metric:
    """What to measure, and in which setting.

    `fresh`: the metric starts the kernel itself. `new`: the kernel has just started, and no other runs. `alone`: it
    may have been measured before. `together`: all kernels run, and take turns.
    """

    name: str
    setting: Setting
    rows: tuple[Row, ...]
    measure: Callable[[Session], Samples]
    floor: bool = True
    """Whether the floor server, which runs no code, can be measured too."""
    rounds: int | None = None
    """In how many rounds it is measured at most, because it takes long."""
    repeat: int = 1
    """How often in a row it is measured in a round, because it gives one sample only."""

    @property
    def doc(self) -> str:
        return inspect.getdoc(self.measure) or ""


def metric(
    setting: Setting, *rows: Row, floor: bool = False, rounds: int | None = None, repeat: int = 1
) -> Callable[[Callable[[Session], Samples]], Metric]:
    """Make a metric of a measuring function, named as the function is."""

    def make(measure: Callable[[Session], Samples]) -> Metric:
        return Metric(measure.__name__, setting, rows, measure, floor, rounds, repeat)

    return make
