"""The order of measurement: every kernel takes its turn in every round, and who goes first changes.

A machine that others use too is slower in one minute than in the next. Kernels measured one after the other would
differ by that alone; taking turns, each gets its share of every minute, and ratios hold.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from benchmarks import procfs
from benchmarks.client import Fault
from benchmarks.kernels import COMMANDS, FLOOR, IN_PROCESS, Kernel
from benchmarks.metrics import Metric, Samples
from benchmarks.process import clean_environment, finish, printed
from benchmarks.session import Bench, Session

GIVE_UP_AFTER = 2
"""A metric that failed this often in a row is not tried on that kernel again."""

STARTS = 3
"""How often a kernel may come up wrong (mute on iopub, say) before a round goes on without it."""

T = TypeVar("T")


@dataclass
class Results:
    """Samples by (label, row), a list per round; faults by (label, metric), how often each was seen."""

    samples: dict[tuple[str, str], list[list[float]]] = field(default_factory=lambda: defaultdict(list))
    faults: dict[tuple[str, str], Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    loads: list[float] = field(default_factory=list)
    durations: dict[tuple[str, str], float] = field(default_factory=lambda: defaultdict(float))
    """How long each metric took last, with the start of the kernel where it was not running, by (label, metric)."""
    failures_in_a_row: Counter[tuple[str, str]] = field(default_factory=Counter)

    def expected_s(self, kernels: Sequence[Kernel], metrics: Sequence[Metric], number: int) -> float:
        """Guess how long round `number` will take: each metric as long as the last time."""
        todo = [(kernel.label, metric.name) for kernel in kernels for metric in metrics]
        wanting = [wanted(kernel, metric, number, self) for kernel in kernels for metric in metrics]
        return sum(self.durations[key] for key, is_wanted in zip(todo, wanting, strict=True) if is_wanted)

    def gave_up(self, kernel: Kernel, name: str) -> bool:
        return self.failures_in_a_row[kernel.label, name] >= GIVE_UP_AFTER

    def note(self, kernel: Kernel, name: str, samples: Samples | None, faults: Sequence[str]) -> None:
        """Take in what one measurement gave; `samples` is None if it failed."""
        key = (kernel.label, name)
        self.faults[key].update(faults)
        self.failures_in_a_row[key] = 0 if samples is not None else self.failures_in_a_row[key] + 1
        for row, values in (samples or {}).items():
            if values:
                self.samples[kernel.label, row].append(list(values))


def rotated(items: Sequence[T], by: int) -> list[T]:
    by %= max(len(items), 1)
    return [*items[by:], *items[:by]]


def run(
    bench: Bench,
    kernels: Sequence[Kernel],
    metrics: Sequence[Metric],
    rounds: int,
    say: Callable[[str], None],
    commands: Sequence[str] = (),
    budget_s: float = float("inf"),
) -> Results:
    """Measure all, `rounds` times, but begin no round that would not end within `budget_s`: the first one always."""
    results = Results()
    begun = time.monotonic()
    alone = [metric for metric in metrics if metric.setting != "together"]
    together = [metric for metric in metrics if metric.setting == "together"]
    for number in range(rounds):
        gone = time.monotonic() - begun
        if number and gone + results.expected_s(kernels, metrics, number) > budget_s:
            say(f"{gone:.0f} s: time for no more than {number} of {rounds} rounds")
            break
        results.loads.append(procfs.load()[0])
        say(f"round {number + 1} of {rounds}, load {results.loads[-1]:.1f}")
        if alone:
            for kernel in rotated(kernels, number):
                say(f"  {kernel.label}, after {time.monotonic() - begun:.0f} s")
                measure_alone(bench, kernel, alone, results, number)
        for command in rotated(commands, number):
            measure_command(bench, command, results)
        if together:
            measure_together(bench, rotated(kernels, number), together, results, number)
    return results


def measure(session: Session, metric: Metric, results: Results) -> None:
    """Measure one metric once. After a fault the session is closed: its kernel may be in any state."""
    begun = time.monotonic()
    samples: dict[str, list[float]] = {}
    failed = False
    session.faults.clear()
    for _ in range(metric.repeat):
        try:
            if metric.setting in ("fresh", "new"):
                session.close()
            if metric.setting != "fresh" and not up(session, results):
                return
            for row, values in metric.measure(session).items():
                samples.setdefault(row, []).extend(values)
        except Fault as fault:
            session.faults.append(str(fault))
            session.close()
            failed = True
            break
    results.note(session.kernel, metric.name, None if failed else samples, session.faults)
    results.durations[session.kernel.label, metric.name] = time.monotonic() - begun


def wanted(kernel: Kernel, metric: Metric, number: int, results: Results) -> bool:
    """Whether a metric is to be measured in round `number` (from 0)."""
    if kernel.label == FLOOR and not metric.floor:
        return False
    if kernel.only is not None and metric.name not in kernel.only:
        return False
    return not results.gave_up(kernel, metric.name) and (metric.rounds is None or number < metric.rounds)


def measure_alone(bench: Bench, kernel: Kernel, metrics: Sequence[Metric], results: Results, number: int) -> None:
    session = Session(bench, kernel)
    try:
        for metric in metrics:
            if not wanted(kernel, metric, number, results):
                continue
            measure(session, metric, results)
    finally:
        session.close()


def measure_command(bench: Bench, command: str, results: Results) -> None:
    """Measure one floor: a command by the time it takes, a script by what it prints."""
    if command in IN_PROCESS:
        home = bench.folder / "commands"
        home.mkdir(exist_ok=True)
        try:
            microseconds = printed([bench.python, "-c", IN_PROCESS[command]], clean_environment(bench.python, home))
            results.samples[command, "us"].append([microseconds])
        except OSError as error:
            results.faults[command, "command"][str(error)] += 1
        return
    argv = [part.replace("{python}", bench.python) for part in COMMANDS[command]]
    home = bench.folder / "commands"
    home.mkdir(exist_ok=True)
    try:
        wall_s, cpu_s = finish(argv, clean_environment(bench.python, home))
    except OSError as error:
        results.faults[command, "command"][str(error)] += 1
        return
    results.samples[command, "wall_ms"].append([wall_s * 1e3])
    results.samples[command, "cpu_ms"].append([cpu_s * 1e3])


def measure_together(
    bench: Bench, kernels: Sequence[Kernel], metrics: Sequence[Metric], results: Results, number: int
) -> None:
    """Start all kernels, then go through the metrics: each on every kernel in turn, before the next."""
    sessions = [Session(bench, kernel) for kernel in kernels]
    try:
        for session in sessions:
            up(session, results)
        time.sleep(bench.settle_s)
        for index, metric in enumerate(metrics):
            for session in rotated(sessions, index):
                if wanted(session.kernel, metric, number, results):
                    measure(session, metric, results)
    finally:
        for session in sessions:
            session.close()


def up(session: Session, results: Results) -> bool:
    """Have the session's kernel running, and say whether it is; a fault of its start is noted under `ready`."""
    for _ in range(STARTS):
        try:
            session.ready()
            return True
        except Fault as fault:
            session.close()
            results.faults[session.kernel.label, "ready"][str(fault)] += 1
    return False
