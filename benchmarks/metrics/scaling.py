"""What stays the same after thousands of cells, with many threads, with many subshells."""

from __future__ import annotations

import time
from collections import Counter
from statistics import median

from benchmarks import procfs
from benchmarks.client import Fault
from benchmarks.flow import CELL, cell, check_ok, features, flow
from benchmarks.metrics.busy import new_subshell
from benchmarks.metrics.definition import Row, Samples, metric
from benchmarks.metrics.roundtrip import PASS, check_trips
from benchmarks.session import Session

_AT_ONCE = 50
_THREADS, _LINES = 20, 1000
_PRINTING = """
import threading
def _say(number):
    for line in range({lines}):
        print(f"{{number}} {{line}}")
_all = [threading.Thread(target=_say, args=(number,)) for number in range({threads})]
for _one in _all: _one.start()
for _one in _all: _one.join()
"""
_SLEEPS = "import time\nfor _ in range(20): time.sleep(0.01)"


@metric(
    "new",
    Row("slower_after", "execute p50 after / before 2 000 cells", "×", goal=1.05),
    Row("growth_mib", "USS growth over 5 000 cells", "MiB", goal=0.9),
    rounds=1,
)
def growth(session: Session) -> Samples:
    """The median round trip of `pass` after 2,000 cells by the one before, and private memory (MiB) that 5,000 cells
    take: each of other code, with history, 50 at a time."""
    before = _median_ms(session)
    _many(session, session.bench.count(300))
    uss = _uss(session)
    _many(session, session.bench.count(2000))
    after = _median_ms(session)
    _many(session, session.bench.count(3000))
    samples = {"slower_after": [after / before]}
    if procfs.available:
        samples["growth_mib"] = [_uss(session) - uss]
    return samples


def _many(session: Session, number: int) -> None:
    client = session.client
    for first in range(0, number, _AT_ONCE):
        codes = [f"x = {i}" for i in range(first, min(first + _AT_ONCE, number))]
        requests = [client.request("execute_request", CELL | {"code": code}) for code in codes]
        check_ok(client, flow(client, requests))


def _median_ms(session: Session) -> float:
    client = session.client
    trips = client.trips(client.shell, client.requests(session.bench.count(60, 5), "execute_request", PASS))
    check_trips(session, trips)
    return median((trip.settled - trip.sent) * 1e3 for trip in trips)


def _uss(session: Session) -> float:
    if not procfs.available:
        return 0.0
    time.sleep(session.bench.settle_s)
    return procfs.memory(procfs.tree(session.process.pid)).uss


@metric(
    "alone",
    Row("threads_print_s", "20 threads × 1 000 prints", "s", goal=0.15),
    Row("threads_print_lines", "… whole lines with the cell as parent", "", goal=20_000, more=True),
    rounds=1,
)
def threads_print(session: Session) -> Samples:
    """Seconds until what 20 threads print is there, and how many of the lines are whole and have the cell's parent."""
    lines = session.bench.count(_LINES)
    code = _PRINTING.format(threads=_THREADS, lines=lines)
    client = session.client
    request = client.request("execute_request", CELL | {"code": code})
    came = flow(client, [request])
    check_ok(client, came)
    told = [answer for answer in came.of_type(client, "stream") if answer.parent_id == request.token.decode()]
    expected = {f"{number} {line}" for number in range(_THREADS) for line in range(lines)}
    seen = Counter("".join(answer.content["text"] for answer in told).split("\n"))
    whole = sum(1 for line in expected if seen[line] == 1)
    if whole < len(expected):
        session.fault(f"{len(expected) - whole} of {len(expected)} lines torn, lost or of another parent")
    return {"threads_print_s": [came.took_s], "threads_print_lines": [whole]}


@metric(
    "new",
    Row("subshells_1_s", "1 subshell, 20 × sleep 10 ms", "s", goal=0.21),
    Row("subshells_4_s", "4 subshells", "s", goal=0.21),
    Row("subshells_16_s", "16 subshells", "s", goal=0.22),
    Row("subshells_threads", "threads with 16 subshells", "", goal=21),
    rounds=1,
)
def subshells(session: Session) -> Samples:
    """Seconds until 1, 4 and 16 subshells have all run a cell that sleeps 20 × 10 ms, begun together."""
    if "kernel subshells" not in features(session):
        raise Fault("no subshells")
    client, ids, samples = session.client, list[str](), dict[str, list[float]]()
    for number in (1, 4, 16):
        while len(ids) < number:
            ids.append(new_subshell(session))
            cell(session, "pass", subshell_id=ids[-1])
        requests = [client.request("execute_request", CELL | {"code": _SLEEPS}, subshell_id=each) for each in ids]
        came = flow(client, requests)
        check_ok(client, came)
        samples[f"subshells_{number}_s"] = [came.took_s]
    if procfs.available:
        samples["subshells_threads"] = [procfs.threads([session.process.pid])]
    return samples
