"""How long a kernel takes to come and to go."""

from __future__ import annotations

import time

from benchmarks import procfs
from benchmarks.client import Fault
from benchmarks.metrics.definition import Row, Samples, metric
from benchmarks.metrics.roundtrip import PASS, check_execute, check_info
from benchmarks.session import Session

SHUTDOWN_DEADLINE_S = 10.0


@metric(
    "fresh",
    Row("start_info_ms", "spawn → kernel_info_reply", "ms", target=0.35),
    Row("start_execute_ms", "spawn → first execute_reply", "ms", target=0.5),
    Row("start_info_cpu_ms", "CPU until kernel_info_reply", "ms", goal=75),
    Row("start_execute_cpu_ms", "CPU until first execute_reply", "ms", goal=185),
    floor=True,
    repeat=2,
)
def start(session: Session) -> Samples:
    """Time, in ms, from just before the process is spawned until its reply is read on shell.

    A kernel_info_request waits in the client's socket for the kernel to bind; an execute_request of `pass` is sent as
    soon as the reply to that is read. CPU is what the process itself had used when each reply was read. One sample.
    The kernel has run before, so its files are in the page cache, compiled, and its profile exists.
    """
    begin = session.spawn()
    client = session.client
    info, execute = client.request("kernel_info_request", {}), client.request("execute_request", PASS)
    client.shell.send_multipart(info.frames)
    times, cpu, replies = [], [], []
    for following in (execute, None):
        replies.append(session.await_reply())
        times.append((time.perf_counter() - begin) * 1e3)
        if following is not None:
            client.shell.send_multipart(following.frames)
        if procfs.available:
            cpu.append(procfs.cpu_s([session.process.pid]) * 1e3)
    check_info(session, client.decode(replies[0]), info)
    check_execute(session, client.decode(replies[1]), execute)
    rows = ["start_info_ms", "start_execute_ms", "start_info_cpu_ms", "start_execute_cpu_ms"]
    return {row: [value] for row, value in zip(rows, times + cpu, strict=False)}


@metric(
    "alone",
    Row("shutdown_reply_ms", "shutdown_request → reply", "ms", goal=0.5),
    Row("shutdown_ms", "shutdown_request → exit", "ms", goal=35),
    floor=True,
)
def shutdown(session: Session) -> Samples:
    """Time, in ms, from sending a shutdown_request on control until the reply is read, and until the process has ended.

    One sample.
    """
    client = session.client
    request = client.request("shutdown_request", {"restart": False})
    begin = time.perf_counter()
    client.control.send_multipart(request.frames)
    replied: float | None = None
    if client.control.poll(SHUTDOWN_DEADLINE_S * 1000):
        client.control.recv_multipart()
        replied = time.perf_counter() - begin
    status = session.process.wait(SHUTDOWN_DEADLINE_S)
    took = time.perf_counter() - begin
    if status is None:
        raise Fault(f"still there {SHUTDOWN_DEADLINE_S:.0f} s after shutdown_request")
    if status:
        session.fault(f"exit status {status} after shutdown_request")
    if replied is None:
        session.fault("no shutdown_reply")
    session.close()
    return {"shutdown_ms": [took * 1e3], "shutdown_reply_ms": [] if replied is None else [replied * 1e3]}
