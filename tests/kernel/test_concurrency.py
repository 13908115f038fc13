"""Cells that let later ones run meanwhile: as a task of main's loop, or in a thread of their own."""

from __future__ import annotations

import pytest

from frontend import Frontend, Json

pytestmark = pytest.mark.better_than_ipykernel("runs cells one after the other")

BOTH = pytest.mark.parametrize("kind", ["task", "thread"])
GATE = """
import asyncio, threading
gate = threading.Event()
async def opened():
    while not gate.is_set():
        await asyncio.sleep(0.005)
"""


def begin(kernel: Frontend, code: str, kind: str, **more: object) -> str:
    """Send a cell that says `on` when it has begun, and wait for that."""
    msg_id = kernel.send_execute(f"print('on', flush=True)\n{code}", metadata={"concurrency": kind, **more})
    kernel.see_text("on", msg_id)
    return msg_id


@pytest.fixture
def gated(kernel: Frontend) -> Frontend:
    kernel.execute(GATE)
    return kernel


@BOTH
def test_later_cells_run_meanwhile_and_the_output_is_each_ones_own(gated: Frontend, kind: str) -> None:
    slow = begin(gated, "await opened()\nprint('slow')\ndisplay('shown')\n'slow result'", kind)
    for number in range(3):
        quick = gated.execute(f"print('quick {number}')\n'quick result'")
        assert quick.stdout == f"quick {number}\n"
        assert quick.result == {"text/plain": "'quick result'"}
    assert gated.execute("import asyncio\nawait asyncio.sleep(0.05)\n'awaited'").result == {"text/plain": "'awaited'"}
    gated.execute("gate.set()")
    result = gated.result(slow)
    assert result.stdout == "on\nslow\n"
    assert result.result == {"text/plain": "'slow result'"}
    assert [content["data"] for content in result.displays] == [{"text/plain": "'shown'"}]
    assert result.types[0] == "busy"
    assert result.types[-1] == "idle"
    assert result.status == "ok"


@BOTH
def test_each_cell_has_its_own_number_in_every_place(gated: Frontend, kind: str) -> None:
    slow = begin(gated, "await opened()\n'the slow one'", kind)
    between = gated.execute("'the quick one'")
    gated.execute("gate.set()")
    result = gated.result(slow)
    number = result.content["execution_count"]
    assert between.content["execution_count"] == number + 1
    assert [m["content"]["execution_count"] for m in result.iopub if "execution_count" in m["content"]] == [number] * 2
    look = f"In[{number}].splitlines()[-1], Out[{number}], In[{number + 1}], Out[{number + 1}]"
    shown = gated.execute(look).result
    assert shown == {"text/plain": repr(("'the slow one'", "the slow one", "'the quick one'", "the quick one"))}


@BOTH
def test_a_cell_begins_in_its_turn(kernel: Frontend, kind: str) -> None:
    first = kernel.send_execute("import time\ntime.sleep(0.2)\nready = 'yes'")
    second = kernel.send_execute("print(ready)", metadata={"concurrency": kind})
    assert kernel.result(first).status == "ok"
    assert kernel.result(second).stdout == "yes\n"


@BOTH
def test_many_at_once_lose_and_mix_nothing(gated: Frontend, kind: str) -> None:
    code = "await opened()\nfor i in range(20):\n    print({n}, i)\n    await asyncio.sleep(0)\n{n}"
    cells = [
        gated.send_execute(code.replace("{n}", str(number)), metadata={"concurrency": kind}) for number in range(10)
    ]
    gated.execute("gate.set()")
    for number, cell in enumerate(cells):
        result = gated.result(cell)
        assert result.stdout == "".join(f"{number} {i}\n" for i in range(20))
        assert result.result == {"text/plain": str(number)}
        assert result.content["user_expressions"] == {}


@BOTH
def test_an_error_is_the_cells_own_and_aborts_nothing(gated: Frontend, kind: str) -> None:
    slow = begin(gated, "await opened()\n1/0", kind)
    gate = gated.send_execute("gate.set()\ninput()")
    gated.see(lambda m: m["msg_type"] == "input_request", "stdin")
    following = gated.send_execute("'not aborted'")
    gated.input("")
    gated.result(gate)
    result = gated.result(slow)
    assert (result.status, result.content["ename"], result.ename) == ("error", "ZeroDivisionError", "ZeroDivisionError")
    assert gated.result(following).result == {"text/plain": "'not aborted'"}


@BOTH
def test_an_error_before_it_aborts_it(kernel: Frontend, kind: str) -> None:
    gate = kernel.send_execute("input()\n1/0")
    kernel.see(lambda m: m["msg_type"] == "input_request", "stdin")
    following = kernel.send_execute("'never'", metadata={"concurrency": kind})
    kernel.input("")
    kernel.result(gate)
    assert kernel.result(following).status == "aborted"


@BOTH
def test_an_interrupt_reaches_it(kernel: Frontend, kind: str) -> None:
    kernel.execute("import asyncio")
    code = "try:\n    print('on', flush=True)\n    await asyncio.sleep(1000)\nfinally:\n    print('cleaned up')"
    slow = kernel.send_execute(code, metadata={"concurrency": kind})
    kernel.see_text("on", slow)
    kernel.interrupt()
    result = kernel.result(slow)
    assert (result.status, result.content["ename"]) == ("error", "KeyboardInterrupt")
    assert result.stdout == "on\ncleaned up\n"
    assert kernel.execute("1 + 1").result == {"text/plain": "2"}


@BOTH
def test_a_time_limit_holds_for_it(kernel: Frontend, kind: str) -> None:
    slow = begin(kernel, "import asyncio\nawait asyncio.sleep(1000)", kind, timeout=0.3)
    result = kernel.result(slow)
    assert result.content["ename"] == "TimeoutError"
    assert result.reply["metadata"]["timed_out"] is True


@BOTH
def test_user_expressions_payloads_and_measures_come_with_its_reply(kernel: Frontend, kind: str) -> None:
    code = "x = 40\nget_ipython().set_next_input('next')"
    slow = kernel.send_execute(code, metadata={"concurrency": kind}, user_expressions={"sum": "x + 2"})
    result = kernel.result(slow)
    assert result.content["user_expressions"]["sum"]["data"] == {"text/plain": "42"}
    assert result.content["payload"] == [{"source": "set_next_input", "text": "next", "replace": False}]
    assert result.reply["metadata"]["resources"]["wall_s"] > 0


@BOTH
@pytest.mark.parametrize(
    "code, ename", [("def broken(:", "SyntaxError"), ("%no_such_magic", None), ("raise SystemExit(3)", "SystemExit")]
)
def test_what_can_go_wrong_in_a_cell_goes_wrong_as_ever(
    kernel: Frontend, kind: str, code: str, ename: str | None
) -> None:
    result = kernel.execute(code, metadata={"concurrency": kind})
    usual = kernel.execute(code)
    assert (result.status, result.ename) == (usual.status, usual.ename)
    assert ename in (None, result.ename)


@BOTH
def test_silent_and_empty_cells(kernel: Frontend, kind: str) -> None:
    silent = kernel.execute("'unheard'", silent=True, store_history=False, metadata={"concurrency": kind})
    assert silent.types == ["busy", "idle"]
    empty = kernel.execute("", metadata={"concurrency": kind})
    assert empty.status == "ok"


@BOTH
def test_get_parent_and_magics_in_it(gated: Frontend, kind: str) -> None:
    code = "before = get_ipython().get_parent()['header']['msg_id']\nawait opened()\n"
    code += "print(before == get_ipython().get_parent()['header']['msg_id'])\n%time 1\nx = !echo shell\nprint(x)"
    slow = begin(gated, code, kind)
    gated.execute("gate.set()")
    lines = gated.result(slow).stdout.splitlines()
    assert lines[:2] == ["on", "True"]
    assert lines[-1] == "['shell']"


def test_a_task_shares_the_loop_and_a_thread_has_its_own(kernel: Frontend) -> None:
    kernel.execute("import asyncio, threading\nloop = asyncio.get_running_loop()\nmain = threading.get_ident()")
    look = "asyncio.get_running_loop() is loop, threading.get_ident() == main"
    assert kernel.execute(look, metadata={"concurrency": "task"}).result == {"text/plain": "(True, True)"}
    assert kernel.execute(look, metadata={"concurrency": "thread"}).result == {"text/plain": "(False, False)"}


def test_a_blocking_cell_in_a_thread_stops_nobody(kernel: Frontend) -> None:
    slow = begin(kernel, "import threading\nheld = threading.Event()\nheld.wait()\n'over'", "thread")
    assert kernel.execute("1 + 1").result == {"text/plain": "2"}
    kernel.execute("held.set()")
    assert kernel.result(slow).result == {"text/plain": "'over'"}


def test_a_tag_does_what_the_key_does(gated: Frontend) -> None:
    slow = gated.send_execute("print('on')\nawait opened()", metadata={"tags": ["concurrency=task"]})
    gated.see_text("on", slow)
    gated.execute("gate.set()")
    assert gated.result(slow).status == "ok"


def test_a_cell_in_a_thread_is_no_subshell_that_a_client_sees(gated: Frontend) -> None:
    slow = begin(gated, "await opened()", "thread")
    assert gated.request("list_subshell_request", channel="control").content["subshell_id"] == []
    gated.execute("gate.set()")
    gated.result(slow)


def test_nothing_is_left_of_many_cells_in_threads(kernel: Frontend) -> None:
    count = "import os, threading\nprint(len(os.listdir('/proc/self/fd')), len(get_ipython().host.interrupts.others))"
    cells = [kernel.send_execute("1", metadata={"concurrency": "thread"}) for _ in range(10)]
    for cell in cells:
        kernel.result(cell)
    wait = "import time\nwhile any('kernelet-cell' in t.name for t in threading.enumerate()): time.sleep(0.01)\n"
    before = kernel.execute("import threading\n" + wait + count).stdout
    for _ in range(5):
        cells: list[str] = [kernel.send_execute("1", metadata={"concurrency": "thread"}) for _ in range(10)]
        results: list[Json] = [kernel.result(cell).content for cell in cells]
        assert all(content["status"] == "ok" for content in results)
    assert kernel.execute(wait + count).stdout == before


# -- cells on the control channel


def test_cells_on_control_run_while_main_computes_and_control_goes_on(kernel: Frontend) -> None:
    main = kernel.send_execute("print('on', flush=True)\nimport time\ngo_on = False\nwhile not go_on: time.sleep(0.01)")
    kernel.see_text("on", main)
    first = kernel.send_execute("print('on', flush=True)\ninput()", channel="control")
    kernel.see_text("on", first)
    second = kernel.send_execute("'in order'", channel="control")
    assert kernel.request("kernel_info_request", channel="control").status == "ok"
    kernel.input("")
    assert kernel.result(first, channel="control").stdout == "on\n"
    assert kernel.result(second, channel="control").result == {"text/plain": "'in order'"}
    kernel.execute("go_on = True", channel="control")
    assert kernel.result(main).status == "ok"


def test_an_error_on_control_and_an_interrupt_of_a_cell_there(kernel: Frontend) -> None:
    assert kernel.execute("1/0", channel="control").ename == "ZeroDivisionError"
    running = kernel.send_execute("print('on', flush=True)\nwhile True: pass", channel="control")
    kernel.see_text("on", running)
    kernel.interrupt()
    assert kernel.result(running, channel="control").ename == "KeyboardInterrupt"


def test_a_comm_message_on_control_runs_in_main(kernel: Frontend) -> None:
    kernel.execute(
        "import threading\nfrom comm import get_comm_manager\n"
        "def opened(comm, message): print(threading.current_thread() is threading.main_thread())\n"
        "get_comm_manager().register_target('of_control', opened)"
    )
    opened = kernel.send("comm_open", {"comm_id": "c1", "target_name": "of_control", "data": {}}, channel="control")
    said = kernel.until_idle(opened)
    assert [m["content"]["text"] for m in said if m["msg_type"] == "stream"] == ["True\n"]
