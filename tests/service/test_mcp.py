"""The MCP server over stdio, by the official client: one server process with all tools for this module."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import anyio.from_thread
import pytest

import needs

needs.need_module("mcp")
needs.need_module("pydantic_settings")

import mcp_types as types  # noqa: E402
from mcp import Client, MCPError, StdioServerParameters  # noqa: E402

from kernelet.service.mcp.tools import IPYTHON_SCHEMA  # noqa: E402

DEADLINE_S = 90


class Served:
    """A client of a server, and its calls for tests that are no coroutines."""

    def __init__(self, portal: anyio.from_thread.BlockingPortal, client: Client) -> None:
        self.portal, self.client = portal, client

    def tools(self) -> list[types.Tool]:
        return self.portal.call(self.client.list_tools).tools

    def call(self, name: str, progress: Any = None, **arguments: Any) -> types.CallToolResult:
        return self.portal.call(self._call, name, arguments, progress)

    async def _call(self, name: str, arguments: dict[str, Any], progress: Any) -> types.CallToolResult:
        with anyio.fail_after(DEADLINE_S):
            return await self.client.call_tool(name, arguments, progress_callback=progress)

    def ipython(self, code: str, **arguments: Any) -> list[str]:
        """Return the texts, and the mime types of images, of the answer."""
        return texts(self.call("ipython", code=code, **arguments))

    def repl(self, name: str, **arguments: Any) -> dict[str, Any]:
        """Return the answer of a REPL tool, having checked that both forms of it agree."""
        result = self.call(name, **arguments)
        answer: dict[str, Any] = result.structured_content
        assert isinstance(result.content[0], types.TextContent)
        assert json.loads(result.content[0].text) == answer
        assert result.is_error is not answer["success"]
        return answer


def texts(result: types.CallToolResult) -> list[str]:
    return [part.text if isinstance(part, types.TextContent) else part.mime_type for part in result.content]  # type: ignore[union-attr]


def stdio(folder: Path, *arguments: str, **env: str) -> StdioServerParameters:
    return StdioServerParameters(
        command=sys.executable,
        args=["-m", "kernelet", "mcp", *arguments],
        env={**os.environ, "KERNELET_PING_INTERVAL": "0.2", "KERNELET_ZYGOTE": "0", **env},
        cwd=folder,
    )


@pytest.fixture(scope="module")
def portal() -> Iterator[anyio.from_thread.BlockingPortal]:
    with anyio.from_thread.start_blocking_portal() as portal:
        yield portal


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mcp")


@pytest.fixture(scope="module")
def served(portal: anyio.from_thread.BlockingPortal, folder: Path) -> Iterator[Served]:
    client = Client(stdio(folder, "--tools", "all", "--more-arguments"))
    with portal.wrap_async_context_manager(client):
        yield Served(portal, client)


def test_by_default_there_is_the_ipython_tool_only_with_exactly_its_schema(
    portal: anyio.from_thread.BlockingPortal, folder: Path
) -> None:
    client = Client(stdio(folder, "--tool-name", "mshtools-ipython"))
    with portal.wrap_async_context_manager(client):
        [tool] = Served(portal, client).tools()
    assert (tool.name, tool.input_schema) == ("mshtools-ipython", IPYTHON_SCHEMA)
    assert tool.annotations is not None
    assert tool.annotations.destructive_hint is tool.annotations.open_world_hint is True


REPL_TOOLS = {
    "create_repl_session": {"session_id": None, "include_stdlib": True},
    "execute_repl": {"session_id": ..., "code": ..., "timeout": 55},
    "list_repl_sessions": {},
    "get_session_namespace": {"session_id": ..., "variable_name": None},
    "destroy_repl_session": {"session_id": ...},
    "clear_repl_session": {"session_id": ...},
    "save_repl_session": {"session_id": ..., "filepath": ...},
    "load_repl_session": {"session_id": ..., "filepath": ...},
    "add_to_stdlib": {"function_code": ...},
    "list_stdlib_functions": {},
}
"""The signatures of their specification: the parameters and their defaults, `...` where there is none."""


def test_the_repl_tools_have_the_signatures_of_their_specification(served: Served) -> None:
    tools = {tool.name: tool for tool in served.tools()}
    assert set(tools) == {"ipython", *REPL_TOOLS}
    for name, parameters in REPL_TOOLS.items():
        schema = tools[name].input_schema
        assert {key: one.get("default", ...) for key, one in schema["properties"].items()} == parameters, name
        assert set(schema.get("required", [])) == {key for key, one in parameters.items() if one is ...}, name
    assert tools["list_repl_sessions"].annotations.read_only_hint is True  # type: ignore[union-attr]


def test_variables_stay_until_a_restart(served: Served) -> None:
    assert served.ipython("x = 41") == ["(no output)"]
    assert served.ipython("x + 1") == ["42\n"]
    assert served.ipython("x", restart=True)[0].endswith("NameError: name 'x' is not defined")


def test_a_restart_needs_no_code(served: Served) -> None:
    served.ipython("y = 1")
    assert served.ipython("", restart=True) == ["(no output)"]
    assert "NameError" in served.ipython("y")[0]


def test_plots_and_text_come_in_order_without_show(served: Served) -> None:
    needs.need_module("matplotlib")
    code = (
        "import matplotlib.pyplot as plt\nprint('before')\nplt.plot([1, 2])\nplt.show()\nprint('after')\nplt.plot([3]);"
    )
    assert served.ipython(code) == ["before\n", "image/png", "after\n", "image/png"]


def test_an_error_is_an_error_with_its_traceback(served: Served) -> None:
    result = served.call("ipython", code="def f():\n    return 1 / 0\nf()")
    assert result.is_error
    assert "\x1b" not in texts(result)[0]
    assert texts(result)[0].endswith("ZeroDivisionError: division by zero")
    assert result.structured_content["status"] == "error"
    assert result.structured_content["error"]["name"] == "ZeroDivisionError"


def test_a_shell_command_is_run(served: Served) -> None:
    assert served.ipython("!echo one && echo two | tr a-z A-Z") == ["one\nTWO\n"]


def test_long_text_is_cut_in_the_middle_and_says_so(served: Served) -> None:
    result = served.call("ipython", code="print('x' * 50_000)")
    assert "chars omitted; full text: " in texts(result)[0]
    assert len(texts(result)[0]) < 11_000
    assert result.structured_content["truncated"]["stdout"] == {"total": 50_001, "kept": 10_000}


def test_a_timeout_is_told_and_the_variables_are_kept(served: Served) -> None:
    served.ipython("kept = 'kept'")
    result = served.call("ipython", code="while True: pass", timeout=1)
    assert (result.is_error, result.structured_content["timed_out"]) == (True, True)
    assert "variables are kept" in texts(result)[-1]
    assert served.ipython("kept") == ["'kept'\n"]


def test_a_crash_is_told_and_the_next_call_works(served: Served) -> None:
    result = served.call("ipython", code="import os; os._exit(3)")
    assert (result.structured_content["status"], result.structured_content["state_lost"]) == ("exit", True)
    assert "all variables are lost" in texts(result)[-1]
    assert served.ipython("'works'") == ["'works'\n"]


def test_other_environments_are_apart(served: Served) -> None:
    served.ipython("z = 1", session_id="one")
    assert "NameError" in served.ipython("z", session_id="two")[0]
    assert served.ipython("z", session_id="one") == ["1\n"]
    assert served.repl("destroy_repl_session", session_id="one")["success"]
    assert served.repl("destroy_repl_session", session_id="two")["success"]


def test_progress_tells_the_last_line_while_code_runs(served: Served) -> None:
    heard: list[tuple[float, str | None]] = []
    told = served.portal.call(anyio.Event)

    async def progress(value: float, total: float | None, message: str | None) -> None:
        heard.append((value, message))
        if message == "epoch 7":
            told.set()

    # The code waits for a file that the test makes once it has heard of the line.
    code = "import os, time\nprint('epoch 7')\nwhile not os.path.exists('go'): time.sleep(0.05)\nos.remove('go')"
    where = Path(served.ipython("import os; print(os.getcwd())")[0].strip())

    async def run() -> types.CallToolResult:
        async with anyio.create_task_group() as tasks:
            result: list[types.CallToolResult] = []

            async def call() -> None:
                result.append(await served.client.call_tool("ipython", {"code": code}, progress_callback=progress))

            with anyio.fail_after(DEADLINE_S):
                tasks.start_soon(call)
                await told.wait()
                (where / "go").touch()
        return result[0]

    assert "epoch 7\n" in texts(served.portal.call(run))
    values = [value for value, _ in heard]
    assert values == sorted(values)


def test_a_cancelled_call_interrupts_the_code_and_keeps_the_variables(served: Served) -> None:
    served.ipython("state = 'before'")

    async def cancel() -> None:
        started = anyio.Event()

        async def progress(value: float, total: float | None, message: str | None) -> None:
            if message == "running now":
                started.set()

        async with anyio.create_task_group() as tasks:
            code = "import time\nprint('running now')\ntry: time.sleep(1000)\nexcept KeyboardInterrupt: state = 'after'"
            arguments = {"code": code, "timeout": 600}
            tasks.start_soon(lambda: served.client.call_tool("ipython", arguments, progress_callback=progress))
            with anyio.fail_after(DEADLINE_S):
                await started.wait()
            tasks.cancel_scope.cancel()

    served.portal.call(cancel)
    assert served.ipython("state") == ["'after'\n"]


@pytest.mark.parametrize(
    "name, arguments, complaint",
    [
        ("ipython", {}, "code is missing"),
        ("ipython", {"code": 3}, "code takes string, not 3"),
        ("ipython", {"code": "1", "restart": "yes"}, "restart takes boolean"),
        ("ipython", {"code": "1", "more": 1}, "more is unknown"),
        ("execute_repl", {"session_id": "a", "code": "1", "timeout": True}, "timeout takes integer"),
        ("absent", {}, "There is no tool 'absent'"),
    ],
)
def test_arguments_that_do_not_fit_are_named(served: Served, name: str, arguments: Any, complaint: str) -> None:
    with pytest.raises(MCPError, match=complaint):
        served.call(name, **arguments)


def test_a_timeout_without_sense_is_an_answer(served: Served) -> None:
    result = served.call("ipython", code="1", timeout=-1)
    assert result.is_error
    assert "timeout" in texts(result)[0]


def test_files_that_code_wrote_are_resources(served: Served) -> None:
    code = "open('a ä.txt', 'w').write('text'); open('b.bin', 'wb').write(b'\\xff')"
    served.ipython("import os; os.symlink('/etc', 'etc')")
    result = served.call("ipython", code=code)
    assert "Files written: a ä.txt (4 bytes), b.bin (1 bytes)" in texts(result)[-1]
    listed = served.portal.call(served.client.list_resources).resources
    uris = {one.name: str(one.uri) for one in listed if str(one.uri).startswith("output://default/")}
    [text] = served.portal.call(served.client.read_resource, uris["a ä.txt"]).contents
    assert isinstance(text, types.TextResourceContents)
    assert (text.text, text.mime_type) == ("text", "text/plain")
    [blob] = served.portal.call(served.client.read_resource, uris["b.bin"]).contents
    assert isinstance(blob, types.BlobResourceContents)
    assert blob.blob == "/w=="
    for path in ("etc/passwd", "../../etc/passwd", "absent", "%2e%2e/%2e%2e/etc/passwd"):
        with pytest.raises(MCPError):
            served.portal.call(served.client.read_resource, f"output://default/{path}")


# The ten REPL tools, with the keys that their specification names.


def test_a_repl_session_from_its_making_to_its_end(served: Served) -> None:
    made = served.repl("create_repl_session", session_id="calc")
    assert (made["success"], made["session_id"], "T" in made["created_at"]) == (True, "calc", True)
    assert served.repl("create_repl_session", session_id="calc")["error"] == (
        "Session 'calc' already exists. Use destroy_repl_session() first or choose different ID."
    )
    ran = served.repl(
        "execute_repl", session_id="calc", code="import sys\nx = 6\nprint('out')\nprint('err', file=sys.stderr)\nx * 7"
    )
    assert (ran["success"], ran["stdout"], ran["stderr"], ran["result"]) == (True, "out\n", "err\n", "42")
    assert ran["execution_time"] > 0
    assert ran["needs_more_input"] is False
    names = served.repl("get_session_namespace", session_id="calc")
    assert (names["variables"], names["count"]) == (["sys", "x"], 2)
    one = served.repl("get_session_namespace", session_id="calc", variable_name="x")
    assert (one["variable"], one["value"], one["type"], one["repr"]) == ("x", "6", "int", "6")
    assert "not found" in served.repl("get_session_namespace", session_id="calc", variable_name="nope")["error"]
    listed = served.repl("list_repl_sessions")
    [entry] = [entry for entry in listed["sessions"] if entry["session_id"] == "calc"]
    assert (entry["execution_count"], entry["variable_count"], entry["variables"]) == (1, 2, ["sys", "x"])
    assert entry["created_at"] < entry["last_executed"]
    cleared = served.repl("clear_repl_session", session_id="calc")
    assert (cleared["session_id"], cleared["message"]) == ("calc", "Session 'calc' namespace cleared")
    assert served.repl("get_session_namespace", session_id="calc")["variables"] == []
    ended = served.repl("destroy_repl_session", session_id="calc")
    assert (ended["message"], ended["final_stats"]["execution_count"]) == ("Session 'calc' destroyed", 1)
    gone = served.repl("execute_repl", session_id="calc", code="1")
    assert gone["error"] == "Session 'calc' not found. Create it first with create_repl_session()."
    for tool in ("get_session_namespace", "destroy_repl_session", "clear_repl_session"):
        assert served.repl(tool, session_id="calc")["error"] == "Session 'calc' not found."


def test_a_session_without_an_id_gets_one(served: Served) -> None:
    made = served.repl("create_repl_session", include_stdlib=False)
    assert (len(made["session_id"]), made["stdlib_loaded"]) == (36, False)
    [entry] = [one for one in served.repl("list_repl_sessions")["sessions"] if one["session_id"] == made["session_id"]]
    assert (entry["last_executed"], entry["execution_count"], entry["variables"]) == (None, 0, [])
    served.repl("destroy_repl_session", session_id=made["session_id"])


def test_code_that_raises_is_no_success(served: Served) -> None:
    served.repl("create_repl_session", session_id="fails")
    ran = served.repl("execute_repl", session_id="fails", code="print('so far')\n1 / 0\nprint('never')")
    assert (ran["success"], ran["stdout"]) == (False, "so far\n")
    assert (ran["error"], ran["exception_type"]) == ("ZeroDivisionError: division by zero", "ZeroDivisionError")
    assert served.repl("execute_repl", session_id="fails", code="def f(:")["exception_type"] == "SyntaxError"
    assert served.repl("execute_repl", session_id="fails", code="for i in range(3):")["needs_more_input"] is True
    blank_line = "def f():\n    a = 1\n\n    return a\nf()"
    assert served.repl("execute_repl", session_id="fails", code=blank_line)["result"] == "1"
    slow = served.repl("execute_repl", session_id="fails", code="while True: pass", timeout=1)
    assert (slow["error"], slow["timeout"], "kept" in slow["note"]) == ("Execution timeout (1s)", 1, True)
    served.repl("destroy_repl_session", session_id="fails")


def test_a_session_is_saved_and_loaded_under_another_id(served: Served, folder: Path) -> None:
    served.repl("create_repl_session", session_id="saved")
    code = "import threading\ndata = [1, 2]\nlock = threading.Lock()\ndef f(): return data"
    served.repl("execute_repl", session_id="saved", code=code)
    saved = served.repl("save_repl_session", session_id="saved", filepath="deep/saved.pkl")
    assert saved["filepath"] == "deep/saved.pkl"
    assert [entry["name"] for entry in saved["skipped"]] == ["lock"]
    assert saved["size_bytes"] == (folder / "snapshots" / "deep" / "saved.pkl").stat().st_size
    loaded = served.repl("load_repl_session", session_id="loaded", filepath="deep/saved.pkl")
    assert sorted(loaded["variables"]) == ["data", "f", "threading"]
    assert loaded["variable_count"] == 3
    assert served.repl("execute_repl", session_id="loaded", code="f()")["result"] == "[1, 2]"
    assert "already exists" in served.repl("load_repl_session", session_id="loaded", filepath="deep/saved.pkl")["error"]
    assert "not found" in served.repl("load_repl_session", session_id="other", filepath="absent.pkl")["error"]
    for path in ("/tmp/x.pkl", "../x.pkl", "deep/../../x.pkl"):
        assert "leads out" in served.repl("save_repl_session", session_id="saved", filepath=path)["error"]
        assert "leads out" in served.repl("load_repl_session", session_id="other", filepath=path)["error"]
    (folder / "snapshots" / "deep" / "saved.pkl").write_bytes(b"no zip")
    assert "no snapshot" in served.repl("load_repl_session", session_id="other", filepath="deep/saved.pkl")["error"]
    assert [s["session_id"] for s in served.repl("list_repl_sessions")["sessions"] if s["session_id"] == "other"] == []
    served.repl("destroy_repl_session", session_id="saved")
    served.repl("destroy_repl_session", session_id="loaded")


def test_the_standard_library_reaches_new_sessions_only(served: Served) -> None:
    served.repl("create_repl_session", session_id="old")
    added = served.repl("add_to_stdlib", function_code="import json\ndef triple(n):\n    return 3 * n")
    assert added["success"], added
    listed = served.repl("list_stdlib_functions")
    assert (listed["functions"], listed["modules"], listed["other"], listed["count"]) == (["triple"], ["json"], [], 2)
    assert not served.repl("execute_repl", session_id="old", code="triple(2)")["success"]
    served.repl("create_repl_session", session_id="new")
    assert served.repl("execute_repl", session_id="new", code="triple(2)")["result"] == "6"
    assert served.repl("clear_repl_session", session_id="new")["success"]
    assert served.repl("execute_repl", session_id="new", code="triple(3)")["result"] == "9"
    assert not served.repl("create_repl_session", session_id="none", include_stdlib=False)["stdlib_loaded"]
    assert not served.repl("execute_repl", session_id="none", code="triple(2)")["success"]
    assert "no valid Python" in served.repl("add_to_stdlib", function_code="def f(:")["error"]
    assert "NameError" in served.repl("add_to_stdlib", function_code="undefined_name")["error"]
    assert served.repl("list_stdlib_functions")["count"] == 2
    for session in ("old", "new", "none"):
        served.repl("destroy_repl_session", session_id=session)


def test_what_code_prints_below_python_never_reaches_the_protocol(served: Served) -> None:
    """A child and C code write to descriptor 1, which is the transport of a server in the same process."""
    assert served.ipython("import os; os.system('echo from a child'); os.write(1, b'raw\\n');") == [
        "from a child\nraw\n"
    ]
