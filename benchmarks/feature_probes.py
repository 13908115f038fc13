"""The features that are compared: for each a name, and a probe that asks a kernel by messages and judges what came."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import zmq

from benchmarks.feature_kernel import PATIENCE_S, Peer, parent_of

Verdict = bool | str
"""Whether a kernel has it; or in words what it does instead."""


@dataclass(frozen=True, slots=True)
class Probe:
    name: str
    judge: Callable[[Peer], Verdict]


PROBES: list[Probe] = []


def probe(name: str) -> Callable[[Callable[[Peer], Verdict]], Callable[[Peer], Verdict]]:
    """Add a row to the table."""

    def add(judge: Callable[[Peer], Verdict]) -> Callable[[Peer], Verdict]:
        PROBES.append(Probe(name, judge))
        return judge

    return add


# -- running cells


@probe("`asyncio.run()` in a cell")
def _(peer: Peer) -> Verdict:
    return peer.cell("import asyncio\nasyncio.run(asyncio.sleep(0, 'done'))").value == "'done'"


@probe("a ContextVar set by a cell that awaits stays set")
def _(peer: Peer) -> Verdict:
    peer.cell("import asyncio, contextvars\nv = contextvars.ContextVar('v')\nawait asyncio.sleep(0)\nv.set(42)")
    return peer.cell("v.get()").value == "42"


@probe("`%%time` with `await`")
def _(peer: Peer) -> Verdict:
    return peer.cell("%%time\nimport asyncio\nawait asyncio.sleep(0)").ok


@probe("interrupt of a sync cell, in 1 s")
def _(peer: Peer) -> Verdict:
    return _interrupted(peer, "print('on', flush=True)\nimport time\nfor _ in range(80): time.sleep(.1)")


@probe("interrupt of `await asyncio.sleep(8)`, in 1 s")
def _(peer: Peer) -> Verdict:
    return _interrupted(peer, "import asyncio\nprint('on', flush=True)\nawait asyncio.sleep(8)")


@probe("interrupt of tasks gathered in a cell, in 1 s")
def _(peer: Peer) -> Verdict:
    code = "import asyncio\nprint('on', flush=True)\nawait asyncio.gather(*(asyncio.sleep(8) for _ in range(3)))"
    return _interrupted(peer, code)


def _interrupted(peer: Peer, code: str) -> Verdict:
    cell = peer.start(code)
    begin = time.monotonic()
    peer.interrupt()
    reply = peer.reply(cell, patience_s=4)
    if reply is None:
        return False
    name, took_s = reply["content"].get("ename", reply["content"]["status"]), time.monotonic() - begin
    return (name == "KeyboardInterrupt" and took_s < 1) or f"{name} after {took_s:.1f} s"


@probe("interrupt of `input()`")
def _(peer: Peer) -> Verdict:
    cell = peer.send_cell("input('?')")
    peer.stdin()
    peer.interrupt()
    reply = peer.reply(cell, patience_s=4)
    return reply is not None and (reply["content"].get("ename") == "KeyboardInterrupt" or reply["content"].get("ename"))


@probe("5,000 cells sent at once are all answered")
def _(peer: Peer) -> Verdict:
    ids = [peer.send_cell("1", store_history=False) for _ in range(5000)]
    answered = {parent_of(message) for message in _until(peer, ids[-1])}
    return set(ids) <= answered or f"{len(set(ids) & answered)} of them"


def _until(peer: Peer, last: str) -> list[dict[str, dict[str, str]]]:
    seen = []
    for message in peer._messages("shell", 120):
        seen.append(message)
        if parent_of(message) == last:
            break
    return seen


@probe("cells behind an error get the status `aborted`")
def _(peer: Peer) -> Verdict:
    first, second = peer.send_cell("import time\ntime.sleep(.3)\n1/0"), peer.send_cell("2")
    peer.reply(first)
    reply = peer.reply(second)
    return reply is not None and (reply["content"]["status"] == "aborted" or reply["content"]["status"])


@probe("an exception group is in the reply")
def _(peer: Peer) -> Verdict:
    return peer.cell("raise ExceptionGroup('two', [ValueError(1), TypeError(2)])").error == "ExceptionGroup"


@probe("a failing `__repr__` is told by its own name")
def _(peer: Peer) -> Verdict:
    outcome = peer.cell("class Odd:\n    def __repr__(self): raise LookupError('no')\nOdd()")
    return outcome.error == "LookupError" or f"{outcome.content.get('status')} {outcome.error}".strip()


@probe("an exception of a background task is shown in its cell")
def _(peer: Peer) -> Verdict:
    msg_id = peer.send_cell("import asyncio\nasync def f(): 1/0\nt = asyncio.create_task(f()); del t")
    peer.reply(msg_id)
    peer.cell("import asyncio, gc\nawait asyncio.sleep(.2); gc.collect(); await asyncio.sleep(.3)")
    said = [parent_of(m) for m in peer.iopub if "ZeroDivisionError" in str(m["content"])]
    return msg_id in said or ("in another cell" if said else False)


# -- while a cell runs


@probe("completion is answered while a sync cell runs")
def _(peer: Peer) -> Verdict:
    return _while_busy(peer, "complete_request", {"code": "impo", "cursor_pos": 4}, "shell", "matches")


@probe("kernel_info on control while a sync cell runs, complete")
def _(peer: Peer) -> Verdict:
    return _while_busy(peer, "kernel_info_request", {}, "control", "language_info")


@probe("usage_request is answered with the memory used")
def _(peer: Peer) -> Verdict:
    return _while_busy(peer, "usage_request", {}, "control", "kernel_memory")


def _while_busy(peer: Peer, msg_type: str, content: dict[str, object], channel: str, wanted: str) -> Verdict:
    cell = peer.start("print('on', flush=True)\nimport time\nfor _ in range(40): time.sleep(.1)")
    reply = peer.reply(peer.send(msg_type, content, channel), channel, 2.5)
    peer.reply(cell)
    if reply is None or not reply["content"]:
        return False
    return bool(reply["content"].get(wanted)) or "an empty reply"


@probe("subshells run cells while main is busy")
def _(peer: Peer) -> Verdict:
    made = peer.ask("create_subshell_request", {}, "control").content
    if "subshell_id" not in made:
        return False
    cell = peer.start("print('on', flush=True)\nimport time\nfor _ in range(40): time.sleep(.1)")
    reply = peer.reply(peer.send_cell("1 + 1", header={"subshell_id": made["subshell_id"]}), patience_s=2.5)
    peer.reply(cell)
    return reply is not None


@probe("an interrupt reaches a subshell's cell, in 1 s")
def _(peer: Peer) -> Verdict:
    made = peer.ask("create_subshell_request", {}, "control").content
    if "subshell_id" not in made:
        return False
    code = "print('on', flush=True)\nimport time\nfor _ in range(50): time.sleep(.1)"
    cell = peer.start(code, header={"subshell_id": made["subshell_id"]})
    peer.interrupt()
    reply = peer.reply(cell, patience_s=1)
    return reply is not None and reply["content"]["status"] == "error"


COMM = "import comm\nseen = []\nc = comm.create_comm(target_name='t', comm_id='c')\nc.on_msg(lambda m: seen.append(1))"


@probe("a comm message is handled while a cell awaits")
def _(peer: Peer) -> Verdict:
    peer.cell(COMM)
    cell = peer.start("import asyncio\nprint('on', flush=True)\nawait asyncio.sleep(1.5)\nseen")
    peer.send("comm_msg", {"comm_id": "c", "data": {}})
    return "[1]" in str(peer.heard(cell, "idle"))


@probe("a sync cell can let comm messages in (`do_one_iteration`)")
def _(peer: Peer) -> Verdict:
    peer.cell(COMM)
    code = (
        "print('on', flush=True)\nimport asyncio, time\nkernel, loop = get_ipython().kernel, asyncio.get_event_loop()\n"
    )
    code += "for _ in range(20):\n    loop.run_until_complete(kernel.do_one_iteration()); time.sleep(.05)\nseen"
    cell = peer.start(code)
    peer.send("comm_msg", {"comm_id": "c", "data": {}})
    return "[1]" in str(peer.heard(cell, "idle"))


# -- output


@probe("output of a thread that a cell started, while a later cell runs")
def _(peer: Peer) -> Verdict:
    code = "import threading\ngo = threading.Event()\n"
    code += "t = threading.Thread(target=lambda: (go.wait(), print('late', flush=True))); t.start()"
    origin = peer.send_cell(code)
    peer.reply(origin)
    latest = peer.send_cell("go.set(); t.join()\nimport time; time.sleep(.5)")
    peer.reply(latest)
    for message in peer._messages("iopub", 1.0):
        if "late" in str(message["content"].get("text")):
            parent = parent_of(message)
            return {origin: "the cell that started it", latest: "the newest cell"}.get(parent, "no cell")
    return "lost"


@probe("stdout and stderr keep their order")
def _(peer: Peer) -> Verdict:
    code = "import sys\nfor n in range(4): print(n, file=[sys.stdout, sys.stderr][n % 2])"
    return peer.cell(code).text().split() == ["0", "1", "2", "3"]


@probe("a lone surrogate loses nothing else")
def _(peer: Peer) -> Verdict:
    text = peer.cell("print('before'); print('\\ud800'); print('after')").text()
    return "before" in text and "after" in text


@probe("3,000 prints are few messages")
def _(peer: Peer) -> Verdict:
    count = len(peer.cell("for n in range(3000): print(n)").contents("stream", "text"))
    return f"{count}"


@probe("what C code and children write to fd 1 is in the cell")
def _(peer: Peer) -> Verdict:
    outcome = peer.cell("import os\nos.write(1, b'by fd\\n'); os.system('echo by child');")
    time.sleep(0.5)
    return all(word in outcome.text() for word in ("by fd", "by child"))


@probe("`subprocess.run(stdout=sys.stdout)` reaches the cell")
def _(peer: Peer) -> Verdict:
    return "hi" in peer.cell("import subprocess, sys\nsubprocess.run(['echo', 'hi'], stdout=sys.stdout);").text()


@probe("C code that writes 256 KiB to fd 1 holding the GIL")
def _(peer: Peer) -> Verdict:
    code = "import ctypes\nn = ctypes.PyDLL(None).write(1, b'x' * (1 << 18), 1 << 18)\nn"
    outcome = peer.cell(code)
    written = outcome.text().count("x")
    return written == 1 << 18 or ("not shown" if outcome.ok else "hangs")


@probe("NaN in JSON of a mime bundle")
def _(peer: Peer) -> Verdict:
    return peer.cell("display({'application/json': {'a': float('nan')}, 'text/plain': 'x'}, raw=True)").ok


@probe("prints of a forked process")
def _(peer: Peer) -> Verdict:
    code = "import multiprocessing as m\np = m.get_context('fork').Process(target=print, args=('forked',))\n"
    return peer.cell(code + "p.start(); p.join()\nimport time; time.sleep(.5)").text().count("forked") == 1


# -- questions


@probe("completions have types")
def _(peer: Peer) -> Verdict:
    metadata = peer.ask("complete_request", {"code": "import os\nos.pa", "cursor_pos": 14}).content.get("metadata", {})
    return bool(metadata.get("_jupyter_types_experimental"))


@probe("a cell without its `code` gets an error reply")
def _(peer: Peer) -> Verdict:
    content = peer.ask("execute_request", {"silent": False}).content
    return content.get("status") == "error" or (content.get("status") or "no reply")


@probe("an unknown request gets an error reply")
def _(peer: Peer) -> Verdict:
    content = peer.ask("foo_request", {}).content
    return content.get("status") == "error" or (content.get("status") or "no reply")


@probe("help is a `page` payload")
def _(peer: Peer) -> Verdict:
    return [one["source"] for one in peer.cell("len?").content.get("payload", [])] == ["page"]


@probe("history_request knows the cells before")
def _(peer: Peer) -> Verdict:
    peer.cell("marked_cell = 1")
    request = {"hist_access_type": "tail", "n": 3, "output": False, "raw": True}
    return "marked_cell" in str(peer.ask("history_request", request).content.get("history"))


@probe("`input()` from a thread")
def _(peer: Peer) -> Verdict:
    code = "import threading\ngot = []\nt = threading.Thread(target=lambda: got.append(input('?')))\n"
    code += "t.start(); t.join()\ngot"
    cell = peer.send_cell(code)
    peer.stdin()
    peer.client.input("Ada")
    return "Ada" in str(peer.heard(cell, "idle"))


@probe("the debugger answers `initialize`")
def _(peer: Peer) -> Verdict:
    arguments = {"clientID": "probe", "adapterID": "", "pathFormat": "path"}
    request = {"type": "request", "seq": 1, "command": "initialize", "arguments": arguments}
    reply = peer.reply(peer.send("debug_request", request, "control"), "control", 15)
    return reply is not None and bool(reply["content"].get("success"))


@probe("`%gui tk` is accepted, and cells go on running")
def _(peer: Peer) -> Verdict:
    outcome = peer.cell("%gui tk")
    if "display" in str(outcome.content) or "tkinter" in str(outcome.content):
        return "no display here"
    return outcome.ok and peer.cell("1").value == "1"


# -- the wire


@probe("every new subscriber gets `iopub_welcome`")
def _(peer: Peer) -> Verdict:
    context, welcomed = zmq.Context(), []
    for _ in range(2):
        one = context.socket(zmq.SUB)
        one.connect(peer.client._make_url("iopub"))
        one.subscribe(b"")
        welcomed.append(bool(one.poll(int(PATIENCE_S * 300))) and b"iopub_welcome" in b"".join(one.recv_multipart()))
        one.close()
    context.term()
    return all(welcomed) or ("the first only" if any(welcomed) else False)


@probe("libraries see an IPython notebook (`ZMQInteractiveShell`, `IPKernelApp`)")
def _(peer: Peer) -> Verdict:
    code = "type(get_ipython()).__name__ == 'ZMQInteractiveShell' and 'IPKernelApp' in get_ipython().config"
    return peer.cell(code).value == "True"


@probe("SIGINT while idle is ignored")
def _(peer: Peer) -> Verdict:
    peer.cell("1")
    peer.interrupt()
    time.sleep(0.5)
    return peer.cell("6 * 7").value == "42"


@probe("shutdown runs `atexit`, and the process ends by itself with status 0")
def _(peer: Peer) -> Verdict:
    peer.cell("import atexit, os, pathlib\natexit.register(lambda: pathlib.Path(mark).touch())")
    mark = f"/tmp/features-{time.monotonic_ns()}"
    peer.cell(f"mark = {mark!r}")
    assert peer.manager is not None
    process = peer.manager.provisioner.process  # type: ignore[union-attr]
    peer.send("shutdown_request", {"restart": False}, "control")
    status = process.wait(PATIENCE_S)
    from pathlib import Path

    ran = Path(mark).exists()
    Path(mark).unlink(missing_ok=True)
    peer.drop()
    return (status == 0 and ran) or f"status {status}, atexit {'ran' if ran else 'did not run'}"
