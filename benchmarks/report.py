"""What came out: medians, percentiles and ratios, as text to read and as JSON to keep."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from benchmarks.kernels import FLOOR, IN_PROCESS, OURS, REFERENCE
from benchmarks.metrics import SECTIONS, Metric, Row
from benchmarks.rounds import Results

WRONG = "✗"


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which `share` of `values` lie, between neighbours in proportion."""
    ordered = sorted(values)
    place = (len(ordered) - 1) * share
    low = math.floor(place)
    high = math.ceil(place)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


@dataclass(frozen=True, slots=True)
class Summary:
    """The samples of one kernel in one row. `ratio` is of medians; `paired` the median of the ratios round by round."""

    n: int
    p10: float
    median: float
    p99: float
    ratio: float | None
    paired: float | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether our kernel reached the goal of a row in its best round; beside it all rounds, and the floor's best."""

    row: str
    goal: float
    reached: bool
    best: float | None
    median: float | None
    floor: float | None

    def __str__(self) -> str:
        told = "not measured"
        if self.best is not None and self.median is not None:
            told = f"{number(self.best)} at best, {number(self.median)} all in all, goal {number(self.goal)}"
        floor = f", floor {number(self.floor)} at best" if self.floor is not None else ""
        return f"{'reached' if self.reached else 'MISSED '} {OURS}, {self.row}: {told}{floor}"


def summarise(rounds: Sequence[Sequence[float]], reference: Sequence[Sequence[float]]) -> Summary | None:
    values = [value for part in rounds for value in part]
    if not values:
        return None
    middle = median(values)
    theirs = [value for part in reference for value in part]
    ratio = middle / median(theirs) if theirs and median(theirs) else None
    pairs = [median(ours) / median(its) for ours, its in zip(rounds, reference, strict=False) if median(its)]
    paired = median(pairs) if pairs and len(rounds) == len(reference) else None
    return Summary(len(values), percentile(values, 0.1), middle, percentile(values, 0.99), ratio, paired)


def number(value: float) -> str:
    """Write a number with three significant digits."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    digits = 2 - math.floor(math.log10(abs(value)))
    return f"{value:.{min(digits, 4)}f}"


class Report:
    """The results of a run, put in words."""

    def __init__(self, results: Results, labels: Sequence[str], metrics: Sequence[Metric], commands: Sequence[str]):
        self.results = results
        self.labels = labels
        self.metrics = metrics
        self.commands = commands
        self.footnotes: list[str] = []

    def summary(self, label: str, row: str) -> Summary | None:
        samples = self.results.samples
        return summarise(samples.get((label, row), []), samples.get((REFERENCE, row), []))

    def faults(self, label: str, metric: Metric) -> list[str]:
        return [f"{text} (×{times})" for text, times in self.results.faults.get((label, metric.name), {}).items()]

    def cell(self, label: str, metric: Metric, row: Row) -> str:
        """Write `median (ratio)`, ✗ and the number of its footnote if anything was wrong, – if there is nothing."""
        summary, faults = self.summary(label, row.key), self.faults(label, metric)
        text = "–" if summary is None and not faults else ""
        if summary is not None:
            text = number(summary.median) + (f" ({summary.ratio:.2f})" if summary.ratio is not None else "")
        for fault in faults:
            note = f"{label}, {metric.name}: {fault}"
            if note not in self.footnotes:
                self.footnotes.append(note)
            text += f" {WRONG}{self.footnotes.index(note) + 1}"
        return text.strip()

    def table(self) -> str:
        """One Markdown table for each section: a line per row of each metric, a column per kernel."""
        parts = []
        for title, section in SECTIONS.items():
            rows = [(metric, row) for metric in section if metric in self.metrics for row in metric.rows]
            if rows:
                lines = [["median (ratio)", "unit", *self.labels]]
                lines += [
                    [
                        row.title + (" (more is better)" if row.more else ""),
                        row.unit,
                        *(self.cell(label, metric, row) for label in self.labels),
                    ]
                    for metric, row in rows
                ]
                parts.append(f"## {title}\n\n{markdown(lines)}")
        text = "\n\n".join(parts)
        for label in self.labels:
            for fault, times in self.results.faults.get((label, "ready"), {}).items():
                self.footnotes.append(f"{label}, start of a session: {fault} (×{times})")
        notes = [f"{WRONG}{index + 1} {note}" for index, note in enumerate(self.footnotes)]
        return "\n".join([text, "", *notes]) if notes else text

    def spread(self) -> str:
        """One Markdown table of n, p10, median and p99 for starts, and for the rows that have many samples."""
        lines = [["p10 / median / p99 (n)", "unit", *self.labels]]
        for metric in self.metrics:
            for row in metric.rows:
                summaries = [self.summary(label, row.key) for label in self.labels]
                many = any(summary and summary.n > len(self.results.loads) for summary in summaries)
                if many or metric.setting == "fresh":
                    lines.append([row.title, row.unit, *map(spread_cell, summaries)])
        return markdown(lines) if len(lines) > 1 else ""

    def floors(self) -> str:
        lines = [["command, run to its end", "wall ms", "CPU ms"]]
        inside = [["in one process", "µs"]]
        for command in self.commands:
            part, rows = (inside, ["us"]) if command in IN_PROCESS else (lines, ["wall_ms", "cpu_ms"])
            cells = [self.summary(command, row) for row in rows]
            part.append([command, *(number(cell.median) if cell else WRONG for cell in cells)])
            for fault in self.results.faults.get((command, "command"), {}):
                part[-1][0] += f" {WRONG} {fault}"
        return "\n\n".join(markdown(part) for part in (lines, inside) if len(part) > 1)

    def steadiness(self, row: str = "execute_ms") -> dict[str, float]:
        """Return by kernel the largest median of a round over the smallest: how much the machine itself wavered."""
        found = {}
        for label in self.labels:
            medians = [median(values) for values in self.results.samples.get((label, row), [])]
            if len(medians) > 1 and min(medians) > 0:
                found[label] = max(medians) / min(medians)
        return found

    def targets(self) -> list[tuple[str, float, float, bool]]:
        """List (row, ratio, target, met) of the rows that have a target for our kernel."""
        found = []
        for metric in self.metrics:
            for row in metric.rows:
                summary = self.summary(OURS, row.key)
                if row.target is not None and summary and summary.ratio is not None:
                    found.append((row.title, summary.ratio, row.target, summary.ratio <= row.target))
        return found

    def goals(self) -> list[Verdict]:
        """List the rows that our kernel should reach on a quiet machine, by the quietest round."""
        found = []
        for metric in self.metrics:
            for row in metric.rows:
                if row.goal is not None and OURS in self.labels:
                    best, floor = self.best(OURS, row), self.best(FLOOR, row)
                    reached = best is not None and (best >= row.goal if row.more else best <= row.goal)
                    found.append(Verdict(f"{row.title} [{row.key}]", row.goal, reached, best, self.middle(row), floor))
        return found

    def best(self, label: str, row: Row) -> float | None:
        """Return the median of the round that went best, None without samples.

        A virtual machine whose cores are threads of busy ones runs at half its pace for seconds on end, CPU time
        included. What others do only adds, so the round that was disturbed least comes nearest to a quiet machine.
        """
        medians = [median(values) for values in self.results.samples.get((label, row.key), [])]
        return (max(medians) if row.more else min(medians)) if medians else None

    def middle(self, row: Row) -> float | None:
        summary = self.summary(OURS, row.key)
        return None if summary is None else summary.median

    def ours_is_right(self) -> bool:
        """Say whether our kernel was measured and made no fault."""
        measured = any(label == OURS for label, _ in self.results.samples)
        return measured and not any(faults for (label, _), faults in self.results.faults.items() if label == OURS)

    def as_json(self) -> dict[str, Any]:
        results: dict[str, Any] = {}
        for metric in self.metrics:
            for row in metric.rows:
                for label in self.labels:
                    summary = self.summary(label, row.key)
                    rounds = self.results.samples.get((label, row.key), [])
                    results.setdefault(label, {})[row.key] = {
                        "metric": metric.name,
                        "faults": dict(self.results.faults.get((label, metric.name), {})),
                        **(as_dict(summary) if summary else {}),
                        "rounds": [[float(f"{value:.5g}") for value in part] for part in rounds],
                    }
        return {
            "rows": {
                row.key: {
                    "title": row.title,
                    "unit": row.unit,
                    "metric": metric.name,
                    "target": row.target,
                    "goal": row.goal,
                    "more": row.more,
                }
                for metric in self.metrics
                for row in metric.rows
            },
            "metrics": {metric.name: {"setting": metric.setting, "doc": metric.doc} for metric in self.metrics},
            "loads": self.results.loads,
            "steadiness": self.steadiness(),
            "results": results,
            "ready_faults": {
                label: dict(faults) for (label, name), faults in self.results.faults.items() if name == "ready"
            },
            "commands": {
                command: {row: self.results.samples.get((command, row), []) for row in ("wall_ms", "cpu_ms", "us")}
                for command in self.commands
            },
            "targets": [
                {"row": row, "ratio": ratio, "target": target, "met": met} for row, ratio, target, met in self.targets()
            ],
            "goals": [asdict(verdict) for verdict in self.goals()],
            "sections": {title: [metric.name for metric in section] for title, section in SECTIONS.items()},
        }


def as_dict(summary: Summary) -> dict[str, float | None]:
    return {name: getattr(summary, name) for name in Summary.__slots__}


def spread_cell(summary: Summary | None) -> str:
    if summary is None:
        return "–"
    return f"{number(summary.p10)} / {number(summary.median)} / {number(summary.p99)} ({summary.n})"


def markdown(lines: Sequence[Sequence[str]]) -> str:
    """Lay out a Markdown table so that it can also be read as it is. The first line is the head."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]

    def lay(cells: Iterable[str]) -> str:
        padded = [
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return "| " + " | ".join(padded) + " |"

    rules = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join([lay(lines[0]), lay(rules), *map(lay, lines[1:])])
