"""What a debugger costs while it does not stop."""

from __future__ import annotations

import time
from itertools import count
from typing import Any

from benchmarks import procfs
from benchmarks.client import Fault
from benchmarks.flow import CELL, ask, check_ok, features, flow
from benchmarks.metrics.definition import Row, Samples, metric
from benchmarks.session import Session

_DEADLINE_S = 20.0
_MODULE = """
import time as _time
_begin = _time.perf_counter()
_sum = 0
for _i in range({number}):
    _sum += _i
_took = _time.perf_counter() - _begin
"""
_FUNCTION = """
import time as _time
def _work():
    total = 0
    for i in range({number}):
        total += i
    return total
_begin = _time.perf_counter()
_work()
_took = _time.perf_counter() - _begin
"""


@metric(
    "new",
    Row("loop_s", "5 M iteration loop", "s"),
    Row("debug_module", "… attached / not, module code", "×", goal=1.05),
    Row("debug_function", "… attached / not, function", "×", goal=1.05),
    Row("debug_attach_ms", "initialize + attach", "ms", goal=450),
    Row("debug_pss_mib", "PSS with debugger", "MiB", goal=36),
    rounds=1,
)
def debugger(session: Session) -> Samples:
    """A loop of 5 million steps at the top of a cell, and one in a function, timed inside the kernel: before a debugger
    is attached, and after. The time of initialize and attach, in ms, and the memory (MiB) with it."""
    if "debugger" not in features(session):
        raise Fault("no debugger")
    module, function = _loop(session, _MODULE), _loop(session, _FUNCTION)
    numbers = count(1)
    begin = time.perf_counter()
    _debug(session, next(numbers), "initialize", {"clientID": "bench", "adapterID": "", "pathFormat": "path"})
    _debug(session, next(numbers), "attach", {})
    attached = time.perf_counter() - begin
    samples = {
        "loop_s": [module],
        "debug_module": [_loop(session, _MODULE) / module],
        "debug_function": [_loop(session, _FUNCTION) / function],
        "debug_attach_ms": [attached * 1e3],
    }
    if procfs.available:
        samples["debug_pss_mib"] = [procfs.memory(procfs.tree(session.process.pid)).pss]
    return samples


def _debug(session: Session, seq: int, command: str, arguments: dict[str, Any]) -> None:
    content = {"type": "request", "seq": seq, "command": command, "arguments": arguments}
    told = ask(session, "debug_request", content, _DEADLINE_S).content
    if not told.get("success"):
        raise Fault(f"{command}: {str(told)[:100]}")


def _loop(session: Session, code: str) -> float:
    """Run a loop twice; return the seconds of the faster one, as the kernel measured them."""
    client, times = session.client, []
    content = CELL | {"code": code.format(number=session.bench.count(5_000_000)), "user_expressions": {"took": "_took"}}
    for _ in range(2):
        came = flow(client, [client.request("execute_request", content)], deadline_s=_DEADLINE_S)
        [answer] = check_ok(client, came)
        took = answer.content.get("user_expressions", {}).get("took", {})
        if took.get("status") != "ok":
            raise Fault(f"no user_expressions: {str(took)[:60]}")
        times.append(float(took["data"]["text/plain"]))
    return min(times)
