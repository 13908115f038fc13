"""The debugger (JEP 47) from attach to disconnect: every request that debugpy answers, in a cell that stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from debugging import Debugging
from frontend import KERNEL_NAME, Frontend

CODE = """\
def half(number):
    result = number / 2
    return result

words = ["a", "b", "c"]
first = half(8)
second = half(first)
"""


def test_breakpoint_stops_a_cell_which_then_goes_on(debugger: Debugging) -> None:
    cell = debugger.run(CODE, 2)
    stop = debugger.stopped()
    assert stop.body["reason"] == "breakpoint"
    assert [(frame["name"], frame["line"]) for frame in stop.frames] == [("half", 2), ("<module>", 6)]
    assert debugger.ask("debugInfo")["stoppedThreads"] == [stop.thread] or KERNEL_NAME != "kernelet"
    assert debugger.scope(stop)["number"]["value"] == "8"
    debugger.resume(stop)
    stop = debugger.stopped()
    assert debugger.scope(stop)["number"]["value"] == "4.0"
    result = debugger.finish(stop, cell)
    assert result.content["status"] == "ok"
    # ipykernel forgets none of the threads that stopped, and names those that never did.
    assert debugger.ask("debugInfo")["stoppedThreads"] == [] or KERNEL_NAME != "kernelet"


def test_stepping_goes_over_into_and_out_of_functions(debugger: Debugging) -> None:
    cell = debugger.run(CODE, 5)
    stop = debugger.stopped()
    assert stop.place == ("<module>", 5)
    stop = debugger.step("next", stop)
    assert stop.place == ("<module>", 6)
    stop = debugger.step("stepIn", stop)
    assert stop.place == ("half", 2)
    stop = debugger.step("next", stop)
    assert stop.place == ("half", 3)
    stop = debugger.step("stepOut", stop)
    assert stop.frames[0]["name"] == "<module>"
    stop = debugger.step("next", stop)
    assert stop.place == ("<module>", 7)
    assert debugger.finish(stop, cell).content["status"] == "ok"


def test_step_into_a_chosen_call_of_a_line(debugger: Debugging) -> None:
    code = "def one(): return 1\ndef two(x): return x\nthree = two(one())\nprint(three)"
    cell = debugger.run(code, 3)
    stop = debugger.stopped()
    targets = debugger.ask("stepInTargets", frameId=stop.frame)["targets"]
    assert [target["label"].partition("(")[0] for target in targets] == ["one", "two"]
    stop = debugger.step("stepIn", stop, targetId=targets[1]["id"])
    assert stop.frames[0]["name"] == "two"
    assert debugger.finish(stop, cell).stdout == "1\n"


def test_debugpy_says_where_to_go_and_goes_there(debugger: Debugging) -> None:
    code = "def walk():\n    x = 1\n    x = 2\n    x = 3\n    return x\nwalk()"
    cell = debugger.run(code, 4)
    stop = debugger.stopped()
    (target,) = debugger.ask("gotoTargets", source={"path": stop.path}, line=5)["targets"]
    debugger.ask("goto", threadId=stop.thread, targetId=target["id"])
    stop = debugger.stopped()
    assert stop.place == ("walk", 5)
    assert debugger.finish(stop, cell).result["text/plain"] == "2"


def test_pause_stops_a_cell_that_runs(debugger: Debugging) -> None:
    cell = debugger.kernel.send_execute("print('on')\ngo = True\nwhile go:\n    pass\n'over'")
    debugger.kernel.see_text("on", cell)
    (main,) = (thread for thread in debugger.ask("threads")["threads"] if thread["name"] == "MainThread")
    debugger.ask("pause", threadId=main["id"])
    stop = debugger.stopped()
    assert stop.body["reason"] == "pause"
    assert stop.frames[0]["name"] == "<module>"
    debugger.ask("evaluate", expression="go = False", frameId=stop.frame, context="repl")
    assert debugger.finish(stop, cell).result["text/plain"] == "'over'"


@pytest.mark.better_than_ipykernel("its own threads are among them")
def test_threads_are_the_users_and_none_of_the_kernels(debugger: Debugging) -> None:
    assert [thread["name"] for thread in debugger.ask("threads")["threads"]] == ["MainThread"]


# -- breakpoints of every kind


def test_condition_hit_count_and_logpoint(debugger: Debugging) -> None:
    code = "total = 0\nfor i in range(6):\n    total += i\n    total += 0\n    total -= 0\ntotal"
    conditions = (
        {"line": 3, "condition": "i == 2"},
        {"line": 4, "hitCondition": "5"},
        {"line": 5, "logMessage": "total is {total}"},
    )
    cell = debugger.run(code, *conditions)
    stop = debugger.stopped()
    assert (stop.frames[0]["line"], debugger.evaluate("i", stop)) == (3, "2")
    debugger.resume(stop)
    stop = debugger.stopped()
    assert (stop.frames[0]["line"], debugger.evaluate("i", stop)) == (4, "4")
    assert debugger.event("output")["output"] == "total is 0\n"
    result = debugger.finish(stop, cell)
    assert result.result["text/plain"] == "15"
    kept = {one["line"]: one for one in debugger.ask("debugInfo")["breakpoints"][-1]["breakpoints"]}
    assert list(kept) == [3, 4, 5]
    if KERNEL_NAME == "kernelet":  # ipykernel forgets all but the line, and a page reload then loses them
        assert [kept[one["line"]] for one in conditions] == list(conditions)


def test_function_breakpoint_stops_where_the_function_begins(debugger: Debugging) -> None:
    debugger.ask("setFunctionBreakpoints", breakpoints=[{"name": "half"}])
    cell = debugger.kernel.send_execute(CODE)
    stop = debugger.stopped()
    assert stop.frames[0]["name"] == "half"
    debugger.ask("setFunctionBreakpoints", breakpoints=[])
    debugger.finish(stop, cell)


@pytest.mark.parametrize(
    "kind, code, line",
    [
        ("raised", "try:\n    1 / 0\nexcept ZeroDivisionError:\n    pass", 2),
        ("userUnhandled", "def fail():\n    1 / 0\nfail()", 2),
        pytest.param(
            "uncaught",
            "def fail():\n    1 / 0\nfail()",
            2,
            marks=pytest.mark.better_than_ipykernel("never stops: IPython catches what debugpy waits for"),
        ),
    ],
)
def test_exception_stops_where_it_is_raised(debugger: Debugging, kind: str, code: str, line: int) -> None:
    debugger.ask("setExceptionBreakpoints", filters=[kind])
    cell = debugger.run(code)
    stop = debugger.stopped()
    assert stop.body["reason"] == "exception"
    assert stop.frames[0]["line"] == line
    info = debugger.ask("exceptionInfo", threadId=stop.thread)
    assert info["exceptionId"].startswith("ZeroDivisionError")
    assert "division by zero" in info["description"]
    debugger.ask("setExceptionBreakpoints", filters=[])
    result = debugger.finish(stop, cell)
    assert result.content["status"] == ("ok" if kind == "raised" else "error")


# -- looking at a cell that stands


def test_variables_come_nested_and_in_pages(debugger: Debugging) -> None:
    cell = debugger.run("def look(many, deep):\n    return 1\nlook(list(range(50)), {'a': {'b': 7}})", 2)
    stop = debugger.stopped()
    local = debugger.scope(stop)
    assert local["many"]["evaluateName"] == "many"
    deep = debugger.variables(local["deep"]["variablesReference"])
    inner = debugger.variables(deep["'a'"]["variablesReference"])
    assert (inner["'b'"]["value"], inner["'b'"]["evaluateName"]) == ("7", "deep['a']['b']")
    everything = list(debugger.variables(local["many"]["variablesReference"]))
    if KERNEL_NAME == "kernelet":  # debugpy itself takes no notice of the page
        page = list(debugger.variables(local["many"]["variablesReference"], start=10, count=5))
        assert page == everything[10:15]
    debugger.finish(stop, cell)


def test_set_variable_changes_what_the_cell_goes_on_with(debugger: Debugging) -> None:
    cell = debugger.run(CODE, 3)
    stop = debugger.stopped()
    (local,) = (s for s in debugger.ask("scopes", frameId=stop.frame)["scopes"] if s["name"] == "Locals")
    reference = local["variablesReference"]
    assert debugger.ask("setVariable", variablesReference=reference, name="result", value="40")["value"] == "40"
    debugger.resume(stop)
    stop = debugger.stopped()
    assert debugger.scope(stop)["number"]["value"] == "40"
    debugger.finish(stop, cell)


@pytest.mark.parametrize("context", ["watch", "hover", "repl"])
def test_expression_is_evaluated_in_the_frame(debugger: Debugging, context: str) -> None:
    cell = debugger.run(CODE, 3)
    stop = debugger.stopped()
    assert debugger.evaluate("number + result", stop, context) == "12.0"
    failed = debugger.reply("evaluate", expression="nothing_of_that_name", frameId=stop.frame, context=context)
    assert not failed["success"]
    assert "NameError" in failed["message"] or "nothing_of_that_name" in failed["message"]
    debugger.set_breakpoints(stop.path)
    debugger.finish(stop, cell)


def test_completions_know_the_frames_names(debugger: Debugging) -> None:
    cell = debugger.run(CODE, 3)
    stop = debugger.stopped()
    targets = debugger.ask("completions", frameId=stop.frame, text="numb", column=5)["targets"]
    assert "number" in [target["label"] for target in targets]
    debugger.set_breakpoints(stop.path)
    debugger.finish(stop, cell)


def test_rich_view_and_copy_of_a_local_variable(debugger: Debugging) -> None:
    code = (
        "class Bold:\n    def _repr_html_(self):\n        return '<b>bold</b>'\n    def __repr__(self):\n"
        "        return 'Bold!'\ndef look(local):\n    return 1\nlook(Bold())"
    )
    cell = debugger.run(code, 7)
    stop = debugger.stopped()
    shown = debugger.ask("richInspectVariables", variableName="local", frameId=stop.frame)
    assert shown == {"data": {"text/plain": "Bold!", "text/html": "<b>bold</b>"}, "metadata": {}}
    copy = debugger.ask("copyToGlobals", srcVariableName="local", dstVariableName="kept", srcFrameId=stop.frame)
    assert (copy["value"], copy["type"]) == ("Bold!", "Bold")
    debugger.finish(stop, cell)
    assert debugger.kernel.execute("kept").result["text/html"] == "<b>bold</b>"


@pytest.mark.better_than_ipykernel("skips every module that it had imported itself at its start")
def test_internal_frames_are_not_shown_and_the_library_is_stepped_into(debugger: Debugging, tmp_path: Path) -> None:
    cell = debugger.run("import textwrap\ntextwrap.dedent('a')", 2)
    stop = debugger.stopped()
    assert len(stop.frames) == 1
    stop = debugger.step("stepIn", stop)
    assert stop.frames[0]["name"] == "dedent"
    assert Path(stop.path).name == "textwrap.py"
    assert "def dedent(" in debugger.ask("source", source={"path": stop.path})["content"]
    assert debugger.finish(stop, cell).content["status"] == "ok"


@pytest.mark.better_than_ipykernel("it takes no justMyCode from the front end: its own DebugStdLib wins")
def test_just_my_code_keeps_steps_out_of_the_library(fresh_kernel: Frontend) -> None:
    debugger = Debugging(fresh_kernel)
    debugger.start(justMyCode=True)
    cell = debugger.run("import textwrap\ntextwrap.dedent('a')\n'next'", 2)
    stop = debugger.step("stepIn", debugger.stopped())
    assert stop.place == ("<module>", 3)
    debugger.finish(stop, cell)
    debugger.end()


def test_unknown_request_is_debugpys_to_answer(debugger: Debugging) -> None:
    information = debugger.ask("pydevdSystemInfo")
    assert information["process"]["pid"] == debugger.kernel.pid
    assert "no_such_command" in debugger.refusal("no_such_command")
