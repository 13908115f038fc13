"""How long an interrupt takes, wherever it finds the cell."""

from __future__ import annotations

import time

from benchmarks.client import Fault
from benchmarks.flow import begin
from benchmarks.metrics.definition import Row, Samples, metric
from benchmarks.session import Session

_DEADLINE_S = 5.0
_IN_IT_S = 0.1
_CELLS = {
    "interrupt_busy_ms": "while True: pass",
    "interrupt_sleep_ms": "import time\ntime.sleep(1000)",
    "interrupt_await_ms": "import asyncio\nawait asyncio.sleep(1000)",
}


def _interrupts(session: Session, row: str) -> Samples:
    """Interrupt the cell once to load what shows a traceback, then for the samples."""
    times = [_interrupt(session, _CELLS[row]) * 1e3 for _ in range(session.bench.count(4, 2))]
    return {row: times[1:]}


def _interrupt(session: Session, code: str) -> float:
    client = session.client
    begin(session, code)
    time.sleep(_IN_IT_S)  # printed, but perhaps not yet in it
    sent = time.perf_counter()
    session.interrupt()
    if not client.shell.poll(_DEADLINE_S * 1000):
        raise Fault(f"not interrupted in {_DEADLINE_S:.0f} s")
    answer = client.decode(client.shell.recv_multipart())
    took = time.perf_counter() - sent
    if answer.msg_type != "execute_reply" or answer.content.get("status") != "error":
        raise Fault(f"{answer.msg_type} says {answer.content.get('status')}")
    if answer.content.get("ename") != "KeyboardInterrupt":
        session.fault(f"ename {answer.content.get('ename')}")
    return took


@metric("alone", Row("interrupt_busy_ms", "interrupt → error reply, busy loop", "ms", goal=4), rounds=2)
def interrupt_busy(session: Session) -> Samples:
    """Time, in ms, from the interrupt (SIGINT, or a message where the kernelspec says so) until the error reply."""
    return _interrupts(session, "interrupt_busy_ms")


@metric("alone", Row("interrupt_sleep_ms", "… time.sleep", "ms", goal=4), rounds=2)
def interrupt_sleep(session: Session) -> Samples:
    """As `interrupt_busy`, of a cell that sleeps in C."""
    return _interrupts(session, "interrupt_sleep_ms")


@metric("alone", Row("interrupt_await_ms", "… await asyncio.sleep", "ms", goal=5), rounds=2)
def interrupt_await(session: Session) -> Samples:
    """As `interrupt_busy`, of a cell that awaits."""
    return _interrupts(session, "interrupt_await_ms")
