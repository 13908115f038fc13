"""`kernelet serve` and `kernelet-proxy` as processes: what they print, how they end, what they leave behind."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from jupyter_servers import TOKEN, jupyter_server
from kernelet.service import cli
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
    "options, complaint",
    [
        (["--host", "0.0.0.0", "--log-level", "INFO"], "can be reached from other machines"),
        (["--log-level", "LOUD"], "log_level"),
        (["--port", "99999"], "port"),
    ],
)
def test_a_bad_start_is_refused_in_a_sentence(options: list[str], complaint: str) -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("KERNELET_")}
    done = subprocess.run(
        [sys.executable, "-m", "kernelet", "serve", *options], capture_output=True, text=True, env=clean, timeout=60
    )
    assert done.returncode == 2
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr


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
