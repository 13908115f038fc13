"""Many requests, much output: how fast it comes, and whether all of it does."""

from __future__ import annotations

from benchmarks import procfs
from benchmarks.client import Fault
from benchmarks.flow import CELL, Flow, cell, check_ok, flow
from benchmarks.metrics.definition import Row, Samples, metric
from benchmarks.session import Session

HUNDRED_KB = 100_000
_DISPLAY = "from IPython.display import display\n"


@metric(
    "alone",
    Row("pipelined_per_s", "500 pipelined `pass`", "req/s", goal=2000, more=True),
    Row("pipelined_cpu_us", "kernel CPU per pipelined request", "µs", goal=400),
)
def pipelined(session: Session) -> Samples:
    """Execute requests of `pass` a second, sent all at once, until all replies and idles are there."""
    rate, cpu = _pipeline(session, 500)
    return {"pipelined_per_s": [rate], "pipelined_cpu_us": cpu}


@metric("new", Row("pipelined_5000_per_s", "5 000 pipelined", "req/s", goal=2000, more=True), rounds=1)
def pipelined_5000(session: Session) -> Samples:
    """As `pipelined`, ten times as many."""
    return {"pipelined_5000_per_s": [_pipeline(session, 5000)[0]]}


def _pipeline(session: Session, usual: int) -> tuple[float, list[float]]:
    client, number = session.client, session.bench.count(usual)
    cell(session, "pass")
    requests = client.requests(number, "execute_request", CELL | {"code": "pass"})
    before = cpu_s(session)
    came = flow(client, requests, deadline_s=40.0)
    used = cpu_s(session) - before
    check_ok(client, came)
    asked = [request.token.decode() for request in requests]
    if [client.decode(frames).parent_id for frames in came.replies] != asked:
        session.fault("replies out of order")
    if len(came.iopub) != 3 * number:
        session.fault(f"{len(came.iopub)} messages on iopub for {number} cells, not three each")
    return number / came.took_s, [used / number * 1e6] if procfs.available else []


@metric(
    "new",
    Row("print_s", "print × 100 000", "s", goal=0.15),
    Row("print_cpu_s", "… kernel CPU", "s", goal=0.12),
    Row("print_messages", "… iopub stream messages", ""),
    rounds=1,
)
def prints(session: Session) -> Samples:
    """Seconds until 100,000 printed numbers, the reply and the idle are there; every byte is compared."""
    number = session.bench.count(100_000)
    came, cpu = _run(session, f"for i in range({number}): print(i)")
    _same_text(session, came, "".join(f"{i}\n" for i in range(number)))
    messages = len(came.of_type(session.client, "stream"))
    return {"print_s": [came.took_s], "print_cpu_s": cpu, "print_messages": [messages]}


@metric(
    "alone",
    Row("write_s", "write 100 × 1 MB", "s", goal=0.40),
    Row("write_cpu_s", "… kernel CPU", "s", goal=0.35),
    rounds=1,
)
def writes(session: Session) -> Samples:
    """Seconds until 100 MB of stdout are there, written 1 MB at a time, in lines of 100 characters."""
    number = session.bench.count(100)
    came, cpu = _run(
        session, f"import sys\ntext = ('x' * 99 + '\\n') * 10_000\nfor i in range({number}): sys.stdout.write(text)"
    )
    _same_text(session, came, ("x" * 99 + "\n") * 10_000 * number)
    return {"write_s": [came.took_s], "write_cpu_s": cpu}


@metric(
    "alone",
    Row("display_s", "display × 5 000", "s", goal=0.50),
    Row("display_cpu_s", "… kernel CPU", "s", goal=0.42),
    rounds=1,
)
def displays(session: Session) -> Samples:
    """Seconds until 5,000 displays of a number, each a message, are there, in order."""
    number = session.bench.count(5000)
    came, cpu = _run(session, f"{_DISPLAY}for i in range({number}): display(i)")
    shown = [answer.content["data"]["text/plain"] for answer in came.of_type(session.client, "display_data")]
    if shown != [str(i) for i in range(number)]:
        raise Fault(f"{len(shown)}/{number} displays")
    return {"display_s": [came.took_s], "display_cpu_s": cpu}


@metric("alone", Row("images_s", "display 2 000 × 100 KB", "s", goal=0.55), rounds=1)
def images(session: Session) -> Samples:
    """Seconds until 2,000 displays with 100 KB of base64 text each are there."""
    number = session.bench.count(2000)
    code = f"{_DISPLAY}data = {{'image/png': 'A' * {HUNDRED_KB}}}\nfor i in range({number}): display(data, raw=True)"
    came, _ = _run(session, code)
    whole = [
        a for a in came.of_type(session.client, "display_data") if len(a.content["data"]["image/png"]) == HUNDRED_KB
    ]
    if len(whole) != number:
        raise Fault(f"{len(whole)}/{number} displays")
    return {"images_s": [came.took_s]}


@metric("alone", Row("buffers_s", "comm 2 000 × 100 KB", "s", goal=0.25), rounds=1)
def buffers(session: Session) -> Samples:
    """Seconds until 2,000 comm messages with a binary buffer of 100 KB each are there."""
    return {"buffers_s": [_comm(session, session.bench.count(2000), HUNDRED_KB)]}


@metric("alone", Row("large_buffer_s", "comm 1 × 200 MB", "s", goal=0.23), rounds=1)
def large_buffer(session: Session) -> Samples:
    """Seconds until one comm message with a binary buffer of 200 MB is there."""
    return {"large_buffer_s": [_comm(session, 1, session.bench.count(200_000_000))]}


def _comm(session: Session, number: int, size: int) -> float:
    cell(session, "from comm import create_comm\nchannel = create_comm(target_name='bench_sink')")
    came, _ = _run(session, f"data = bytes({size})\nfor i in range({number}): channel.send({{'i': i}}, buffers=[data])")
    told = came.of_type(session.client, "comm_msg")
    if [answer.content["data"]["i"] for answer in told] != list(range(number)):
        raise Fault(f"{len(told)}/{number} comm messages")
    if any([len(buffer) for buffer in answer.buffers] != [size] for answer in told):
        raise Fault("a buffer of another size")
    return came.took_s


@metric("alone", Row("shell_command_s", "`!seq 200000`", "s", goal=0.025), rounds=1)
def shell_command(session: Session) -> Samples:
    """Seconds until what a subprocess of a `!` command printed is there."""
    number = session.bench.count(200_000)
    came, _ = _run(session, f"!seq {number}")
    _same_text(session, came, _seq(number))
    return {"shell_command_s": [came.took_s]}


@metric("alone", Row("os_system_s", "os.system('seq 200000')", "s", goal=0.03), rounds=1)
def os_system(session: Session) -> Samples:
    """Seconds until what a subprocess wrote to file descriptor 1 is there."""
    number = session.bench.count(200_000)
    came, _ = _run(session, f"import os\n_ = os.system('seq {number}')")
    _same_text(session, came, _seq(number))
    return {"os_system_s": [came.took_s]}


def _seq(number: int) -> str:
    return "".join(f"{i}\n" for i in range(1, number + 1))


def _run(session: Session, code: str) -> tuple[Flow, list[float]]:
    """Run a cell; return what came, and the kernel's CPU seconds. One before it has loaded what every cell needs."""
    cell(session, "pass")
    before = cpu_s(session)
    came = cell(session, code, deadline_s=40.0)
    return came, [cpu_s(session) - before] if procfs.available else []


def _same_text(session: Session, came: Flow, expected: str) -> None:
    text = came.text(session.client).replace("\r\n", "\n")
    if not text:
        raise Fault("output not captured")
    if len(text) < len(expected):
        raise Fault(f"output lost ({len(text)}/{len(expected)} bytes)")
    if text != expected:
        raise Fault("output differs")


def cpu_s(session: Session) -> float:
    return procfs.cpu_s(procfs.tree(session.process.pid)) if procfs.available else 0.0
