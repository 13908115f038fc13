"""The memory of the service itself, whatever a cell says and whoever does not read it: a server process of its own."""

from __future__ import annotations

import json
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from kernelet.service.result import ExecutionResult
from service_command import Command
from service_tools import Sync

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the largest size of another process: Linux only")

MB = 1_000_000
FLOOD_CHARS = 200 * MB
PRINTS = "for _ in range(20_000): print('x' * 9_999)"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    serving = Command(
        tmp_path_factory.mktemp("server") / "log", KERNELET_MAX_OUTPUT_BYTES=str(2 * FLOOD_CHARS),
        KERNELET_TIMEOUT_DEFAULT="300",
    )  # fmt: skip
    yield serving
    serving.end(signal.SIGTERM)
    serving.client.close()


def session(server: Command) -> str:
    made = server.client.post("/v1/sessions", json={})
    assert made.status_code == 201, made.text
    return f"/v1/sessions/{made.json()['session_id']}"


def run(server: Command, path: str, code: str) -> dict[str, Any]:
    answer = server.client.post(f"{path}/execute", json={"code": code}, timeout=300)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def memory(server: Command, what: str) -> int:
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith(f"{what}:"))


@contextmanager
def growth_under(server: Command, limit: int) -> Iterator[None]:
    """Fail if the server was ever larger in this block than before it, by more than `limit` bytes."""
    Path(f"/proc/{server.process.pid}/clear_refs").write_text("5")  # forget the largest size so far
    before = memory(server, "VmRSS")
    yield
    assert memory(server, "VmHWM") - before < limit


def await_idle(server: Command, *paths: str) -> None:
    deadline = time.monotonic() + 240
    while {server.client.get(path).json()["state"] for path in paths} != {"idle"}:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_readers_that_stop_cost_the_server_no_memory_and_learn_what_they_missed(server: Command) -> None:
    over_sse, over_ws, other = session(server), session(server), session(server)
    url = httpx.URL(server.url)
    body = json.dumps({"code": PRINTS})
    request = (
        f"POST {over_sse}/execute HTTP/1.1\r\nHost: {url.host}:{url.port}\r\nAuthorization: Bearer {server.token}\r\n"
        f"Accept: text/event-stream\r\nConnection: close\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    )
    address = f"ws://{url.host}:{url.port}{over_ws}/ws?token={server.token}"
    with (
        growth_under(server, 120 * MB),  # half of one flood would be 100 for each
        socket.create_connection((url.host, url.port or 0)) as stalled,
        connect(address, max_queue=1) as stalled_ws,
    ):
        stalled.sendall(request.encode())
        stalled_ws.send(json.dumps({"type": "execute", "id": "1", "code": PRINTS}))
        for _ in range(10):
            assert run(server, other, "6 * 7")["results"][0]["data"]["text/plain"] == "42"
        await_idle(server, over_sse, over_ws)
        read = bytearray()
        while piece := stalled.recv(1 << 20):
            read += piece
        frames = [json.loads(stalled_ws.recv(timeout=60))]
        while frames[-1]["type"] != "done":
            frames.append(json.loads(stalled_ws.recv(timeout=60)))
    streamed = [json.loads(line[6:]) for line in bytes(read).splitlines() if line.startswith(b"data: ")]
    for events in (streamed, frames):
        [notice, done] = events[-2:]
        assert notice["type"] == "notice"
        assert "left out" in notice["text"]
        assert done["result"]["status"] == "ok"
        assert done["result"]["truncated"]["stdout"]["total"] == FLOOD_CHARS


@pytest.mark.parametrize(
    "code",
    [
        f"print('x' * {FLOOD_CHARS})",
        "from IPython.display import JSON, display\nfor _ in range(1000): display(JSON({'a': 'x' * 200_000}))",
        "from IPython.display import display\nfor n in range(9_000): display(n)",
    ],
)
def test_the_server_stays_small_whatever_is_said(server: Command, code: str) -> None:
    path = session(server)
    with growth_under(server, 100 * MB):
        result = run(server, path, code)
    assert result["status"] == "ok"
    assert result["truncated"] or len(result["results"]) == 9_000
    server.client.delete(path)


@pytest.fixture(scope="module")
def strict(start_engine: Callable[..., Sync]) -> Callable[[str], ExecutionResult]:
    """Run code in a session that may put out little; messages may have 16 MiB more."""
    sync = start_engine(max_output_bytes=MB, interrupt_grace=30, timeout_default=120)
    session = sync.session()
    assert sync(session.run("from IPython.display import HTML, display")).status == "ok"
    return lambda code: sync(session.run(code))


def test_displays_without_end_are_ended(strict: Callable[[str], ExecutionResult]) -> None:
    result = strict("n = 0\nwhile True: n += 1; display(n)")
    assert (result.cause, result.state_lost, len(result.results)) == ("output_limit", False, 10_000)
    assert strict("n > 10_000").results[0].data["text/plain"] == "True"


TOO_LARGE = "display(HTML('x' * 30_000_000))"


@pytest.mark.parametrize("then, status", [("after = 1", "ok"), ("while True: pass", "interrupted")])
def test_a_message_that_is_too_large_ends_the_code_and_the_next_is_heard(
    strict: Callable[[str], ExecutionResult], then: str, status: str
) -> None:
    result = strict(f"mark = {then!r}\n{TOO_LARGE}\n{then}")
    assert (result.status, result.cause, result.state_lost) == (status, "output_limit", False)
    assert result.notice is not None
    assert "too large" in result.notice
    result = strict("print(mark)")
    assert (result.status, result.stdout, result.notice) == ("ok", f"{then}\n", None)
