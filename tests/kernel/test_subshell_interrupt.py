"""An interrupt reaches the cells of subshells, whatever they do, and leaves subshells that work."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from frontend import Frontend

ON = "import asyncio\nprint('on', flush=True)\n"
CELLS = {
    "busy loop": "while True: pass",
    "nested calls": "def f(n):\n    while True:\n        n and f(n - 1)\nf(50)",
    "print loop": "while True:\n    print('.', end='')",
    "display loop": "from IPython.display import display\nwhile True:\n    display({'text/plain': ''}, raw=True)",
    "short sleeps": "import time\nwhile True:\n    time.sleep(0.01)",
    "asyncio.sleep": "await asyncio.sleep(1000)",
    "gathered sleeps": "await asyncio.gather(asyncio.sleep(1000), asyncio.sleep(1000))",
    "future": "await asyncio.get_running_loop().create_future()",
    "task group": "async with asyncio.TaskGroup() as g:\n    [g.create_task(asyncio.sleep(1000)) for _ in '12']",
    "busy await": "while True:\n    await asyncio.sleep(0)",
    "loop in an awaiting cell": "await asyncio.sleep(0)\nwhile True: pass",
    "loop in gathered tasks": "async def f():\n    while True: pass\nawait asyncio.gather(f(), f())",
    "asyncio.run": "asyncio.run(asyncio.sleep(1000))",
    "loop in asyncio.run": "async def f():\n    while True: pass\nasyncio.run(f())",
    "input": "input()",
}
SWALLOWS = {
    "a loop": "while True:\n    try:\n        {enter}\n        while True: sum(range(1000))\n"
    "    except KeyboardInterrupt:\n        {leave}",
    "an await": "while True:\n    try:\n        {enter}\n        await asyncio.sleep(1000)\n"
    "    except (KeyboardInterrupt, asyncio.CancelledError):\n        {leave}",
}


def create(kernel: Frontend) -> str:
    return str(kernel.request("create_subshell_request", channel="control").content["subshell_id"])


@pytest.fixture
def subshell(kernel: Frontend) -> Iterator[str]:
    kernel.execute("import threading, asyncio\ngate = threading.Event()")
    subshell_id = create(kernel)
    yield subshell_id
    if not kernel.ended:
        kernel.request("delete_subshell_request", {"subshell_id": subshell_id}, "control")


def begin(kernel: Frontend, code: str, subshell_id: str | None) -> str:
    msg_id = kernel.send_execute(ON + code, subshell_id=subshell_id)
    kernel.see_text("on", msg_id)
    return msg_id


def still_works(kernel: Frontend, subshell_id: str | None) -> None:
    assert kernel.execute("print('sync')", subshell_id=subshell_id).stdout == "sync\n"
    code = "import asyncio\nawait asyncio.sleep(0)\nprint('awaited')"
    assert kernel.execute(code, subshell_id=subshell_id).stdout == "awaited\n"


@pytest.mark.parametrize("code", CELLS.values(), ids=CELLS)
def test_an_interrupt_ends_the_cell_of_a_subshell_while_main_is_idle(
    kernel: Frontend, subshell: str, code: str
) -> None:
    msg_id = begin(kernel, code, subshell)
    if code == "input()":
        kernel.take("stdin", lambda m: m["msg_type"] == "input_request")
    kernel.interrupt()
    result = kernel.result(msg_id)
    assert (result.content["ename"], result.ename) == ("KeyboardInterrupt", "KeyboardInterrupt")
    still_works(kernel, subshell)
    still_works(kernel, None)


def test_interrupt_request_reaches_a_subshell(kernel: Frontend, subshell: str) -> None:
    msg_id = begin(kernel, "while True: pass", subshell)
    assert kernel.request("interrupt_request", channel="control").content == {"status": "ok"}
    assert kernel.result(msg_id).ename == "KeyboardInterrupt"
    still_works(kernel, subshell)


@pytest.mark.parametrize("main", ["while True: pass", "await asyncio.sleep(1000)", "gate.wait()"])
def test_an_interrupt_ends_main_and_subshells_together(kernel: Frontend, subshell: str, main: str) -> None:
    ids = [begin(kernel, main, None), begin(kernel, "while True: pass", subshell)]
    kernel.interrupt()
    for msg_id in ids:
        assert kernel.result(msg_id).ename == "KeyboardInterrupt"
    still_works(kernel, subshell)
    still_works(kernel, None)


def test_an_interrupt_ends_the_cells_of_all_subshells(kernel: Frontend) -> None:
    shells = [create(kernel) for _ in range(6)]
    # Those that flood the client last: it has to read all that they say until it interrupts them.
    names = ["busy loop", "nested calls", "short sleeps", "asyncio.sleep", "print loop", "display loop"]
    ids = [begin(kernel, CELLS[name], one) for name, one in zip(names, shells, strict=True)]
    kernel.interrupt()
    for msg_id in ids:
        assert kernel.result(msg_id).ename == "KeyboardInterrupt"
    for one in shells:
        still_works(kernel, one)
        kernel.request("delete_subshell_request", {"subshell_id": one}, "control")


@pytest.mark.parametrize("code", SWALLOWS.values(), ids=SWALLOWS)
def test_a_second_interrupt_ends_what_swallowed_the_first(kernel: Frontend, subshell: str, code: str) -> None:
    swallow = "print('swallowed', flush=True); swallowed = True"
    again = "if 'swallowed' in globals(): raise KeyboardInterrupt\n        "
    counting = code.format(enter="print('entered', flush=True)", leave=again + swallow)
    kernel.execute("globals().pop('swallowed', None)")
    msg_id = begin(kernel, counting, subshell)
    kernel.see_text("entered", msg_id)
    kernel.interrupt()
    kernel.see_text("swallowed", msg_id)
    kernel.interrupt()
    assert kernel.result(msg_id).ename == "KeyboardInterrupt"
    still_works(kernel, subshell)


def test_interrupts_lose_no_reply(kernel: Frontend, subshell: str) -> None:
    """Short cells and many interrupts: every cell is answered and idle, and the kernel goes on."""
    code = "for n in range(200):\n    print(n)"
    for _ in range(60):
        ids = [kernel.send_execute(code, subshell_id=subshell, stop_on_error=False) for _ in range(3)]
        kernel.see_busy(ids[0])
        kernel.interrupt()
        for msg_id in ids:
            result = kernel.result(msg_id)
            assert result.status == "ok" or result.content["ename"] == "KeyboardInterrupt"
            assert result.types[-1] == "idle"
    # A signal takes its time on a busy machine. Once main has answered, the last one has been passed on.
    kernel.request("kernel_info_request")
    still_works(kernel, subshell)
    assert "kernelet" not in kernel.log or "Traceback" not in kernel.log


def test_an_interrupt_stops_a_background_task_of_a_subshell_that_blocks(kernel: Frontend, subshell: str) -> None:
    code = (
        "async def block():\n    print('blocks', flush=True)\n    while True: pass\ntask = asyncio.create_task(block())"
    )
    msg_id = kernel.send_execute(code, subshell_id=subshell)
    kernel.result(msg_id)
    blocks = kernel.take("iopub", lambda m: m["msg_type"] == "stream" and m["parent_header"]["msg_id"] == msg_id)
    assert blocks["content"]["text"] == "blocks\n"
    kernel.interrupt()
    kernel.take("iopub", lambda m: m["msg_type"] == "stream" and "KeyboardInterrupt" in m["content"]["text"])
    still_works(kernel, subshell)


def test_an_interrupt_of_idle_subshells_does_nothing(start_kernel: Callable[..., Frontend]) -> None:
    kernel = start_kernel()
    one = create(kernel)
    kernel.execute("import asyncio", subshell_id=one)
    for _ in range(3):
        kernel.interrupt()
        assert kernel.request("interrupt_request", channel="control").status == "ok"
    still_works(kernel, one)
    assert kernel.log == ""
