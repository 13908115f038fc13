"""What a debugger's panels ask before anybody debugs, and requests that cannot be fulfilled."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from debugging import Debugging, by_name
from frontend import KERNEL_NAME, Frontend
from kernelet.ipython.cell_name import murmur2

SEED = 0xC70F6907
OURS_ONLY = pytest.mark.better_than_ipykernel


@pytest.fixture
def asking(kernel: Frontend) -> Debugging:
    return Debugging(kernel)


def test_debug_info_says_how_files_of_cells_are_named(asking: Debugging) -> None:
    info = asking.ask("debugInfo")
    assert info["isStarted"] is False
    assert (info["hashMethod"], info["hashSeed"]) == ("Murmur2", SEED)
    assert info["tmpFileSuffix"] == ".py"
    assert os.path.basename(os.path.dirname(info["tmpFilePrefix"])) == f"ipykernel_{asking.kernel.pid}"
    assert (info["breakpoints"], info["stoppedThreads"]) == ([], [])
    assert (info["richRendering"], info["copyToGlobals"]) == (True, True)
    assert info["exceptionPaths"] == ["Python Exceptions"]


@OURS_ONLY("it has no dumpCell before initialize")
@pytest.mark.parametrize("code", ["x = 1", "s = 'naïve 💡'\n\n", "\n\nlate = 1", "a = 1\r\nb = 2"])
def test_dumped_cell_has_the_name_that_the_cell_compiles_to(asking: Debugging, code: str) -> None:
    path = asking.ask("dumpCell", code=code)["sourcePath"]
    assert path == f"{asking.ask('debugInfo')['tmpFilePrefix']}{murmur2(code.encode())}.py"
    assert Path(path).read_bytes() == code.encode()
    assert os.stat(os.path.dirname(path)).st_mode & 0o777 == 0o700
    compiled = asking.kernel.execute("import sys; sys._getframe().f_code.co_filename")
    mine = asking.ask("dumpCell", code="import sys; sys._getframe().f_code.co_filename")["sourcePath"]
    assert compiled.result == {"text/plain": repr(mine)}


@OURS_ONLY("the directory it is in may not exist")
def test_cell_name_of_the_environment_is_honoured(start_kernel: Callable[..., Frontend], tmp_path: Path) -> None:
    path = str(tmp_path / "cell.py")
    asking = Debugging(start_kernel(env={"IPYKERNEL_CELL_NAME": path}))
    assert asking.ask("dumpCell", code="anything")["sourcePath"] == path
    assert Path(path).read_text() == "anything"


@OURS_ONLY("it answers no variables request before initialize")
def test_variables_are_described_with_what_is_in_them(asking: Debugging) -> None:
    asking.kernel.execute(
        "class Box:\n    def __init__(self):\n        self.inside = [1, {'deep': 'x'}]\nbox = Box()\nn = 5"
    )
    top = by_name(asking.ask("inspectVariables")["variables"])
    assert (top["n"]["value"], top["n"]["type"], top["n"]["variablesReference"]) == ("5", "int", 0)
    assert not {"In", "Out", "get_ipython", "exit", "_", "_i", "_i1", "_oh", "__name__"} & set(top)
    inside = asking.variables(top["box"]["variablesReference"])["inside"]
    items = asking.variables(inside["variablesReference"])
    deep = asking.variables(items["1"]["variablesReference"])["'deep'"]
    assert (deep["value"], deep["evaluateName"]) == ("'x'", "box.inside[1]['deep']")


@OURS_ONLY("it takes no notice of the page")
def test_variables_come_in_pages(asking: Debugging) -> None:
    asking.kernel.execute("many = list(range(90))")
    reference = by_name(asking.ask("inspectVariables")["variables"])["many"]["variablesReference"]
    every = list(asking.variables(reference))
    assert list(asking.variables(reference, start=5, count=3)) == every[5:8]
    assert "must be numbers" in asking.refusal("variables", variablesReference=reference, start=-1)


def test_rich_view_of_a_variable(asking: Debugging) -> None:
    asking.kernel.execute("from IPython.display import HTML\nrich = HTML('<i>seen</i>')\nplain = [1]")
    assert asking.ask("richInspectVariables", variableName="rich")["data"]["text/html"] == "<i>seen</i>"
    assert asking.ask("richInspectVariables", variableName="plain") == {"data": {"text/plain": "[1]"}, "metadata": {}}
    nothing = {"data": {}, "metadata": {}}
    assert asking.ask("richInspectVariables", variableName="special variables") == nothing


@OURS_ONLY("it shows names only")
def test_rich_view_of_what_is_in_a_variable(asking: Debugging) -> None:
    asking.kernel.execute("outer = {'k': [10, 20]}")
    shown = asking.ask("richInspectVariables", variableName="outer['k'][-1]")
    assert shown["data"] == {"text/plain": "20"}


@OURS_ONLY("its reply is a success with nothing in it")
@pytest.mark.parametrize("name", ["print(1)", "a = 1", "", "x; y", "(yield)", "[c for c in x]", "no_such_name"])
def test_rich_view_runs_no_code_and_names_what_is_wrong(asking: Debugging, name: str) -> None:
    message = asking.refusal("richInspectVariables", variableName=name)
    assert name in message


@OURS_ONLY("it copies from a stopped frame only")
def test_copy_to_globals_of_a_global(asking: Debugging) -> None:
    asking.kernel.execute("origin = [1]")
    copy = asking.ask("copyToGlobals", srcVariableName="origin", dstVariableName="target", srcFrameId=0)
    assert (copy["value"], copy["type"]) == ("[1]", "list")
    assert asking.kernel.execute("target is origin").result == {"text/plain": "True"}
    assert "identifier" in asking.refusal("copyToGlobals", srcVariableName="a b", dstVariableName="c", srcFrameId=0)


@OURS_ONLY("its reply says neither type nor success")
def test_modules_come_in_pages(asking: Debugging) -> None:
    everything = asking.ask("modules")
    found = everything["modules"]
    assert everything["totalModules"] == len(found) > 50
    assert all(Path(module["path"]).suffix == ".py" for module in found)
    assert "json" in {module["name"] for module in found}
    page = asking.ask("modules", startModule=3, moduleCount=2)
    assert page == {"modules": found[3:5], "totalModules": len(found)}


@OURS_ONLY("it has no source before initialize")
def test_source_of_a_file_and_of_a_cell_that_nobody_dumped(asking: Debugging) -> None:
    path = json.__file__
    assert asking.ask("source", source={"path": path})["content"] == Path(path).read_text()
    name = asking.kernel.execute("import inspect\n(lambda: 0).__code__.co_filename").result
    assert name is not None
    content = asking.ask("source", source={"path": name["text/plain"].strip("'")})["content"]
    assert content.startswith("import inspect\n")
    assert "unavailable" in asking.refusal("source", source={"path": "/no/such/file.py"})


@OURS_ONLY("it answers {}")
@pytest.mark.parametrize("command", ["setBreakpoints", "attach", "threads", "stackTrace", "continue", "nonsense"])
def test_request_that_needs_a_session_says_so(asking: Debugging, command: str) -> None:
    assert "initialize" in asking.refusal(command)


@OURS_ONLY("it does not reply")
@pytest.mark.parametrize(
    "content",
    [
        {},
        {"seq": 1},
        {"command": 7, "seq": 2},
        {"command": "dumpCell", "seq": "x"},
        {"command": "debugInfo", "arguments": 3},
    ],
    ids=str,
)
def test_malformed_request_is_refused_and_answered(kernel: Frontend, content: dict[str, object]) -> None:
    reply = kernel.request("debug_request", content, channel="control").content
    assert reply["type"] == "response"
    assert reply["success"] is False
    assert reply["message"]


@OURS_ONLY("it imports debugpy at its start")
def test_debugpy_is_imported_when_it_is_needed(fresh_kernel: Frontend) -> None:
    loaded = "import sys; 'debugpy' in sys.modules, 'pydevd' in sys.modules, 'kernelet.ipython.debugger' in sys.modules"
    assert fresh_kernel.execute(loaded).result == {"text/plain": "(False, False, False)"}
    asking = Debugging(fresh_kernel)
    asking.ask("debugInfo")
    asking.ask("dumpCell", code="1")
    assert fresh_kernel.execute(loaded).result == {"text/plain": "(False, False, True)"}
    asking.ask("inspectVariables")
    hook = "import sys; sys.breakpointhook.__module__"
    assert fresh_kernel.execute(hook).result == {"text/plain": "'kernelet.ipython.stdin'"}


def test_kernel_offers_a_debugger(kernel: Frontend) -> None:
    assert "debugger" in kernel.kernel_info["supported_features"]
    if KERNEL_NAME == "kernelet":
        assert kernel.kernel_info["debugger"] is True
    assert kernel.execute("get_ipython().kernel.debugger.is_started").result == {"text/plain": "False"}


@OURS_ONLY("debugpy's reading thread dies of it, and the session with it")
def test_an_argument_of_a_wrong_type_is_named_and_the_session_goes_on(debugger: Debugging) -> None:
    for command, arguments, told in (
        ("setBreakpoints", {"source": {"path": 3}, "breakpoints": []}, "source.path is 3, not a text"),
        ("setBreakpoints", {"source": {"path": "/a.py"}, "breakpoints": [{"line": "1"}]}, "line is '1'"),
        ("setExceptionBreakpoints", {"filters": 3}, "filters is 3, not a list"),
        ("stackTrace", {"threadId": "x"}, "threadId is 'x', not a whole number"),
        ("stackTrace", {}, "'threadId'"),
        ("scopes", {"frameId": []}, "frameId"),
        ("evaluate", {"expression": 3}, "expression"),
        ("source", {"source": 3}, "source is 3, not an object"),
        ("modules", {"moduleCount": []}, "moduleCount"),
    ):
        assert told in debugger.refusal(command, **arguments)
    assert debugger.ask("threads")["threads"]
    for content in ({"seq": "x", "command": "debugInfo"}, {"type": "event", "seq": 1, "command": "debugInfo"}):
        reply = debugger.kernel.request("debug_request", content, channel="control").content
        assert reply["success"] is False
        assert ("seq" if content["seq"] == "x" else "type") in reply["message"]
