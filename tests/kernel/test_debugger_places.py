"""Where code stops: in cells, functions, files, tasks, threads and callbacks; and `breakpoint()`."""

from __future__ import annotations

from pathlib import Path

import pytest

from debugging import Debugging, Stop
from frontend import KERNEL_NAME, Frontend

STOPS_HERE = pytest.mark.better_than_ipykernel


def test_function_of_an_earlier_cell(debugger: Debugging) -> None:
    code = "def early(x):\n    y = x + 1\n    return y"
    path = debugger.breakpoints(code, 2)
    debugger.kernel.execute(code)
    cell = debugger.kernel.send_execute("early(1)")
    stop = debugger.stopped()
    assert (stop.path, stop.place) == (path, ("early", 2))
    assert debugger.finish(stop, cell).result == {"text/plain": "2"}


def test_function_that_was_there_before_the_debugger(kernel: Frontend) -> None:
    code = "def older(x):\n    y = x + 1\n    return y"
    kernel.execute(code)
    debugger = Debugging(kernel)
    debugger.start()
    path = debugger.breakpoints(code, 2)
    cell = kernel.send_execute("older(1)")
    stop = debugger.stopped()
    assert (stop.path, stop.place) == (path, ("older", 2))
    debugger.finish(stop, cell)
    debugger.end()


def test_leading_empty_lines_count(debugger: Debugging) -> None:
    cell = debugger.run("\n\nfirst = 1\nsecond = 2\n", 4)
    stop = debugger.stopped()
    assert stop.place == ("<module>", 4)
    debugger.finish(stop, cell)


def test_imported_file(debugger: Debugging, tmp_path: Path) -> None:
    file = tmp_path / "helper_of_a_test.py"
    file.write_text("def help(x):\n    doubled = 2 * x\n    return doubled\n")
    debugger.set_breakpoints(str(file), 3)
    cell = debugger.kernel.send_execute(
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\nimport helper_of_a_test\nhelper_of_a_test.help(4)"
    )
    stop = debugger.stopped()
    assert (stop.path, stop.place) == (str(file), ("help", 3))
    assert debugger.scope(stop)["doubled"]["value"] == "8"
    debugger.ask("copyToGlobals", srcVariableName="doubled", dstVariableName="from_file", srcFrameId=stop.frame)
    debugger.finish(stop, cell)
    copied = debugger.kernel.execute("from_file").result
    assert copied == {"text/plain": "8"} or KERNEL_NAME != "kernelet", "not into the module's globals"


def test_cell_that_awaits_and_is_stepped_through(debugger: Debugging) -> None:
    code = "import asyncio\nasync def work(x):\n    await asyncio.sleep(0)\n    return x + 1\na = await work(1)\nb = a"
    cell = debugger.run(code, 4)
    stop = debugger.stopped()
    assert stop.place == ("work", 4)
    assert [frame["name"] for frame in stop.frames] == ["work", "<module>"]
    stop = debugger.step("stepOut", stop)
    while stop.frames[0]["line"] == 5:
        stop = debugger.step("next", stop)
    assert stop.place == ("<module>", 6)
    assert debugger.finish(stop, cell).status == "ok"


def test_background_task_between_cells(debugger: Debugging) -> None:
    code = (
        "import asyncio\nasync def later():\n    await asyncio.sleep(0.05)\n    done = True\n"
        "task = asyncio.create_task(later())"
    )
    debugger.breakpoints(code, 4)
    debugger.kernel.execute(code)
    stop = debugger.stopped()
    assert stop.place == ("later", 4)
    debugger.resume(stop)


def test_thread_of_the_user(debugger: Debugging) -> None:
    code = (
        "import threading\ndef work():\n    x = 1\nthread = threading.Thread(target=work, name='mine')\n"
        "thread.start(); thread.join()"
    )
    cell = debugger.run(code, 3)
    stop = debugger.stopped()
    assert stop.place == ("work", 3)
    names = {thread["id"]: thread["name"] for thread in debugger.ask("threads")["threads"]}
    assert names[stop.thread] == "mine"
    assert debugger.finish(stop, cell).status == "ok"


@STOPS_HERE("a subshell's cell runs over its breakpoints")
def test_subshell_stands_while_control_answers(debugger: Debugging) -> None:
    kernel = debugger.kernel
    subshell = kernel.request("create_subshell_request", channel="control").content["subshell_id"]
    cell = debugger.run("in_subshell = 1\nin_subshell += 1", 2, subshell_id=subshell)
    stop = debugger.stopped()
    assert stop.place == ("<module>", 2)
    assert (
        stop.frames[0]["source"]["path"]
        == debugger.ask("dumpCell", code="in_subshell = 1\nin_subshell += 1")["sourcePath"]
    )
    assert debugger.finish(stop, cell).status == "ok"
    kernel.request("delete_subshell_request", {"subshell_id": subshell}, channel="control")


def test_callback_of_a_widget(debugger: Debugging) -> None:
    code = (
        "from comm import get_comm_manager\ndef clicked(message):\n    seen = message['content']['data']\n"
        "get_comm_manager().register_target('t', lambda comm, _: comm.on_msg(clicked))"
    )
    debugger.breakpoints(code, 3)
    kernel = debugger.kernel
    kernel.execute(code)
    opened = kernel.send("comm_open", {"comm_id": "c", "target_name": "t", "data": {}})
    kernel.until_idle(opened)
    click = kernel.send("comm_msg", {"comm_id": "c", "data": {"n": 1}})
    stop = debugger.stopped()
    assert stop.place == ("clicked", 3)
    debugger.resume(stop)
    kernel.until_idle(click)


@STOPS_HERE("debugpy's hook is in the way")
def test_breakpoint_function_stops_in_the_debugger(debugger: Debugging) -> None:
    code = "def f(x):\n    breakpoint()\n    return x\nf(3)"
    cell = debugger.run(code)
    stop = debugger.stopped()
    assert stop.place == ("f", 3)
    assert debugger.scope(stop)["x"]["value"] == "3"
    assert debugger.finish(stop, cell).result == {"text/plain": "3"}


@STOPS_HERE("debugpy's hook does nothing then")
def test_breakpoint_function_asks_on_stdin_when_nobody_debugs_any_more(kernel: Frontend) -> None:
    debugger = Debugging(kernel)
    debugger.start()
    debugger.end()
    result = kernel.execute("x = 5\nbreakpoint()\ny = x", answers=["p x * 2", "c"])
    assert "10" in result.stdout
    assert result.status == "ok"


@STOPS_HERE("the step goes on into stack_data and pygments, which show the error")
def test_cell_that_raises_is_stepped_into_to_its_end(debugger: Debugging) -> None:
    cell = debugger.run("def fail():\n    raise ValueError('stepped')\nfail()\nnever = 1", 3)
    stop = debugger.step("stepIn", debugger.stopped())
    assert stop.place == ("fail", 2)
    debugger.ask("next", threadId=stop.thread)
    while debugger.stops_again(cell):
        debugger.ask("next", threadId=debugger.stopped().thread)
    assert debugger.kernel.result(cell).ename == "ValueError"
    assert debugger.kernel.execute("'never' in globals()").result == {"text/plain": "False"}


@STOPS_HERE("the step goes on into what shows the result")
def test_step_over_the_last_line_ends_the_cell(debugger: Debugging) -> None:
    code = "class Shown:\n    def _repr_html_(self):\n        return '<b>shown</b>'\nlast = Shown()\nlast"
    cell = debugger.run(code, 5)
    stop = debugger.stopped()
    debugger.ask("next", threadId=stop.thread)
    while debugger.stops_again(cell):
        stop = debugger.stopped()
        assert "ipykernel_" in stop.path, "in the library"
        debugger.ask("next", threadId=stop.thread)
    result = debugger.kernel.result(cell).result
    assert result is not None
    assert result["text/html"] == "<b>shown</b>"


def test_two_hundred_cells_with_breakpoints(debugger: Debugging) -> None:
    codes = [f"value_{n} = {n}\nagain_{n} = value_{n}" for n in range(200)]
    for code in codes:
        debugger.breakpoints(code, 2)
    assert len(debugger.ask("debugInfo")["breakpoints"]) == 200
    for n in (0, 99, 199):
        cell = debugger.kernel.send_execute(codes[n])
        stop: Stop = debugger.stopped()
        assert debugger.evaluate(f"value_{n}", stop) == str(n)
        debugger.finish(stop, cell)
