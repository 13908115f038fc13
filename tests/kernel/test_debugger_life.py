"""The debugger does not get in the way: what the kernel does while code stands, and how a session ends."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import psutil
import pytest

from debugging import Debugging, is_event
from frontend import Frontend, process_gone

STEADIER = pytest.mark.better_than_ipykernel
LOOP = "n = 0\nwhile n < 1000:\n    n += 1\nn"


def adapter(pid: int) -> psutil.Process:
    """Return debugpy's adapter of a kernel: it is no child, but connected."""
    ports = {c.raddr.port for c in psutil.Process(pid).net_connections("tcp") if c.raddr}
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or []
        if any("debugpy" in part for part in command) and "--for-server" in command:
            mine = {c.laddr.port for c in process.net_connections("tcp")}
            if mine & ports:
                return process
    raise AssertionError("no adapter")


def test_control_answers_while_code_stands(debugger: Debugging) -> None:
    cell = debugger.run(LOOP, 3)
    stop = debugger.stopped()
    kernel = debugger.kernel
    assert kernel.request("kernel_info_request", channel="control").status == "ok"
    assert kernel.request("usage_request", channel="control").content["pid"] == kernel.pid
    assert kernel.request("list_subshell_request", channel="control").content["subshell_id"] == []
    debugger.set_breakpoints(stop.path)
    assert debugger.finish(stop, cell).result == {"text/plain": "1000"}


@STEADIER("its completions wait for the cell")
def test_questions_on_shell_are_answered_while_code_stands(debugger: Debugging) -> None:
    debugger.kernel.execute("completable = 1")
    cell = debugger.run(LOOP, 3)
    stop = debugger.stopped()
    matches = debugger.kernel.request("complete_request", {"code": "compl", "cursor_pos": 5}).content["matches"]
    assert "completable" in matches
    debugger.set_breakpoints(stop.path)
    debugger.finish(stop, cell)


@STEADIER("control waits for debugpy's answer")
def test_slow_evaluation_keeps_no_other_request_waiting(debugger: Debugging) -> None:
    cell = debugger.run("import time\nslow = True\nover = 1", 3)
    stop = debugger.stopped()
    code = "__import__('time').sleep(600)"
    slow = debugger.send("evaluate", expression=code, frameId=stop.frame, context="repl")
    assert debugger.ask("debugInfo")["isStarted"]
    assert debugger.ask("threads")["threads"]
    debugger.kernel.interrupt()
    reply = debugger.kernel.result(slow, channel="control").content
    assert reply["success"] is False
    assert "KeyboardInterrupt" in reply["message"]
    assert debugger.evaluate("slow", stop) == "True", "it still stands"
    assert debugger.finish(stop, cell).status == "ok"


@STEADIER("the debugger is of no more use afterwards (ipykernel#821)")
@pytest.mark.parametrize("code, line", [(LOOP, 3), ("import asyncio\nwhile True:\n    await asyncio.sleep(0)", 3)])
def test_interrupt_ends_a_cell_that_stands_and_the_debugger_stays_usable(
    debugger: Debugging, code: str, line: int
) -> None:
    for _ in range(2):
        cell = debugger.run(code, line)
        debugger.stopped()
        debugger.kernel.interrupt()
        result = debugger.kernel.result(cell)
        assert result.ename == "KeyboardInterrupt"
        assert "pydevd" not in "".join(result.content["traceback"])
        assert debugger.ask("debugInfo")["stoppedThreads"] == []
    cell = debugger.run("def again():\n    return 1\nagain()", 2)
    stop = debugger.stopped()
    assert stop.place == ("again", 2)
    assert debugger.finish(stop, cell).status == "ok"


@STEADIER("interrupts do not reach subshells")
def test_interrupt_ends_a_subshells_cell_that_stands(debugger: Debugging) -> None:
    kernel = debugger.kernel
    subshell = kernel.request("create_subshell_request", channel="control").content["subshell_id"]
    cell = debugger.run(LOOP, 3, subshell_id=subshell)
    debugger.stopped()
    kernel.request("interrupt_request", channel="control")
    assert kernel.result(cell).ename == "KeyboardInterrupt"
    cell = debugger.run(LOOP, 2, subshell_id=subshell)
    stop = debugger.stopped()
    debugger.set_breakpoints(stop.path)
    debugger.finish(stop, cell)
    kernel.request("delete_subshell_request", {"subshell_id": subshell}, channel="control")


def test_disconnect_lets_a_cell_that_stands_run_to_its_end(kernel: Frontend) -> None:
    debugger = Debugging(kernel)
    debugger.start()
    cell = debugger.run(LOOP, 3)
    debugger.stopped()
    debugger.ask("disconnect", restart=False, terminateDebuggee=True)
    assert kernel.result(cell).status == "ok", "terminateDebuggee is not about the kernel"
    info = debugger.ask("debugInfo")
    assert (info["isStarted"], info["stoppedThreads"], info["breakpoints"]) == (False, [], [])
    debugger.start()
    cell = debugger.run(LOOP, 1)
    debugger.finish(debugger.stopped(), cell)
    debugger.end()


@STEADIER("its trace function stays, and loops take 2.6 times as long")
def test_code_runs_untraced_before_and_after_a_session(kernel: Frontend) -> None:
    traced = "import sys, threading; sys.gettrace(), threading.gettrace()"
    debugger = Debugging(kernel)
    debugger.start()
    cell = debugger.run("def traced(): return 1\ntraced()", 2)
    debugger.finish(debugger.stopped(), cell)
    debugger.end()
    assert kernel.execute(traced).result == {"text/plain": "(None, None)"}
    debugger.start()
    cell = debugger.run("def traced(): return 1\ntraced()", 2)
    debugger.finish(debugger.stopped(), cell)
    debugger.end()


@STEADIER("debugpy ends the kernel")
def test_terminate_ends_the_cell_and_the_session_and_not_the_kernel(kernel: Frontend) -> None:
    debugger = Debugging(kernel)
    debugger.start()
    cell = debugger.run("import time\nstands = 1\ntime.sleep(600)", 2)
    debugger.stopped()
    debugger.ask("terminate")
    debugger.event("terminated")
    assert kernel.result(cell).ename == "KeyboardInterrupt"
    assert debugger.ask("debugInfo")["isStarted"] is False
    debugger.start()
    debugger.end()


@STEADIER("a second initialize is an error, and attach waits for ever")
def test_second_client_and_a_page_that_was_reloaded_share_the_session(debugger: Debugging) -> None:
    cell = debugger.run(LOOP, 3)
    stop = debugger.stopped()
    second = Debugging(debugger.kernel)
    info = second.ask("debugInfo")
    assert info["isStarted"]
    assert info["stoppedThreads"] == [stop.thread]
    assert info["breakpoints"] == [{"source": stop.path, "breakpoints": [{"line": 3}]}]
    assert second.start()["supportsConfigurationDoneRequest"]
    second.event("initialized")
    second.ask("configurationDone")
    assert second.ask("stackTrace", threadId=stop.thread)["stackFrames"][0]["line"] == 3
    second.set_breakpoints(stop.path)
    assert second.finish(stop, cell).status == "ok"


@STEADIER("initialize waits for ever")
@pytest.mark.parametrize("standing", [False, True], ids=["while nothing runs", "while code stands"])
def test_crash_of_the_adapter_is_told_and_the_next_initialize_starts_another(kernel: Frontend, standing: bool) -> None:
    debugger = Debugging(kernel)
    debugger.start()
    cell = None
    if standing:
        cell = debugger.run(LOOP, 3)
        debugger.stopped()
    process = adapter(kernel.pid)
    process.kill()
    outputs = iter(lambda: debugger.event("output")["output"], None)
    assert any("adapter has ended" in output for output in outputs)  # debugpy's telemetry may come first
    debugger.event("terminated")
    assert debugger.ask("debugInfo")["isStarted"] is False
    if cell is not None:
        assert kernel.result(cell).result == {"text/plain": "1000"}
    assert "initialize" in debugger.refusal("threads")
    debugger.start()
    cell = debugger.run("def again():\n    return 1\nagain()", 2)
    stop = debugger.stopped()
    assert stop.place == ("again", 2)
    debugger.finish(stop, cell)
    debugger.end()


def test_restart_while_code_stands(start_kernel: Callable[..., Frontend]) -> None:
    kernel = start_kernel()
    debugger = Debugging(kernel)
    debugger.start()
    debugger.run(LOOP, 3)
    debugger.stopped()
    helper = adapter(kernel.pid).pid
    kernel.restart()
    assert process_gone(helper), "the adapter outlives its kernel"
    debugger = Debugging(kernel)
    assert debugger.ask("debugInfo")["isStarted"] is False
    debugger.start()
    cell = debugger.run(LOOP, 4)
    debugger.finish(debugger.stopped(), cell)
    debugger.end()


def test_shutdown_and_death_while_code_stands_leave_no_process(start_kernel: Callable[..., Frontend]) -> None:
    for end in (signal.SIGKILL, None):
        kernel = start_kernel()
        debugger = Debugging(kernel)
        debugger.start()
        debugger.run(LOOP, 3)
        debugger.stopped()
        helper = adapter(kernel.pid).pid
        if end is None:
            kernel.shutdown()
            assert kernel.exit_status() == 0
        else:
            os.kill(kernel.pid, end)
            kernel.exit_status()
        assert process_gone(helper)


def test_debugpy_listening_in_user_code_is_told_and_not_hung_on(start_kernel: Callable[..., Frontend]) -> None:
    kernel = start_kernel()
    kernel.execute("import debugpy\naddress = debugpy.listen(('127.0.0.1', 0))")
    debugger = Debugging(kernel)
    assert "debugpy" in debugger.refusal("initialize", adapterID="")
    assert kernel.execute("1 + 1").result == {"text/plain": "2"}
    kernel.drop(is_event)
