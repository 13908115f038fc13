"""Many kernels at once."""

from __future__ import annotations

import time

from benchmarks import procfs
from benchmarks.client import Fault
from benchmarks.metrics.definition import Row, Samples, metric
from benchmarks.session import Session

_DEADLINE_S = 60.0


@metric(
    "fresh",
    Row("fleet_s", "30 kernels at once", "s", target=0.35),
    Row("fleet_rss_mib", "30 kernels RSS", "MiB", goal=1050),
    Row("fleet_pss_mib", "30 kernels PSS", "MiB", goal=540),
    Row("fleet_uss_mib", "30 kernels USS", "MiB"),
    rounds=1,
)
def fleet(session: Session) -> Samples:
    """Seconds from just before the first of 30 kernels is spawned until the last has answered a kernel_info_request
    that waited for it, and their memory (MiB) a moment later; a zygote that bore them is counted with them."""
    number = session.bench.count(30)
    kernels = [Session(session.bench, session.kernel) for _ in range(number)]
    try:
        begin = time.perf_counter()
        for one in kernels:
            one.spawn()
            one.client.shell.send_multipart(one.client.request("kernel_info_request", {}).frames)
        for one in kernels:
            left_s = begin + _DEADLINE_S - time.perf_counter()
            if left_s <= 0:
                raise Fault(f"{number} kernels are not there after {_DEADLINE_S:.0f} s")
            one.client.decode(one.await_reply(left_s))
        took = time.perf_counter() - begin
        if not procfs.available:
            return {"fleet_s": [took]}
        time.sleep(session.bench.settle_s)
        shared = {pid for one in kernels for pid in one.process.parents}
        memory = procfs.memory([*shared, *(pid for one in kernels for pid in procfs.tree(one.process.pid))])
    finally:
        for one in kernels:
            one.close()
    return {
        "fleet_s": [took],
        "fleet_rss_mib": [memory.rss],
        "fleet_pss_mib": [memory.pss],
        "fleet_uss_mib": [memory.uss],
    }
