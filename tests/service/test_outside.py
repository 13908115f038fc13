"""One `kernelet serve` process as clients on the other side of a socket have it: ours, MCP over HTTP, the examples."""

from __future__ import annotations

import asyncio
import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import needs

for name in ("mcp", "fastapi", "uvicorn", "httpx"):
    needs.need_module(name)

import httpx  # noqa: E402
import mcp_types as types  # noqa: E402
from mcp import Client as McpClient  # noqa: E402
from mcp.client.streamable_http import streamable_http_client  # noqa: E402

from kernelet.service.client import AsyncClient, Client, ClientError  # noqa: E402
from kernelet.service.mcp.tools import IPYTHON_SCHEMA  # noqa: E402
from kernelet.service.result import Done, Text  # noqa: E402
from served import DEADLINE_S, JupyterServer, ServeProcess  # noqa: E402

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServeProcess]:
    with ServeProcess(tmp_path_factory.mktemp("serve")) as process:
        yield process


@pytest.fixture(scope="module")
def client(service: ServeProcess) -> Iterator[Client]:
    with Client(service.url, service.token) as client:
        yield client


# Our client


def test_the_end_of_the_first_session_leaves_the_others_alone(tmp_path: Path) -> None:
    """The first kernel's environment is its zygote's: the mark in it must not be every later kernel's."""
    with ServeProcess(tmp_path, KERNELET_PRELOAD="[]") as process, Client(process.url, process.token) as client:
        first, second = client.create("first"), client.create("second")
        assert second.execute("x = 6").status == "ok"
        first.destroy()
        assert second.execute("print(x)").stdout == "6\n"


def test_a_session_from_its_making_to_its_end(client: Client) -> None:
    with client.create("life") as session:
        result = session.execute("import os\nx = 6\nprint('out')\nx * 7")
        assert (result.status, result.stdout, result.results[0].data["text/plain"]) == ("ok", "out\n", "42")
        assert session.variables()["variables"] == ["os", "x"]
        assert session.variables("x")["repr"] == "6"
        assert session.stats()["execution_count"] == 1
        assert "life" in [one["session_id"] for one in client.sessions()]
        assert session.history()[0]["status"] == "ok"
        session.restart()
        assert session.execute("x").status == "error"
        assert len(session.history()) == 2
        session.clear()
        assert session.history() == []
    with pytest.raises(ClientError) as raised:
        session.stats()
    assert raised.value.status == 404


def test_a_stream_comes_as_it_is_said_and_ends_with_done(client: Client) -> None:
    with client.create("stream") as session:
        # The code waits for what the test writes once it has read the line.
        code = "import os, time\nprint('first')\nwhile not os.path.exists('go'): time.sleep(0.02)\nprint('last')"
        heard: list[Any] = []
        for event in session.stream(code):
            heard.append(event)
            if isinstance(event, Text) and "first" in event.text:
                session.write_file("go", b"")
        assert isinstance(heard[-1], Done)
        assert "".join(event.text for event in heard if isinstance(event, Text)) == "first\nlast\n"


def test_an_interrupt_from_another_connection_keeps_the_variables(client: Client) -> None:
    with client.create("interrupted") as session:
        for event in session.stream(
            "kept = 1\nprint('running', flush=True)\nimport time; time.sleep(1000)", timeout=600
        ):
            if isinstance(event, Text) and "running" in event.text:
                assert session.interrupt()["interrupted"]
            if isinstance(event, Done):
                assert (event.result.status, event.result.cause) == ("interrupted", "client")
        assert session.execute("kept").results[0].data["text/plain"] == "1"


def test_files_go_in_and_come_out(client: Client) -> None:
    with client.create("files") as session:
        session.write_file("data/numbers ä.txt", b"1 2 3")
        code = "text = open('data/numbers ä.txt').read()\nopen('sum.txt', 'w').write(str(sum(map(int, text.split()))))"
        made = session.execute(code)
        assert "sum.txt" in [file.path for file in made.files]
        assert session.read_file("sum.txt") == b"6"
        assert sorted(file["path"] for file in session.files()) == ["data/numbers ä.txt", "sum.txt"]
        session.delete_file("sum.txt")
        with pytest.raises(ClientError) as raised:
            session.read_file("sum.txt")
        assert raised.value.status == 404
        session.execute("import os; os.symlink('/etc', 'link')")
        with pytest.raises(ClientError) as raised:
            session.read_file("link/passwd")
        assert raised.value.status == 403


def test_variables_are_saved_and_loaded_into_another_session(client: Client, service: ServeProcess) -> None:
    with client.create("keeper") as session:
        session.execute("data = [1, 2]\nsame = data\ngenerator = (n for n in data)\ndef f(): return len(data)")
        saved = session.save("deep/kept.pkl")
        assert sorted(saved["saved"]) == ["data", "f", "same"]
        assert [entry["name"] for entry in saved["skipped"]] == ["generator"]
        assert saved["size_bytes"] == (service.folder / "snapshots" / "deep" / "kept.pkl").stat().st_size
        for bad in ("../out.pkl", "/tmp/out.pkl", "deep"):
            with pytest.raises(ClientError) as raised:
                session.save(bad)
            assert raised.value.status in (403, 422)
    with client.load("revived", "deep/kept.pkl") as revived:
        assert revived.execute("data.append(3)\n(f(), data is same)").results[0].data["text/plain"] == "(3, True)"
        with pytest.raises(ClientError) as raised:
            client.load("revived", "deep/kept.pkl")
        assert raised.value.status == 409
    with pytest.raises(ClientError) as raised:
        client.load("other", "absent.pkl")
    assert raised.value.status == 404
    (service.folder / "snapshots" / "deep" / "kept.pkl").write_bytes(b"PK tampered")
    with pytest.raises(ClientError, match="no snapshot"):
        client.load("other", "deep/kept.pkl")
    assert "other" not in [one["session_id"] for one in client.sessions()]


def test_the_standard_library_grows_and_reaches_one_shots(client: Client) -> None:
    assert client.add_to_stdlib("def thrice(n):\n    return 3 * n")["names"] == ["thrice"]
    assert client.stdlib()["functions"] == ["thrice"]
    assert client.run("print(thrice(2))").stdout == "6\n"
    with pytest.raises(ClientError, match="no valid Python"):
        client.add_to_stdlib("def broken(:")
    with pytest.raises(ClientError, match="ZeroDivisionError"):
        client.add_to_stdlib("1 / 0")
    assert client.stdlib()["count"] == 1


def test_a_one_shot_has_its_variables_of_the_environment(client: Client) -> None:
    result = client.run("import os; print(os.environ['MINE'])", envs={"MINE": "yes"})
    assert (result.status, result.stdout) == ("ok", "yes\n")
    assert result.session_id


def test_without_the_token_nothing_but_health_and_the_page_is_served(service: ServeProcess) -> None:
    with Client(service.url) as stranger:
        assert stranger.health()["status"] == "ok"
        with pytest.raises(ClientError) as raised:
            stranger.sessions()
        assert raised.value.status == 401
    assert "text/html" in httpx.get(f"{service.url}/").headers["content-type"]
    assert httpx.post(f"{service.url}/mcp", json={}).status_code == 401


def test_the_async_client_does_the_same(service: ServeProcess) -> None:
    async def use() -> None:
        async with AsyncClient(service.url, service.token) as client, await client.create("async") as session:
            assert (await session.execute("1 + 1")).results[0].data["text/plain"] == "2"
            texts = [event.text async for event in session.stream("print('hi')") if isinstance(event, Text)]
            assert texts == ["hi\n"]
            assert (await session.variables())["count"] == 0
            assert (await client.run("print(1)")).stdout == "1\n"
            with pytest.raises(ClientError):
                await client.create("async")

    asyncio.run(use())


# MCP over streamable HTTP


async def call(service: ServeProcess, *calls: tuple[str, dict[str, Any]]) -> list[types.CallToolResult]:
    """Make calls over one connection of the official client."""
    headers = {"Authorization": f"Bearer {service.token}"}
    from httpx2 import AsyncClient as McpHttp

    async with McpHttp(headers=headers, timeout=DEADLINE_S) as http:
        async with McpClient(streamable_http_client(f"{service.url}/mcp", http_client=http)) as client:
            [tool] = (await client.list_tools()).tools
            assert (tool.name, tool.input_schema) == ("ipython", IPYTHON_SCHEMA)
            return [await client.call_tool(name, arguments) for name, arguments in calls]


def texts(result: types.CallToolResult) -> list[str]:
    return [part.text if isinstance(part, types.TextContent) else part.mime_type for part in result.content]  # type: ignore[union-attr]


def test_over_http_variables_stay_from_connection_to_connection(service: ServeProcess) -> None:
    """The protocol has no sessions over HTTP: whoever shows the same token gets the same environment."""
    [first] = asyncio.run(call(service, ("ipython", {"code": "x = 41"})))
    assert not first.is_error
    again, failed = asyncio.run(call(service, ("ipython", {"code": "x + 1"}), ("ipython", {"code": "1 / 0"})))
    assert texts(again) == ["42\n"]
    assert failed.is_error


def test_over_http_plots_are_images(service: ServeProcess) -> None:
    needs.need_module("matplotlib")
    code = "import matplotlib.pyplot as plt\nprint('text')\nplt.plot([1, 2]);"
    [result] = asyncio.run(call(service, ("ipython", {"code": code})))
    assert texts(result) == ["text\n", "image/png"]


# The examples


def test_the_example_of_an_agent_corrects_itself(tmp_path: Path) -> None:
    example = EXAMPLES / "agent_over_mcp.py"
    done = subprocess.run(
        [sys.executable, str(example)], capture_output=True, text=True, cwd=tmp_path, timeout=DEADLINE_S, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "TypeError" in done.stdout
    assert done.stdout.splitlines()[-1] == "The mean temperature is 15.33 degrees."


def test_the_example_of_a_notebook_shows_what_cells_say(
    service: ServeProcess, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    needs.need_module("matplotlib")
    cells = tmp_path / "cells.py"
    code = ["x = 6\nprint('hello')", "x * 7", "import matplotlib.pyplot as plt\nplt.plot([1]);", "1 / 0", "x"]
    cells.write_text("\n# %% a cell\n".join(code))
    monkeypatch.chdir(tmp_path)
    status = runpy.run_path(str(EXAMPLES / "notebook_over_sse.py"))["main"](service.url, service.token, str(cells))
    shown = capsys.readouterr().out
    assert status == 1
    assert "[1]\nhello\n" in shown
    assert "[2]\n42\n" in shown
    assert "ZeroDivisionError: division by zero" in shown
    assert "[5]" not in shown
    assert len(list(tmp_path.glob("*.png"))) == 1


def test_the_example_of_a_proxy_reaches_a_jupyter_server(tmp_path: Path) -> None:
    needs.need_module("jupyter_server")
    with JupyterServer(tmp_path) as server:
        example = EXAMPLES / "remote_proxy.py"
        done = subprocess.run(
            [sys.executable, str(example), server.url, server.token],
            capture_output=True, text=True, cwd=tmp_path, timeout=DEADLINE_S, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("hello from ")
