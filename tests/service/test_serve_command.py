"""`kernelet serve` and `kernelet-proxy` as processes: what they print, how they end, what they leave behind."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from jupyter_servers import TOKEN, jupyter_server
from kernelet.service import cli
from kernelet.service.begin import listen
from service_command import Command


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Callable[..., Command]]:
    started: list[Command] = []

    def start(*options: str, **environment: str) -> Command:
        started.append(Command(tmp_path / f"{len(started)}.log", *options, **environment))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.end(signal.SIGTERM)
        one.client.close()


def test_it_prints_a_token_logs_json_and_leaves_no_process(command: Callable[..., Command]) -> None:
    serving = command()
    assert len(serving.token) >= 32
    processes = serving.kernels()
    with serving.client.stream(
        "POST", "/v1/sessions/s/execute", json={"code": "print(1, flush=True)\nwhile True: pass", "timeout": 600},
        headers={"Accept": "application/x-ndjson"},
    ) as answer:  # fmt: skip
        lines = answer.iter_lines()
        while json.loads(next(lines))["type"] != "stdout":
            pass
        serving.process.send_signal(signal.SIGTERM)
        last = [json.loads(line) for line in lines][-1]
    assert (last["type"], last["result"]["cause"]) == ("done", "shutdown")
    serving.process.wait(60)
    assert psutil.wait_procs(processes, timeout=10)[1] == []
    logged = [json.loads(line) for line in serving.log.read_text().splitlines() if line.startswith("{")]
    [ended] = [line for line in logged if line["message"] == "execution ended" and line["status"] == "ok"]
    assert re.search(r"[+-]\d\d:\d\d$", ended["timestamp"])
    assert ended["session_id"] == "s"
    assert "code" not in ended
    assert len(ended["code_sha256"]) == 64


def test_kernels_do_not_outlive_a_service_that_is_killed(command: Callable[..., Command]) -> None:
    serving = command(KERNELET_TOKEN="chosen")
    kernel, _ = serving.kernels()
    serving.end(signal.SIGKILL)
    assert psutil.wait_procs([kernel], timeout=10)[1] == []


def test_user_code_does_not_see_the_token(command: Callable[..., Command]) -> None:
    serving = command(KERNELET_TOKEN="chosen")
    code = "import os; [name for name in os.environ if 'chosen' in os.environ[name]]"
    result = serving.client.post("/v1/sessions/default/execute", json={"code": code}).json()
    assert result["results"][0]["data"]["text/plain"] == "[]"


@pytest.mark.parametrize(
    "options, environment, complaint",
    [
        (["--host", "0.0.0.0"], {}, "0.0.0.0 can be reached from other machines"),
        (["--log-level", "LOUD"], {}, "log_level: Input should be 'DEBUG', 'INFO', 'WARNING' or 'ERROR'"),
        (["--port", "99999"], {}, "port: Input should be less than or equal to 65535 (--port, or KERNELET_PORT"),
        ([], {"KERNELET_TIMEOUT_DEFAULT": "-3"}, "timeout_default: Input should be greater than 0"),
        ([], {"JUPYTER_TIMEOUT_TOTAL": "soon", "KERNELET_BACKEND": "remote"}, "Input should be a valid number"),
        (["--upload-dir", "absent"], {}, "upload_dir: 'absent' is no folder"),
        (["--work-dir", "/dev/null/x"], {}, "work_dir: '/dev/null/x' cannot be made"),
        (["--backend", "remote", "--server-url", "ftp://x"], {}, "server_url: 'ftp://x' is no address"),
        (["--host", "203.0.113.1", "--token", "t"], {}, "cannot serve at 203.0.113.1 port "),
        (["--host", "no-such-host.invalid", "--token", "t"], {}, "cannot serve at no-such-host.invalid port "),
    ],
)
def test_a_bad_start_is_refused_in_a_sentence(
    options: list[str],
    environment: dict[str, str],
    complaint: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in list(os.environ):
        if name.startswith(("KERNELET_", "JUPYTER_")):
            monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    assert cli.main(options) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"kernelet: {complaint}") or complaint in line


def test_a_port_that_is_taken_is_told_in_a_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = subprocess.run(
            [sys.executable, "-m", "kernelet", "serve", "--port", str(port := taken.getsockname()[1])],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == f"kernelet: cannot serve at 127.0.0.1 port {port}: Address already in use\n"


def test_localhost_is_served_at_both_of_its_addresses(command: Callable[..., Command]) -> None:
    serving = command("--host", "localhost", KERNELET_TOKEN="chosen")
    port = httpx.URL(serving.url).port
    found = {one[4][0] for one in socket.getaddrinfo("localhost", port, type=socket.SOCK_STREAM)}
    for address in found:
        url = f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"
        assert httpx.get(f"{url}/health", trust_env=False).json()["status"] == "ok"


def test_an_unknown_command_is_told_and_starts_no_kernel(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "kernelet", "sevre"],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("kernelet: there is no command 'sevre'\n\nusage: kernelet")


def test_mcp_refuses_a_bad_start_in_a_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "kernelet", "mcp"],
        capture_output=True, text=True, timeout=60, cwd=tmp_path, check=False,
        env={**os.environ, "KERNELET_MEMORY_MB": "-1"},
    )  # fmt: skip
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert "KERNELET_MEMORY_MB" in done.stderr


def test_the_proxys_flags_mean_what_its_document_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith(("KERNELET_", "JUPYTER_")):
            monkeypatch.delenv(name)
    given = cli.proxy_options(["--server-url", "http://x:1", "--port", "8001", "--token", "t", "--log-level", "DEBUG"])
    assert given == {
        "server_url": "http://x:1", "port": 8001, "backend_token": "t", "log_level": "DEBUG", "backend": "remote",
    }  # fmt: skip
    assert cli.proxy_options([])["server_url"] == "http://127.0.0.1:8080"
    monkeypatch.setenv("JUPYTER_SERVER_URL", "http://from-the-environment")
    assert "server_url" not in cli.proxy_options([])


def test_the_proxy_serves_the_kernels_of_a_jupyter_server(command: Callable[..., Command], tmp_path: Path) -> None:
    with jupyter_server("gateway", tmp_path) as url:
        serving = command("--backend", "remote", JUPYTER_SERVER_URL=url, KERNELET_BACKEND_TOKEN=TOKEN)
        assert serving.client.get("/health").json()["backend"] == "remote"
        assert serving.client.get("/ready").status_code == 200
        kernel: dict[str, Any] = serving.client.post("/start_kernel").json()
        found = serving.client.post("/execute_code", json={**kernel, "code": "6 * 7"}).json()["results"]
        [result] = [one for one in found if one["header"]["msg_type"] == "execute_result"]
        assert result["content"]["data"]["text/plain"] == "42"
        assert serving.client.post("/shutdown_kernel", json=kernel).status_code == 200
        assert serving.client.get("/v1/sessions/none/files").status_code == 404
        serving.end(signal.SIGTERM)


def test_an_answer_does_not_wait_for_the_clients_acknowledgement() -> None:
    async def nodelay() -> int:
        accepted: asyncio.Future[asyncio.BaseTransport] = asyncio.get_running_loop().create_future()

        class Accepts(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                accepted.set_result(transport)

        [listening] = listen("127.0.0.1", 0)
        server = await asyncio.get_running_loop().create_server(Accepts, sock=listening)
        _, writer = await asyncio.open_connection(*listening.getsockname())
        transport = await accepted
        found: int = transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        writer.close()
        transport.close()
        server.close()
        return found

    # 45 ms for each call when it did: the answer leaves in two pieces, and the client acknowledges late.
    assert asyncio.run(nodelay())
