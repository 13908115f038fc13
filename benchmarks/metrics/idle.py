"""What a kernel costs while it does nothing."""

from __future__ import annotations

import time

from benchmarks import procfs
from benchmarks.metrics.definition import Row, Samples, metric
from benchmarks.metrics.roundtrip import PASS, check_trips
from benchmarks.session import Session


@metric(
    "new",
    Row("rss_mib", "RSS after start", "MiB", goal=34.5),
    Row("pss_mib", "PSS after start", "MiB", goal=20.5),
    Row("uss_mib", "USS after start", "MiB"),
    Row("pss_cell_mib", "PSS after one cell", "MiB", goal=20.7),
    Row("threads", "threads", "", goal=4),
    Row("switches_per_s", "context switches per s", "/s", goal=0),
    Row("idle_cpu_ms_per_s", "CPU when idle", "ms/s"),
    floor=True,
    rounds=2,
)
def idle(session: Session) -> Samples:
    """Memory (MiB), threads, context switches per second and CPU (ms per second) of an idle kernel.

    The kernel and the processes below it, after the start, then after one cell and a pause, over a few seconds; from a
    kernel that writes its history late the pause lets it do so. Context switches are
    voluntary and involuntary ones of all threads. PSS shares the pages of the interpreter with the benchmark itself, a
    process of the same interpreter; USS is private memory only. One sample of each.
    """
    client = session.client
    time.sleep(session.bench.settle_s)  # one may answer before it has loaded what it needs for a cell
    before_any = procfs.memory(procfs.tree(session.process.pid)) if procfs.available else None
    requests = client.requests(1, "execute_request", PASS)
    check_trips(session, client.trips(client.shell, requests))
    if before_any is None:
        return {}
    time.sleep(2 * session.bench.settle_s)
    pids = procfs.tree(session.process.pid)
    memory = procfs.memory(pids)
    threads = procfs.threads(pids)
    before, cpu_before, begin = procfs.switches(pids), procfs.cpu_s(pids), time.perf_counter()
    time.sleep(session.bench.idle_s)
    after, cpu_after, span = procfs.switches(pids), procfs.cpu_s(pids), time.perf_counter() - begin
    switches = sum(number - before.get(thread, 0) for thread, number in after.items())
    return {
        "rss_mib": [before_any.rss],
        "pss_mib": [before_any.pss],
        "uss_mib": [before_any.uss],
        "pss_cell_mib": [memory.pss],
        "threads": [threads],
        "switches_per_s": [switches / span],
        "idle_cpu_ms_per_s": [(cpu_after - cpu_before) * 1e3 / span],
    }
