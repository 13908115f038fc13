"""Rows of the service's papers that no other test holds: fields, flags and defaults, against a real server."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import kernelet
from kernelet.service.folders import Folders
from kernelet.service.proxy import StructuredLogger
from needs import need_module
from sandbox import free_ports
from service_tools import TOKEN, Served, Sync, settings


@pytest.fixture(scope="module")
def path(served: Served) -> str:
    """A session that the tests of this module share."""
    return served.session()


def value(result: dict[str, Any]) -> str:
    """Return the text of the last rich output."""
    return str(result["results"][-1]["data"]["text/plain"])


# Sessions and executions


def test_each_wish_for_a_session_is_granted(served: Served, tmp_path: Path) -> None:
    wishes = {
        "session_id": "wishes",
        "cwd": str(tmp_path),
        "envs": {"KF_WISH": "granted"},
        "kernel_name": "kernelet",
        "include_stdlib": False,
        "idle_timeout": 5,
        "limits": {"nofile": 222, "fsize_mb": 1},
    }
    made = served.client.post("/v1/sessions", json=wishes)
    assert (made.status_code, made.json()["stdlib_loaded"]) == (201, False)
    code = "import os, resource as r; print(os.getcwd(), os.environ['KF_WISH'], r.getrlimit(r.RLIMIT_NOFILE)[0])"
    assert served.execute("/v1/sessions/wishes", code)["stdout"] == f"{tmp_path} granted 222\n"
    assert served.engine.session("wishes").idle_timeout == 5
    assert served.client.post("/v1/sessions", json={"cwd": "/absent"}).status_code == 422
    served.client.delete("/v1/sessions/wishes")


def test_each_wish_for_an_execution_is_granted(served: Served) -> None:
    path = served.session()
    served.execute(path, "x = 1")
    result = served.execute(
        path, "import os; print(os.environ['KF_ONE'], 'x' in globals())",
        restart=True, envs={"KF_ONE": "one"}, include_messages=True, timeout=50,
    )  # fmt: skip
    assert (result["stdout"], result["generation"]) == ("one False\n", 1)
    kinds = [message["header"]["msg_type"] for message in result["messages"]]
    assert {"execute_input", "stream", "execute_reply"} <= set(kinds)
    assert served.execute(path, "1")["messages"] is None
    assert "\x1b[" in "".join(served.execute(path, "1/0", keep_ansi=True)["error"]["traceback"])
    assert "\x1b[" not in "".join(served.execute(path, "1/0")["error"]["traceback"])


def test_events_have_exactly_the_keys_of_the_design(served: Served, path: str) -> None:
    code = (
        "import sys\nfrom IPython.display import clear_output, display\nprint('o'); print('e', file=sys.stderr)\n"
        "h = display(1, display_id='d'); h.update(2); clear_output(wait=True)\n3\n"
    )
    found: dict[str, set[str]] = {}
    for cell in (code, "1/0"):
        with served.client.stream(
            "POST", f"{path}/execute", json={"code": cell}, headers={"Accept": "application/x-ndjson"}
        ) as answer:
            for line in answer.iter_lines():
                event = json.loads(line)
                found[event["type"]] = set(event)
    rich = {"id", "seq", "type", "data", "metadata", "display_id"}
    found.pop("ping", None)
    assert found == {
        "started": {"id", "seq", "type", "execution_count"},
        "stdout": {"id", "seq", "type", "text"},
        "stderr": {"id", "seq", "type", "text"},
        "display": rich,
        "update_display": rich,
        "result": rich,
        "clear_output": {"id", "seq", "type", "wait"},
        "error": {"id", "seq", "type", "name", "value", "traceback"},
        "done": {"id", "seq", "type", "result"},
    }


def test_a_dead_kernel_is_replaced_and_the_code_run_where_that_is_wished(start_engine: Callable[..., Sync]) -> None:
    sync = start_engine(auto_recover="run")
    session = sync.session()
    sync(session.run("import os, threading; threading.Timer(0.1, os._exit, [9]).start()"))

    async def died() -> None:
        import asyncio

        while session.generation == 0:  # noqa: ASYNC110  # tests look, the session tells nobody
            await asyncio.sleep(0.01)

    sync(died())
    result = sync(session.run("print('anew')"))
    assert (result.status, result.stdout) == ("ok", "anew\n")
    assert "runs anew" in str(result.notice)


def test_code_is_logged_only_where_that_is_wished(
    start_engine: Callable[..., Sync], caplog: pytest.LogCaptureFixture
) -> None:
    for wished in (False, True):
        caplog.clear()
        sync = start_engine(log_code=wished)
        with caplog.at_level("INFO", "kernelet.service"):
            sync(sync.engine.run("'a secret of the user'"))
        [record] = [one for one in caplog.records if one.getMessage() == "execution ended"]
        assert ("a secret" in str(vars(record))) is wished
        assert hasattr(record, "code_sha256") is not wished


def test_the_folders_of_sessions_are_nobody_elses() -> None:
    folders = Folders(settings())
    folders.open()
    try:
        work, _ = folders.make("one")
        assert work.parent.stat().st_mode & 0o777 == 0o700
    finally:
        folders.close()
    assert not work.exists()


# One-shots: the interpreter's document


def post(served: Served, **body: Any) -> dict[str, Any]:
    answer = served.client.post("/process/interpreter/execute", json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_a_one_shot_that_ignores_the_interrupt_is_killed(served: Served) -> None:
    code = "import time\nwhile True:\n try: time.sleep(9)\n except KeyboardInterrupt: pass"
    result = post(served, code=code, timeout=0.5)
    assert (result["status"], result["exit_code"], result["timed_out"]) == ("exit", -9, True)


def test_the_error_of_a_one_shot_has_name_value_and_traceback(served: Served) -> None:
    result = post(served, code="import sys; print('out'); print('err', file=sys.stderr); {}['key']")
    assert (result["status"], result["stdout"], result["stderr"]) == ("error", "out\n", "err\n")
    assert (result["error"]["name"], result["error"]["value"]) == ("KeyError", "'key'")
    assert "{}['key']" in "\n".join(result["error"]["traceback"])


def test_one_shots_one_after_the_other_need_one_place(serve: Callable[..., Served]) -> None:
    """The answer comes before the kernel is gone: who asks again at once waits for the place, and is not refused."""
    served = serve(max_concurrent_oneshot=1)
    answers = [served.client.post("/process/interpreter/execute", json={"code": "1"}) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200] * 4


def test_one_shots_run_side_by_side_and_over_the_cap_are_told_to_come_back(serve: Callable[..., Served]) -> None:
    served = serve(max_concurrent_oneshot=2)
    ended: list[dict[str, Any]] = []

    def meet(mine: str, other: str) -> None:
        ended.append(post(served, code=code.format(shared, mine, other), timeout=60))

    # Each waits for the file of the other: one after the other they would wait for ever.
    folder = served.execute("/v1/sessions/default", "import os; os.getcwd()")
    shared = value(folder).strip("'")
    code = (
        "import os, time\nopen(f'{0}/{1}', 'w').close()\nwhile not os.path.exists(f'{0}/{2}'): time.sleep(0.02)\n"
        "while not os.path.exists('{0}/go'): time.sleep(0.02)"
    )
    workers = [threading.Thread(target=meet, args=names) for names in ("ab", "ba")]
    for worker in workers:
        worker.start()
    look = "import os, time\nwhile not (os.path.exists('a') and os.path.exists('b')): time.sleep(0.02)"
    assert served.execute("/v1/sessions/default", look)["status"] == "ok"
    refused = served.client.post("/process/interpreter/execute", json={"code": "1"})
    assert (refused.status_code, int(refused.headers["retry-after"]) >= 1) == (429, True)
    served.execute("/v1/sessions/default", "open('go', 'w').close()")
    for worker in workers:
        worker.join(60)
    assert [one["status"] for one in ended] == ["ok", "ok"]


# Data and images: the ipython tool's document


def test_sqlite_works_in_memory_and_in_a_file(served: Served, path: str) -> None:
    code = (
        "import sqlite3\nfor where in (':memory:', 'data.db'):\n    c = sqlite3.connect(where)\n"
        "    c.execute('create table t (n)'); c.execute('insert into t values (7)'); c.commit()\n"
        "    print(c.execute('select n from t').fetchall()); c.close()"
    )
    result = served.execute(path, code)
    assert (result["stdout"], [one["path"] for one in result["files"]]) == ("[(7,)]\n[(7,)]\n", ["data.db"])


def test_uploaded_tables_are_read_and_shown(served: Served) -> None:
    need_module("pandas")
    path = served.session()
    served.client.put(f"{path}/files/sales.csv", content=b"city,sum\nOslo,3\nBern,4\n")
    result = served.execute(path, "import pandas as pd; frame = pd.read_csv('sales.csv'); frame")
    data = result["results"][0]["data"]
    assert "Oslo" in data["text/plain"]
    assert "<table" in data["text/html"]


def test_a_picture_of_pillow_is_shown_when_it_is_the_last_value(served: Served, path: str) -> None:
    from base64 import b64decode

    from PIL import Image

    result = served.execute(path, "from PIL import Image; Image.new('RGB', (30, 20), 'red').resize((60, 40))")
    picture = Image.open(io.BytesIO(b64decode(result["results"][0]["data"]["image/png"])))
    assert picture.size == (60, 40)


# The kernel proxy's document


def test_a_backend_that_is_down_is_told_by_ready_and_not_by_health(serve: Callable[..., Served]) -> None:
    served = serve(backend="remote", server_url=f"http://127.0.0.1:{free_ports(1)[0]}", timeout_connect=0.5)
    ready = served.client.get("/ready")
    assert (ready.status_code, ready.headers["retry-after"]) == (503, "5")
    assert served.client.get("/health").json()["status"] == "ok"
    for where in ("/start_kernel", "/v1/sessions"):
        refused = served.client.post(where, json={})
        assert (refused.status_code, "retry-after" in refused.headers) == (503, True), refused.text
    assert "kernelet_backend_up 0.0" in served.client.get("/metrics").text


@pytest.fixture
def loggers() -> Iterator[None]:
    """Undo what a program does to its loggers."""
    changed = [logging.getLogger(name) for name in ("kernelet", "uvicorn")]
    before = [(logger.handlers[:], logger.level, logger.propagate) for logger in changed]
    yield
    for logger, (handlers, level, propagate) in zip(changed, before, strict=True):
        logger.handlers[:], logger.propagate = handlers, propagate
        logger.setLevel(level)


@pytest.mark.usefixtures("loggers")
def test_the_proxys_logger_writes_json_with_the_time_zone(capsys: pytest.CaptureFixture[str]) -> None:
    logger = StructuredLogger(level="INFO")
    logger.debug("too little")
    logger.info("kernel started", kernel_id="k")
    logger.warning("careful")
    logger.error("wrong")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(one["level"], one["message"]) for one in lines] == [
        ("INFO", "kernel started"), ("WARNING", "careful"), ("ERROR", "wrong"),
    ]  # fmt: skip
    assert lines[0]["kernel_id"] == "k"
    assert lines[0]["timestamp"][-6] in "+-"


def test_the_proxy_is_a_module_too_and_the_package_is_typed() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "kernelet.service.proxy", "--help"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0
    for flag in ("--server-url", "--port", "--token", "--log-level"):
        assert flag in done.stdout
    assert (Path(kernelet.__file__).parent / "py.typed").exists()


# Safety


@pytest.mark.parametrize("where", ["/mcp", "/v1/sessions", "/process/interpreter/execute", "/execute_code"])
def test_every_surface_checks_token_host_and_origin(served: Served, where: str) -> None:
    def status(**headers: str) -> int:
        return httpx.post(f"{served.url}{where}", json={}, headers=headers, trust_env=False).status_code

    shown = {"Authorization": f"Bearer {TOKEN}"}
    assert status() == 401
    assert status(**shown, Host="evil.example") == 400
    assert status(**shown, Origin="http://evil.example") == 403
    assert status(**shown) not in (400, 401, 403) or where == "/mcp"
