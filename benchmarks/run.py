"""Measure kernelet and its peers in one interleaved run: `python benchmarks/run.py [--quick] [--kernels ...]`."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import signal
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)  # instead of this directory: its modules are `benchmarks.client` and so on

import zmq  # noqa: E402

from benchmarks import plot, procfs, provisioned, rounds  # noqa: E402
from benchmarks.kernels import KERNELS, OURS, REFERENCE, Interpreter, Kernel, floors, look_into  # noqa: E402
from benchmarks.metrics import METRICS  # noqa: E402
from benchmarks.report import Report  # noqa: E402
from benchmarks.session import Bench, Session  # noqa: E402


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    default = [kernel.label for kernel in KERNELS.values() if kernel.default]
    parser.add_argument("--kernels", nargs="+", choices=KERNELS, default=default, help="which to compare")
    parser.add_argument("--metrics", nargs="+", choices=METRICS, default=list(METRICS), help="what to measure")
    parser.add_argument("--rounds", type=int, help="how often each kernel takes its turn, at most (7)")
    parser.add_argument("--size", type=int, help="requests in a timed block (100)")
    parser.add_argument("--scale", type=float, help="what share of the thousands of prints, displays, cells is run (1)")
    parser.add_argument("--budget", type=float, default=480.0, help="begin no round that would end after these seconds")
    parser.add_argument("--quick", action="store_true", help="1 round, 50 requests, a tenth of the thousands")
    parser.add_argument("--python", default=sys.executable, help="the interpreter that runs the kernels (this one)")
    parser.add_argument("--json", type=Path, default=ROOT / "build" / "bench.json", help="where the samples go")
    parser.add_argument("--no-floors", action="store_true", help="leave the plain commands out")
    parser.add_argument("--check", action="store_true", help="fail if kernelet misses a target or makes a fault")
    options = parser.parse_args(argv)
    options.rounds = options.rounds or (1 if options.quick else 7)
    options.size = options.size or (50 if options.quick else 100)
    options.scale = options.scale or (0.1 if options.quick else 1.0)
    return options


def say(text: str) -> None:
    print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)


def choose(bench: Bench, interpreter: Interpreter, labels: list[str]) -> tuple[list[Kernel], dict[str, str]]:
    """Start each kernel once, for its caches and its profile; return those that start, and why the others do not."""
    chosen, left_out = [], {}
    for label in labels:
        kernel = KERNELS[label]
        why = interpreter.missing(kernel)
        if not why:
            session, results = Session(bench, kernel), rounds.Results()
            try:
                if not rounds.up(session, results):
                    why = "; ".join(results.faults[label, "ready"])
            finally:
                session.close()
        if why:
            left_out[label] = why
            say(f"without {label}: {why}")
        else:
            chosen.append(kernel)
    return chosen, left_out


def machine(folder: Path) -> dict[str, Any]:
    return {
        "cpu": procfs.cpu_model(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "home_filesystem": procfs.filesystem(folder),
    }


def terminated(signum: int, frame: FrameType | None) -> None:
    sys.exit(128 + signum)  # an exception, so that every `finally` ends its kernel


def main(argv: list[str] | None = None) -> int:
    options = arguments(argv)
    signal.signal(signal.SIGTERM, terminated)
    begun = datetime.now(UTC)
    load_before = procfs.load()
    interpreter = look_into(options.python)
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder:
        bench = Bench(
            context=zmq.Context(),
            python=options.python,
            folder=Path(folder),
            size=options.size,
            settle_s=0.5 if options.quick else 1.0,
            idle_s=1.0 if options.quick else 3.0,
            scale=options.scale,
        )
        try:
            kernels, left_out = choose(bench, interpreter, options.kernels)
            if not kernels:
                print("No kernel could be started.", file=sys.stderr)
                return 1
            metrics = [metric for name, metric in METRICS.items() if name in options.metrics]
            commands = [] if options.no_floors else floors(options.metrics)
            results = rounds.run(bench, kernels, metrics, options.rounds, say, commands, options.budget)
            about = machine(bench.folder)
        finally:
            provisioned.end_zygotes(bench.folder)
            bench.context.destroy(linger=0)

    report = Report(results, [kernel.label for kernel in kernels], metrics, commands)
    load_after = procfs.load()
    versions = {kernel.label: interpreter.version_of(kernel) for kernel in kernels}
    document = {
        "schema": 1,
        "begun": begun.isoformat(timespec="seconds"),
        "seconds": round((datetime.now(UTC) - begun).total_seconds()),
        "command": shlex.join([Path(sys.executable).name, *sys.argv]),
        "machine": about,
        "load": {"before": load_before, "after": load_after},
        "python": interpreter.version,
        "versions": interpreter.versions,
        "rounds": len(results.loads),
        "size": options.size,
        "scale": options.scale,
        "left_out": left_out,
        **report.as_json(),
    }
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n")

    print(f"{about['cpu']}, {about['cores']} cores, {about['system']}, homes on {about['home_filesystem']}")
    print(f"{interpreter.version}; {'; '.join(f'{label}: {told}' for label, told in versions.items() if told)}")
    print(f"load {load_before[0]:.1f} before, {load_after[0]:.1f} after; {len(results.loads)} rounds of {options.size}")
    for label, why in left_out.items():
        print(f"left out: {label}: {why}")
    for part in (report.floors(), report.spread(), report.table()):
        if part:
            print(f"\n{part}")
    print(f"\nratios to {REFERENCE}; less is better where nothing else is said; all samples in {options.json}")
    if steadiness := report.steadiness():
        told = ", ".join(f"{label} {factor:.2f}" for label, factor in steadiness.items())
        print(f"slowest ÷ fastest round, median of execute: {told}; do not trust differences smaller than that")
    verdicts = report.targets()
    for row, ratio, target, met in verdicts:
        print(f"{'met   ' if met else 'MISSED'} {OURS}, {row}: {ratio:.3f} × {REFERENCE}, target {target:.3f}")
    for verdict in report.goals() if options.scale == 1 else []:
        print(verdict)
    if picture := plot.draw(options.json):
        print(f"the picture is in {picture}")
    failed = not report.ours_is_right() or not all(met for *_, met in verdicts)
    return 1 if options.check and failed else 0


if __name__ == "__main__":
    sys.exit(main())
