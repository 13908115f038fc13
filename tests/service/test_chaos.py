"""The chaos list: whatever the code does, a result in bounded time that tells the truth, and a next call that works."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Callable
from typing import Any

import httpx
import psutil
import pytest

from kernelet.service.execution import Options
from kernelet.service.result import ExecutionResult
from service_tools import TOKEN, Served, Sync

Run = Callable[..., ExecutionResult]

KILLED = ("exit", "timeout", True, True)
INTERRUPTED = ("interrupted", "timeout", True, False)


def flags(result: ExecutionResult) -> tuple[Any, ...]:
    return result.status, result.cause, result.timed_out, result.state_lost


@pytest.fixture(scope="module")
def sync(start_engine: Callable[..., Sync]) -> Sync:
    return start_engine(max_output_bytes=20_000_000)


def after(run: Run, state: str | None = None) -> None:
    """The next call works; `marker` is there, or is not."""
    assert run("6 * 7").results[0].data["text/plain"] == "42"
    if state is not None:
        assert run("'marker' in globals()").results[0].data["text/plain"] == state


@pytest.mark.parametrize(
    "code, said",
    [
        ("while True: pass", INTERRUPTED),
        ("import time\nwhile 1:\n try: time.sleep(5)\n except KeyboardInterrupt: pass", KILLED),
        ("import itertools; sum(itertools.repeat(0))", KILLED),
        ("import re; re.match('(a+)+$', 'a' * 40 + 'b')", INTERRUPTED),
        ("import ctypes; ctypes.CDLL(None).sleep(10**9)", INTERRUPTED),
        ("!sleep 1000", ("ok", "timeout", True, False)),
        ("import asyncio; await asyncio.sleep(1000)", INTERRUPTED),
    ],
)
def test_what_does_not_end_is_ended(run: Run, code: str, said: tuple[Any, ...]) -> None:
    run("marker = 1")
    begun = time.monotonic()
    result = run(code, timeout=0.5)
    assert time.monotonic() - begun < 0.5 + 1.5 + 10  # graces, and a loaded machine
    assert flags(result) == said
    after(run, str(not said[3]))


def test_a_stopped_process_is_killed(sync: Sync, run: Run) -> None:
    session = run.session  # type: ignore[attr-defined]
    os.kill(session.life.pid, signal.SIGSTOP)
    assert flags(run("1", timeout=0.5)) == KILLED
    after(run)


def test_a_process_that_stops_itself_is_killed(run: Run) -> None:
    assert flags(run("import os, signal; os.kill(os.getpid(), signal.SIGSTOP)", timeout=0.5)) == KILLED
    after(run)


@pytest.mark.parametrize(
    "code",
    [
        "while True: print('x' * 100)",
        "print('x' * 50_000_000)",
        "import os\nwhile True: os.write(1, b'y' * 4096)",
        "import subprocess; subprocess.run(['yes'])",
    ],
)
def test_too_much_output_is_ended_and_bounded(run: Run, code: str) -> None:
    run("marker = 1")
    before = psutil.Process().memory_info().rss
    result = run(code, timeout=60)
    assert result.cause == "output_limit"
    assert len(result.stdout) < 11_000
    assert result.truncated is not None
    assert psutil.Process().memory_info().rss - before < 150_000_000
    # A loaded machine may take longer than the graces to end it; then the result says what that cost.
    after(run, str(not result.state_lost))


def test_two_hundred_figures_do_not_fill_the_result(run: Run) -> None:
    code = (
        "import matplotlib.pyplot as plt\n"
        "for i in range(200): plt.figure(figsize=(1, 1), dpi=20).add_axes([0, 0, 1, 1]).axis('off'); plt.show()"
    )
    result = run(code)
    shown = [output for output in result.results if "image/png" in output.data]
    assert (result.status, len(result.results), len(shown)) == ("ok", 200, 20)
    assert result.truncated is not None
    after(run)


def test_a_client_that_stops_reading_blocks_nobody(serve: Callable[..., Served]) -> None:
    served = serve()
    path, url = served.session(), httpx.URL(served.url)
    body = json.dumps({"code": "for _ in range(4000): print('x' * 10_000)"})
    request = (
        f"POST {path}/execute HTTP/1.1\r\nHost: {url.host}:{url.port}\r\nAuthorization: Bearer {TOKEN}\r\n"
        f"Accept: text/event-stream\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    )
    with socket.create_connection((url.host, url.port or 0)) as client:
        client.sendall(request.encode())
        assert client.recv(12) == b"HTTP/1.1 200"
        # It waits for its turn behind 40 MB that nobody reads, while the connection is open.
        assert served.execute(path, "6 * 7")["results"][0]["data"]["text/plain"] == "42"
        history = served.client.get(f"{path}/history").json()
    assert "print" in json.dumps(history)


def test_a_closed_stdout_closes_nothing_else(run: Run) -> None:
    assert run("import os; os.close(1)").status == "ok"
    after(run)


def sleepers(*seconds: str) -> list[psutil.Process]:
    """Return the processes that sleep for these times, which nobody else does."""
    return [one for one in psutil.process_iter(["cmdline"]) if one.info["cmdline"] in [["sleep", n] for n in seconds]]


def test_a_daemon_dies_with_its_session(sync: Sync) -> None:
    session = sync.session()
    own, orphan = f"999.{os.getpid()}", f"998.{os.getpid()}"
    code = (
        f"import subprocess as s; s.Popen(['sleep', '{own}'], start_new_session=True)\n"
        f"s.run('setsid sleep {orphan} &', shell=True)"
    )
    assert sync(session.run(code)).status == "ok"
    deadline = time.monotonic() + 30
    while len(found := sleepers(own, orphan)) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(found) == 2
    sync(sync.engine.destroy(session.id))
    assert psutil.wait_procs(found, timeout=30)[1] == []


def test_children_die_with_a_killed_kernel(run: Run) -> None:
    seconds = f"997.{os.getpid()}"
    code = (
        f"import subprocess as s; p = s.Popen(['sleep', '{seconds}'], start_new_session=True)\n"
        "import itertools; sum(itertools.repeat(0))"
    )
    assert flags(run(code, timeout=0.5)) == KILLED
    assert psutil.wait_procs(sleepers(seconds), timeout=10)[1] == []
    after(run)


def test_a_fork_bomb_is_put_out(run: Run) -> None:
    code = (
        "import os, time\nfor _ in range(6):\n    if os.fork() == 0: os.setsid() if _ == 2 else None\ntime.sleep(999)"
    )
    session = run.session  # type: ignore[attr-defined]
    kernel = psutil.Process(session.life.pid)
    result = run(code, timeout=1.5)
    assert result.timed_out
    after(run)
    assert not kernel.is_running() or len(kernel.children(recursive=True)) <= 64


def test_kernels_that_die_again_and_again_are_not_started_for_ever(start_engine: Callable[..., Sync]) -> None:
    from kernelet.service.errors import Unavailable

    sync = start_engine(max_recoveries=1)
    session = sync.session()
    for _ in range(2):
        assert sync(session.run("import os; os._exit(1)")).cause == "crash"
    with pytest.raises(Unavailable, match="restart"):
        sync(session.run("1"))
    sync(session.restart())
    assert sync(session.run("1", Options())).status == "ok"
