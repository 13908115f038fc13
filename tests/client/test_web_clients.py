"""Voila serves a notebook as a page, the Kernel Gateway lends kernels over REST and a websocket."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from needs import need_module
from sandbox import DEADLINE_S, KERNEL_NAME
from webapp import WebApp


def test_voila_serves_what_the_cells_show(tmp_path: Path) -> None:
    need_module("voila")
    need_module("ipywidgets")
    cells = [
        "print('printed by ' + 'the notebook')",
        "import ipywidgets\nslider = ipywidgets.IntSlider(value=40 + 2)\nslider",
        "import os\nprint('served by', os.environ['SERVER_SOFTWARE'])",
    ]
    notebook = new_notebook(cells=[new_code_cell(cell) for cell in cells])
    notebook.metadata["kernelspec"] = {"name": KERNEL_NAME, "display_name": KERNEL_NAME, "language": "python"}
    nbformat.write(notebook, tmp_path / "page.ipynb")
    with WebApp("voila", ["--no-browser", "--Voila.ip=127.0.0.1", "--port=", "page.ipynb"], tmp_path) as voila:
        page = voila.get("/")
    assert "printed by the notebook" in page
    assert "application/vnd.jupyter.widget-view+json" in page
    assert re.search(r"model_id\W+[0-9a-f]{32}", page)
    assert "served by voila/" in page


class Channels:
    """The websocket of a kernel: send requests, read messages until a request's idle and reply have come."""

    def __init__(self, url: str, kernel_id: str) -> None:
        import websocket

        self.kernel_id = kernel_id
        self._socket = websocket.create_connection(url, timeout=DEADLINE_S)
        self._session = uuid.uuid4().hex

    def send(self, msg_type: str, content: Any, channel: str = "shell") -> str:
        msg_id = uuid.uuid4().hex
        header = {
            "msg_id": msg_id, "msg_type": msg_type, "session": self._session, "username": "", "version": "5.3",
            "date": "2026-11-21T00:00:00Z",
        }  # fmt: skip
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": channel}
        self._socket.send(json.dumps(message))
        return msg_id

    def execute(self, code: str) -> str:
        return self.send("execute_request", {"code": code, "silent": False, "allow_stdin": False})

    def until(self, msg_id: str, *wanted: str) -> list[Any]:
        """Messages of `msg_id`, until all types `wanted` have come (`idle` stands for its status)."""
        messages: list[Any] = []
        missing = set(wanted)
        while missing:
            message = json.loads(self._socket.recv())
            if message["parent_header"].get("msg_id") != msg_id:
                continue
            messages.append(message)
            missing.discard(message["content"].get("execution_state", message["header"]["msg_type"]))
        return messages

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebApp]:
    need_module("kernel_gateway")
    need_module("websocket")
    options = ["--KernelGatewayApp.ip=127.0.0.1", "--KernelGatewayApp.port="]
    with WebApp("kernel_gateway", options, tmp_path_factory.mktemp("gateway")) as app:
        yield app


@pytest.fixture(scope="module")
def channels(gateway: WebApp) -> Iterator[Channels]:
    kernel = gateway.rest("POST", "/api/kernels", {"name": KERNEL_NAME})
    assert kernel["name"] == KERNEL_NAME
    url = gateway.url.replace("http", "ws", 1)
    channels = Channels(f"{url}/api/kernels/{kernel['id']}/channels", kernel["id"])
    yield channels
    channels.close()
    assert gateway.rest("DELETE", f"/api/kernels/{kernel['id']}") is None


def test_gateway_lists_the_kernelspec(gateway: WebApp) -> None:
    assert KERNEL_NAME in gateway.rest("GET", "/api/kernelspecs")["kernelspecs"]


def test_gateway_runs_a_cell_over_the_websocket(channels: Channels) -> None:
    messages = channels.until(channels.execute("print('printed')\n6 * 7"), "idle", "execute_reply")
    by_type = {message["header"]["msg_type"]: message["content"] for message in messages}
    assert by_type["stream"]["text"] == "printed\n"
    assert by_type["execute_result"]["data"] == {"text/plain": "42"}
    assert by_type["execute_reply"]["status"] == "ok"


def test_gateway_interrupts_a_cell_by_rest(gateway: WebApp, channels: Channels) -> None:
    running = channels.execute("print('running')\nwhile True:\n    pass")
    channels.until(running, "stream")
    gateway.rest("POST", f"/api/kernels/{channels.kernel_id}/interrupt", {})
    messages = channels.until(running, "idle", "execute_reply")
    assert "KeyboardInterrupt" in [message["content"].get("ename") for message in messages]


def test_gateway_restarts_the_kernel_by_rest(gateway: WebApp, channels: Channels) -> None:
    channels.until(channels.execute("kept = 1"), "idle", "execute_reply")
    gateway.rest("POST", f"/api/kernels/{channels.kernel_id}/restart", {})
    messages = channels.until(channels.execute("kept"), "idle", "execute_reply")
    assert "NameError" in [message["content"].get("ename") for message in messages]
