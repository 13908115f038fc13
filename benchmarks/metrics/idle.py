"""What a kernel costs while it does nothing."""

from __future__ import annotations

import time

from benchmarks import procfs
from benchmarks.metrics.definition import Row, Samples, metric
from benchmarks.metrics.roundtrip import PASS, check_trips
from benchmarks.session import Session


@metric(
    "alone",
    Row("rss_mib", "RSS when idle", "MiB"),
    Row("pss_mib", "PSS when idle", "MiB"),
    Row("uss_mib", "USS when idle", "MiB"),
    Row("threads", "threads when idle", ""),
    Row("switches_per_s", "context switches when idle", "/s"),
    Row("idle_cpu_ms_per_s", "CPU when idle", "ms/s"),
)
def idle(session: Session) -> Samples:
    """Memory (MiB), threads, context switches per second and CPU (ms per second) of an idle kernel.

    The kernel and the processes below it, after one cell and a pause, over a few seconds. Context switches are
    voluntary and involuntary ones of all threads. PSS shares the pages of the interpreter with the benchmark itself, a
    process of the same interpreter; USS is private memory only. One sample of each.
    """
    client = session.client
    requests = client.requests(1, "execute_request", PASS)
    check_trips(session, client.trips(client.shell, requests))
    if not procfs.available:
        return {}
    time.sleep(session.bench.settle_s)
    pids = procfs.tree(session.process.pid)
    memory = procfs.memory(pids)
    threads = procfs.threads(pids)
    before, cpu_before, begin = procfs.switches(pids), procfs.cpu_s(pids), time.perf_counter()
    time.sleep(session.bench.idle_s)
    after, cpu_after, span = procfs.switches(pids), procfs.cpu_s(pids), time.perf_counter() - begin
    switches = sum(number - before.get(thread, 0) for thread, number in after.items())
    return {
        "rss_mib": [memory.rss],
        "pss_mib": [memory.pss],
        "uss_mib": [memory.uss],
        "threads": [threads],
        "switches_per_s": [switches / span],
        "idle_cpu_ms_per_s": [(cpu_after - cpu_before) * 1e3 / span],
    }
