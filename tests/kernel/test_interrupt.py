"""Interrupts stop whatever a cell does, by SIGINT and by interrupt_request, and leave a kernel that works."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from frontend import Frontend

ASYNC_WRONG = pytest.mark.better_than_ipykernel("an interrupt does not reach a cell that awaits")
SLOW_C = "import re; re.match(r'(a+)+$', 'a' * 60 + 'b')"

SYNC = {
    "busy loop": "while True: pass",
    "time.sleep": "import time; time.sleep(1000)",
    "input": "input()",
    "lock": "import threading; threading.Lock().acquire() and threading.Event().wait()",
    "queue": "import queue; queue.Queue().get()",
    "thread join": (
        "import threading\nstop = threading.Event()\nthread = threading.Thread(target=stop.wait, daemon=True)\n"
        "thread.start()\ntry:\n    thread.join()\nfinally:\n    stop.set()"
    ),
    "subprocess": "import subprocess; subprocess.run(['sleep', '1000'])",
    "nested calls": "def f(n):\n    while True:\n        n and f(n - 1)\nf(50)",
    "generator": "sum(n for n in iter(lambda: 0, 1))",
    "print loop": "import time\nwhile True:\n    print('.', end='')\n    time.sleep(0.001)",
    "pipe": "import os; os.read(os.pipe()[0], 1)",
    "select": "import select; select.select([], [], [])",
}
AWAITING = {
    "asyncio.sleep": "await asyncio.sleep(1000)",
    "gathered sleeps": "await asyncio.gather(asyncio.sleep(1000), asyncio.sleep(1000))",
    "future": "await asyncio.get_running_loop().create_future()",
    "task group": "async with asyncio.TaskGroup() as g:\n    [g.create_task(asyncio.sleep(1000)) for _ in '12']",
    "timeout": "async with asyncio.timeout(1000):\n    await asyncio.sleep(1000)",
    "event": "await asyncio.Event().wait()",
    "queue": "await asyncio.Queue().get()",
    "subprocess": "await (await asyncio.create_subprocess_exec('sleep', '1000')).wait()",
    "busy await": "while True:\n    await asyncio.sleep(0)",
    "shielded": "await asyncio.shield(asyncio.sleep(1000))",
}
BLOCKED_TASKS = {
    "sleep in gathered tasks": "import time\nasync def f(): time.sleep(1000)\nawait asyncio.gather(f(), f())",
    "loop in gathered tasks": "async def f():\n    while True: pass\nawait asyncio.gather(f(), f())",
    "sleep in an awaiting cell": "import time\nawait asyncio.sleep(0)\ntime.sleep(1000)",
    "sleep in a task group": (
        "import time\nasync def f(): time.sleep(1000)\n"
        "async with asyncio.TaskGroup() as g:\n    g.create_task(f())\n    g.create_task(f())"
    ),
}
OWN_LOOPS = {
    "asyncio.run": "asyncio.run(asyncio.sleep(1000))",
    "blocking in asyncio.run": "import time\nasync def f(): time.sleep(1000)\nasyncio.run(f())",
}


def params(cells: dict[str, str], *marks: pytest.MarkDecorator) -> list[object]:
    """Return the cells as parameters, each made to print `on` when it is about to do its thing."""
    start = "import asyncio\nprint('on', flush=True)\n"
    return [pytest.param(start + code, id=name, marks=marks) for name, code in cells.items()]


EVERY_CELL = [
    *params(SYNC),
    *params(AWAITING, ASYNC_WRONG),
    *params(BLOCKED_TASKS, pytest.mark.better_than_ipykernel("an interrupt waits for the blocking call")),
    *params(OWN_LOOPS, pytest.mark.better_than_ipykernel("asyncio.run() fails in a cell")),
]


def by_signal(kernel: Frontend) -> None:
    """Send SIGINT to the kernel process."""
    kernel.signal(signal.SIGINT)


def by_manager(kernel: Frontend) -> None:
    """Interrupt as the kernelspec says: jupyter_client signals the process group."""
    kernel.interrupt()


def by_request(kernel: Frontend) -> None:
    """Send interrupt_request on the control channel."""
    result = kernel.request("interrupt_request", channel="control")
    assert result.content == {"status": "ok"}
    assert result.types == ["busy", "idle"]


WAYS = pytest.mark.parametrize("interrupt", [by_signal, by_manager, by_request], ids=["SIGINT", "manager", "request"])
Interrupt = Callable[[Frontend], None]


def finish(kernel: Frontend, msg_id: str) -> None:
    """Assert that the cell ended with KeyboardInterrupt and that the kernel works as before."""
    result = kernel.result(msg_id)
    assert result.status == "error"
    assert (result.content["ename"], result.ename) == ("KeyboardInterrupt", "KeyboardInterrupt")
    assert isinstance(result.content["traceback"], list)
    for _ in range(3):
        assert kernel.execute("1 + 1").result == {"text/plain": "2"}
    assert kernel.execute("import asyncio\nawait asyncio.sleep(0, 'awaited')").result == {"text/plain": "'awaited'"}


@WAYS
@pytest.mark.parametrize("code", EVERY_CELL)
def test_an_interrupt_stops_a_cell(kernel: Frontend, code: str, interrupt: Interrupt) -> None:
    msg_id = kernel.send_execute(code)
    kernel.see_text("on", msg_id)
    if "input()" in code:
        kernel.take("stdin", lambda m: m["msg_type"] == "input_request")
    interrupt(kernel)
    finish(kernel, msg_id)


@pytest.mark.better_than_ipykernel("the GIL may be held before its flushed text has left")
def test_sigint_stops_c_code_that_checks_for_signals(kernel: Frontend) -> None:
    msg_id = kernel.send_execute(f"print('on', flush=True)\n{SLOW_C}")
    kernel.see_text("on", msg_id)
    kernel.signal()
    finish(kernel, msg_id)


def test_an_interrupt_stops_a_user_expression(kernel: Frontend) -> None:
    msg_id = kernel.send_execute("import time\nprint('on', flush=True)", user_expressions={"slow": "time.sleep(1000)"})
    kernel.see_text("on", msg_id)
    kernel.request("kernel_info_request", channel="control")
    # Where in those three lines the signal arrives is open: it ends the cell or its expression, never the kernel.
    kernel.interrupt()
    result = kernel.result(msg_id)
    expressions = result.content.get("user_expressions", {})
    enames = {result.content.get("ename"), expressions.get("slow", {}).get("ename")}
    assert "KeyboardInterrupt" in enames
    assert kernel.execute("1").status == "ok"


@WAYS
def test_an_idle_kernel_ignores_interrupts(kernel: Frontend, interrupt: Interrupt) -> None:
    kernel.execute("1")
    for _ in range(3):
        interrupt(kernel)
    kernel.request("kernel_info_request")
    assert kernel.execute("1 + 1").result == {"text/plain": "2"}
    for _ in range(3):
        interrupt(kernel)
        kernel.request("kernel_info_request")
    assert kernel.execute("import asyncio\nawait asyncio.sleep(0, 3)").result == {"text/plain": "3"}


@pytest.mark.better_than_ipykernel("an interrupt after the cell takes the reply away")
def test_interrupts_between_short_cells_never_end_the_kernel(kernel: Frontend) -> None:
    for n in range(50):
        msg_id = kernel.send_execute(f"{n}", stop_on_error=False)
        kernel.signal()
        result = kernel.result(msg_id)
        assert result.status == "ok" or result.content["ename"] == "KeyboardInterrupt"
    kernel.request("kernel_info_request")
    assert kernel.execute("'alive'").result == {"text/plain": "'alive'"}


def test_a_burst_of_interrupts_stops_the_cell_and_not_the_kernel(kernel: Frontend) -> None:
    msg_id = kernel.send_execute("print('on', flush=True)\nwhile True: pass")
    kernel.see_text("on", msg_id)
    for _ in range(20):
        kernel.signal()
    result = kernel.result(msg_id)
    assert result.content["ename"] == "KeyboardInterrupt"
    kernel.request("kernel_info_request")
    assert kernel.execute("'alive'").result == {"text/plain": "'alive'"}


@WAYS
def test_a_cell_that_swallows_the_first_interrupt_is_stopped_by_the_second(
    kernel: Frontend, interrupt: Interrupt
) -> None:
    code = """
import time
try:
    print("first", flush=True)
    time.sleep(1000)
except KeyboardInterrupt:
    print("swallowed", flush=True)
time.sleep(1000)
"""
    msg_id = kernel.send_execute(code)
    kernel.see_text("first", msg_id)
    interrupt(kernel)
    kernel.see_text("swallowed", msg_id)
    interrupt(kernel)
    finish(kernel, msg_id)


@ASYNC_WRONG
@WAYS
def test_an_awaiting_cell_that_swallows_the_first_interrupt_is_stopped_by_the_second(
    kernel: Frontend, interrupt: Interrupt
) -> None:
    code = """
import asyncio
try:
    print("first", flush=True)
    await asyncio.sleep(1000)
except BaseException as error:
    print("swallowed", flush=True)
await asyncio.sleep(1000)
"""
    msg_id = kernel.send_execute(code)
    kernel.see_text("first", msg_id)
    interrupt(kernel)
    kernel.see_text("swallowed", msg_id)
    interrupt(kernel)
    finish(kernel, msg_id)


def test_finally_blocks_run(kernel: Frontend) -> None:
    msg_id = kernel.send_execute(
        "import time\ntry:\n    print('on', flush=True)\n    time.sleep(1000)\nfinally:\n    print('cleaned')"
    )
    kernel.see_text("on", msg_id)
    kernel.interrupt()
    result = kernel.result(msg_id)
    assert result.stdout == "on\ncleaned\n"
    assert result.ename == "KeyboardInterrupt"


@ASYNC_WRONG
def test_finally_blocks_of_an_awaiting_cell_run(kernel: Frontend) -> None:
    code = """
import asyncio
async def task(last=False):
    try:
        if last:
            print("on", flush=True)
        await asyncio.sleep(1000)
    finally:
        await asyncio.sleep(0)
        print("task cleaned")
try:
    await asyncio.gather(task(), task(last=True))
finally:
    print("cell cleaned")
"""
    msg_id = kernel.send_execute(code)
    kernel.see_text("on", msg_id)
    kernel.interrupt()
    result = kernel.result(msg_id)
    assert result.ename == "KeyboardInterrupt"
    assert sorted(result.stdout.split("\n")) == ["", "cell cleaned", "on", "task cleaned", "task cleaned"]


BACKGROUND = """
import asyncio
ticks = 0
async def ticking():
    global ticks
    while True:
        ticks += 1
        await asyncio.sleep(0.001)
background = asyncio.create_task(ticking())
"""


@pytest.mark.parametrize(
    "code",
    [
        "import time; print('on', flush=True); time.sleep(1000)",
        pytest.param("print('on', flush=True)\nawait asyncio.sleep(1000)", marks=ASYNC_WRONG),
        pytest.param(
            "import time\nasync def f(): time.sleep(1000)\nprint('on', flush=True)\nawait asyncio.gather(f(), f())",
            marks=ASYNC_WRONG,
        ),
    ],
    ids=["sync", "awaiting", "blocked task"],
)
def test_background_tasks_survive_the_interrupt_of_a_cell(kernel: Frontend, code: str) -> None:
    kernel.execute(BACKGROUND)
    msg_id = kernel.send_execute(code)
    kernel.see_text("on", msg_id)
    kernel.interrupt()
    assert kernel.result(msg_id).ename == "KeyboardInterrupt"
    code = """
before = ticks
while ticks < before + 3 and not background.done():
    await asyncio.sleep(0.001)
background.done()
"""
    assert kernel.execute(code).result == {"text/plain": "False"}
    kernel.execute("background.cancel()")


@WAYS
def test_an_interrupt_ends_a_shell_escape(kernel: Frontend, interrupt: Interrupt) -> None:
    msg_id = kernel.send_execute("!echo shell on; sleep 1000")
    kernel.see_text("shell on", msg_id)
    interrupt(kernel)
    result = kernel.result(msg_id)
    assert result.status == "ok" or result.ename == "KeyboardInterrupt"  # the shell has it
    assert kernel.execute("1 + 1").result == {"text/plain": "2"}


@pytest.mark.better_than_ipykernel("loses some: CPython looks for signals before a blocking call, and they come after")
@pytest.mark.parametrize(
    "blocking", ["input()", "import time; time.sleep(1000)", "import os; os.read(os.pipe()[0], 1)"]
)
def test_no_interrupt_is_lost_on_the_way_into_a_blocking_call(kernel: Frontend, blocking: str) -> None:
    for _ in range(100):
        msg_id = kernel.send_execute(f"print('on', flush=True)\n{blocking}")
        if blocking == "input()":
            kernel.take("stdin", lambda m: m["msg_type"] == "input_request")
        else:
            kernel.see_text("on", msg_id)
        kernel.signal()
        result = kernel.result(msg_id)
        assert (result.content["ename"], result.ename) == ("KeyboardInterrupt", "KeyboardInterrupt")


@pytest.mark.better_than_ipykernel("the forked child raises KeyboardInterrupt and goes on as a second kernel")
def test_an_interrupt_that_hits_a_fork_harms_neither_kernel_nor_child(kernel: Frontend) -> None:
    for _ in range(10):
        msg_id = kernel.send_execute("print('on', flush=True)\nfor _ in range(30):\n    !true")
        kernel.see_text("on", msg_id)
        kernel.interrupt()
        result = kernel.result(msg_id)
        assert result.status == "ok" or result.ename == "KeyboardInterrupt"
        assert result.stderr == ""
    assert kernel.execute("1 + 1").result == {"text/plain": "2"}


def test_an_interrupt_that_hits_a_print_loses_no_text_and_no_lock(kernel: Frontend) -> None:
    code = "n = 0\nprint('on', flush=True)\nwhile True:\n    n += 1\n    print(n, flush=n % 10 == 0)"
    for _ in range(20):
        msg_id = kernel.send_execute(code)
        kernel.see_text("on", msg_id)
        kernel.signal()
        result = kernel.result(msg_id)
        assert result.ename == "KeyboardInterrupt"
        first, *numbers = result.stdout.split()
        assert first == "on"
        assert numbers == [str(number + 1) for number in range(len(numbers))]
        last = int(kernel.execute("n").result["text/plain"])
        assert len(numbers) in (last, last - 1)


def test_a_users_own_sigint_handler_is_called(kernel: Frontend) -> None:
    code = """
import signal, time
heard = []
old = signal.signal(signal.SIGINT, lambda *args: heard.append(args[0]))
print("on", flush=True)
while not heard:
    time.sleep(0.001)
signal.signal(signal.SIGINT, old)
heard == [signal.SIGINT]
"""
    msg_id = kernel.send_execute(code)
    kernel.see_text("on", msg_id)
    kernel.signal()
    assert kernel.result(msg_id).result == {"text/plain": "True"}
    msg_id = kernel.send_execute("print('on again', flush=True)\ntime.sleep(1000)")
    kernel.see_text("on again", msg_id)
    kernel.signal()
    finish(kernel, msg_id)


def test_an_interrupt_request_reaches_the_children_too(fresh_kernel: Frontend) -> None:
    code = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "print('child on', flush=True)\\nimport time; time.sleep(1000)"])
child.wait()
"""
    msg_id = fresh_kernel.send_execute(code)
    fresh_kernel.see_text("child on", msg_id)
    by_request(fresh_kernel)
    assert fresh_kernel.result(msg_id).ename == "KeyboardInterrupt"
    # Not its status: KeyboardInterrupt may hit subprocess just as it has reaped the child, and the status is lost.
    assert fresh_kernel.execute("child.wait()").status == "ok"


def test_the_interrupt_reply_does_not_wait_for_the_cell(kernel: Frontend) -> None:
    code = """
import time
try:
    print("on", flush=True)
    time.sleep(1000)
except KeyboardInterrupt:
    print("held", flush=True)
    input("may I end? ")
"""
    msg_id = kernel.send_execute(code)
    kernel.see_text("on", msg_id)
    by_request(kernel)
    kernel.see_text("held", msg_id)
    kernel.input("yes")
    assert kernel.result(msg_id).status == "ok"
