"""Every metric of the benchmark, with the fewest requests that it can do with: each row gets a number, and no fault."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq

from frontend import KERNEL_NAME
from needs import OTHER_MACHINE

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.append(str(ROOT))

from benchmarks import procfs, provisioned, rounds, session  # noqa: E402
from benchmarks.kernels import INSTANT, KERNELS, OURS, REFERENCE  # noqa: E402
from benchmarks.metrics import METRICS  # noqa: E402
from benchmarks.process import clean_environment  # noqa: E402
from benchmarks.session import Bench  # noqa: E402


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    def with_this_tree(python: str, home: Path) -> dict[str, str]:
        return {**clean_environment(python, home), "PYTHONPATH": str(ROOT / "src")}

    monkeypatch.setattr(session.process, "clean_environment", with_this_tree)
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))  # a zygote's; the benchmark sets it too
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    yield Bench(context, sys.executable, tmp_path, size=3, settle_s=0.0, idle_s=0.01, scale=0.0005)
    provisioned.end_zygotes(tmp_path)
    context.destroy(linger=0)


def measured(bench: Bench, label: str, name: str) -> rounds.Results:
    return rounds.run(bench, [KERNELS[label]], [METRICS[name]], 1, lambda text: None)


@pytest.mark.parametrize("name", METRICS)
def test_every_row_of_a_metric_gets_a_number(bench: Bench, name: str) -> None:
    if not procfs.available:
        pytest.skip(f"{OTHER_MACHINE}it has /proc")
    label = OURS if KERNEL_NAME == OURS else REFERENCE
    results = measured(bench, label, name)
    assert not any(results.faults.values()), dict(results.faults)
    for row in METRICS[name].rows:
        [values] = results.samples[label, row.key]
        assert all(value >= 0 for value in values) or row.key == "growth_mib", (row.key, values)


@pytest.mark.skipif(KERNEL_NAME != OURS, reason="only kernelet has a zygote")
@pytest.mark.parametrize("name", ["start", "fleet", "shutdown", "interrupt_busy"])
def test_the_instant_kernel_is_measured_through_its_provisioner(bench: Bench, name: str) -> None:
    if why := provisioned.missing():
        pytest.skip(f"{OTHER_MACHINE}{why}")
    results = measured(bench, INSTANT, name)
    assert not any(results.faults.values()), dict(results.faults)
    assert all(results.samples[INSTANT, row.key] for row in METRICS[name].rows)


@pytest.mark.parametrize("name", ["prints", "execute", "interrupt_busy", "shutdown"])
def test_a_kernel_that_hangs_does_not_hang_the_run(bench: Bench, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is stopped as soon as it is up: every wait has a deadline, and the fault says what was waited for."""
    for module, deadline in (
        ("client", "REPLY_DEADLINE_S"),
        ("flow", "QUIET_S"),
        ("metrics.interrupts", "_DEADLINE_S"),
        ("metrics.start", "SHUTDOWN_DEADLINE_S"),
    ):
        monkeypatch.setattr(sys.modules[f"benchmarks.{module}"], deadline, 0.5)
    up = rounds.up

    def up_and_stopped(one: session.Session, results: rounds.Results) -> bool:
        came_up = up(one, results)
        if came_up:
            os.kill(one.process.pid, signal.SIGSTOP)
        return came_up

    monkeypatch.setattr(rounds, "up", up_and_stopped)
    results = measured(bench, OURS, name)
    assert not results.samples
    assert sum(results.faults[OURS, name].values()) == 1
