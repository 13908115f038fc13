"""The end of a kernel: it answers, it leaves whatever it is doing, and it takes its children along."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from frontend import Frontend, RawClient, RawKernel, Sandbox, process_gone

Start = Callable[..., Frontend]

BUSY = {
    "idle": "",
    "busy loop": "while True: pass",
    "time.sleep": "import time; time.sleep(1000)",
    "await": "import asyncio\nawait asyncio.sleep(1000)",
    "input": "input()",
    "swallows interrupts": "while True:\n    try:\n        while True: pass\n    except BaseException:\n        pass",
    "lock": "import threading\nthreading.Event().wait()",
}


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("channel", ["control", "shell"])
def test_the_reply_echoes_restart_and_is_broadcast(fresh_kernel: Frontend, restart: bool, channel: str) -> None:
    fresh_kernel.ended = True
    msg_id = fresh_kernel.send("shutdown_request", {"restart": restart}, channel=channel)
    reply = fresh_kernel.reply(msg_id, channel)
    assert reply["msg_type"] == "shutdown_reply"
    assert reply["content"] == {"status": "ok", "restart": restart}
    broadcast = fresh_kernel.take("iopub", lambda m: m["msg_type"] == "shutdown_reply")
    assert broadcast["content"] == reply["content"]
    assert broadcast["parent_header"]["msg_id"] == msg_id
    assert fresh_kernel.exit_status() == 0


@pytest.mark.better_than_ipykernel("does not answer")
def test_shutdown_without_content_means_no_restart(fresh_kernel: Frontend) -> None:
    fresh_kernel.ended = True
    msg_id = fresh_kernel.send("shutdown_request", {}, channel="control")
    assert fresh_kernel.reply(msg_id, "control")["content"] == {"status": "ok", "restart": False}
    assert fresh_kernel.exit_status() == 0


STAYS = pytest.mark.better_than_ipykernel("answers, and stays until it is killed")
BUSY_CELLS = [
    pytest.param(code, id=name, marks=() if name in ("idle", "await") else STAYS) for name, code in BUSY.items()
]


@pytest.mark.parametrize("code", BUSY_CELLS)
def test_a_kernel_leaves_whatever_it_does(fresh_kernel: Frontend, code: str) -> None:
    if code:
        msg_id = fresh_kernel.send_execute(f"print('on', flush=True)\n{code}")
        fresh_kernel.see_text("on", msg_id)
    fresh_kernel.shutdown()
    assert fresh_kernel.exit_status() == 0


@pytest.mark.parametrize("daemon", [True, pytest.param(False, marks=STAYS)])
def test_threads_do_not_hold_the_kernel(fresh_kernel: Frontend, daemon: bool) -> None:
    code = f"import threading\nthreading.Thread(target=threading.Event().wait, daemon={daemon}).start()"
    assert fresh_kernel.execute(code).status == "ok"
    fresh_kernel.shutdown()
    assert fresh_kernel.exit_status() == 0


def test_queued_cells_do_not_hold_the_kernel(fresh_kernel: Frontend) -> None:
    msg_id = fresh_kernel.send_execute("print('on', flush=True)\nimport asyncio\nawait asyncio.sleep(1000)")
    for _ in range(5):
        fresh_kernel.send_execute("open('ran.txt', 'w')")
    fresh_kernel.see_text("on", msg_id)
    fresh_kernel.shutdown()
    assert fresh_kernel.exit_status() == 0
    assert not (fresh_kernel.sandbox.path / "ran.txt").exists()


@pytest.mark.parametrize(
    "code", ["", pytest.param("input()", marks=STAYS), "import asyncio\nawait asyncio.sleep(1000)"]
)
def test_atexit_handlers_run(fresh_kernel: Frontend, code: str) -> None:
    fresh_kernel.execute("import atexit\natexit.register(lambda: open('at_exit.txt', 'w').write('ran'))")
    if code:
        msg_id = fresh_kernel.send_execute(f"print('on', flush=True)\n{code}")
        fresh_kernel.see_text("on", msg_id)
    fresh_kernel.shutdown()
    assert fresh_kernel.exit_status() == 0
    assert (fresh_kernel.sandbox.path / "at_exit.txt").read_text() == "ran"


def test_an_atexit_handler_that_prints_or_fails_does_not_hold_the_kernel(fresh_kernel: Frontend) -> None:
    fresh_kernel.execute("import atexit\natexit.register(lambda: 1/0)\natexit.register(print, 'good bye')")
    fresh_kernel.shutdown()
    assert fresh_kernel.exit_status() == 0


@STAYS
def test_output_printed_before_the_shutdown_arrives(fresh_kernel: Frontend) -> None:
    msg_id = fresh_kernel.send_execute("print('x' * 1_000_000)")
    result = fresh_kernel.result(msg_id)
    assert len(result.stdout) == 1_000_001
    msg_id = fresh_kernel.send_execute("print('last words', end='')\ninput()")
    fresh_kernel.see(lambda m: m["msg_type"] == "input_request", "stdin")
    fresh_kernel.shutdown()
    fresh_kernel.see_text("last words", msg_id)
    fresh_kernel.exit_status()


@pytest.mark.parametrize(
    "code",
    [
        "import subprocess\nchild = subprocess.Popen(['sleep', '1000'])",
        (
            "from multiprocessing import get_context\nimport time\n"
            "child = get_context('fork').Process(target=time.sleep, args=(1000,))\nchild.start()"
        ),
    ],
    ids=["subprocess", "multiprocessing"],
)
def test_children_end_with_the_kernel(fresh_kernel: Frontend, code: str) -> None:
    pid = int(fresh_kernel.execute(f"{code}\nprint(child.pid)").stdout)
    fresh_kernel.shutdown()
    fresh_kernel.exit_status()
    assert process_gone(pid)


def test_grandchildren_end_with_the_kernel(fresh_kernel: Frontend) -> None:
    code = """
import subprocess
child = subprocess.Popen(["sh", "-c", "sleep 1000 & echo $!; wait"], stdout=subprocess.PIPE, text=True)
print(child.pid, child.stdout.readline())
"""
    pids = [int(pid) for pid in fresh_kernel.execute(code).stdout.split()]
    fresh_kernel.shutdown()
    fresh_kernel.exit_status()
    for pid in pids:
        assert process_gone(pid)


def test_a_child_that_ignores_sigterm_ends_too(fresh_kernel: Frontend) -> None:
    code = """
import subprocess
script = "trap '' TERM INT; echo $$; while :; do sleep 1; done"
child = subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, text=True)
print(child.stdout.readline())
"""
    pid = int(fresh_kernel.execute(code).stdout)
    fresh_kernel.shutdown()
    fresh_kernel.exit_status()
    assert process_gone(pid)


@STAYS
def test_a_child_of_a_running_cell_ends_too(fresh_kernel: Frontend) -> None:
    msg_id = fresh_kernel.send_execute("!echo $$; exec sleep 1000")
    text = fresh_kernel.see(lambda m: m["msg_type"] == "stream" and m["parent_header"]["msg_id"] == msg_id)
    fresh_kernel.shutdown()
    fresh_kernel.exit_status()
    assert process_gone(int(text["content"]["text"]))


def test_the_last_cell_is_in_the_history(start_kernel: Start) -> None:
    sandbox = Sandbox()
    try:
        first = start_kernel(sandbox=sandbox)
        first.execute("the_very_last_cell = 1")
        first.shutdown()
        assert first.exit_status() == 0
        second = start_kernel(sandbox=sandbox)
        content = {"hist_access_type": "search", "pattern": "the_very_last*", "output": False, "raw": True}
        history = second.request("history_request", content).content["history"]
        assert [entry[2] for entry in history] == ["the_very_last_cell = 1"]
        second.close()
    finally:
        sandbox.close()


def test_restart_gives_a_new_kernel_on_the_same_connection(start_kernel: Start) -> None:
    kernel = start_kernel()
    kernel.execute("remembered = 1")
    session, pid = kernel.session_id, kernel.pid
    kernel.restart()
    assert kernel.session_id != session
    assert kernel.pid != pid
    result = kernel.execute("'remembered' in globals()")
    assert result.result == {"text/plain": "False"}
    assert result.content["execution_count"] == 1


def test_a_new_kernel_publishes_its_status_after_a_kill(start_kernel: Start) -> None:
    kernel = start_kernel()
    kernel.signal(signal.SIGKILL)
    kernel.exit_status()
    kernel.restart()
    states = [m["content"]["execution_state"] for m in kernel.greetings if m["msg_type"] == "status"]
    assert states[0] == "starting"
    assert states.count("starting") == 1


def test_sigterm_ends_the_kernel(fresh_kernel: Frontend) -> None:
    fresh_kernel.execute("1")
    fresh_kernel.signal(signal.SIGTERM)
    fresh_kernel.exit_status()


# -- the end of the parent

LAUNCHER = """
import os, subprocess, sys, time
if os.environ.pop("TELL_PARENT") == "yes":
    os.environ["JPY_PARENT_PID"] = str(os.getpid())
kernel = subprocess.Popen([sys.executable, *sys.argv[1:]], start_new_session=True)
print(kernel.pid, flush=True)
time.sleep(1000)
"""


@contextmanager
def launched(tell_parent: str) -> Iterator[tuple[RawKernel, RawClient, int]]:
    """Start a kernel that is the child of a launcher, which is our child; yield launcher, client and kernel's pid."""
    with RawKernel(launcher=LAUNCHER, env={"TELL_PARENT": tell_parent}) as launcher:
        pid = int(launcher.eventually(lambda: launcher.stdout.strip() or None, "pid of the kernel"))
        try:
            yield launcher, launcher.client().ready(), pid
        finally:
            if not process_gone(pid, 0):
                os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("code", BUSY.values(), ids=BUSY.keys())
def test_a_kernel_ends_with_its_parent(code: str) -> None:
    with launched(tell_parent="yes") as (launcher, client, pid):
        request = client.execute(f"print('on', flush=True)\n{code}", allow_stdin=True)
        while client.recv("iopub")["msg_type"] != "stream":
            pass
        if not code:
            client.reply(request)
        launcher.process.kill()
        assert process_gone(pid)


@pytest.mark.better_than_ipykernel("its children live on")
def test_children_end_with_the_kernel_whose_parent_ended() -> None:
    with launched(tell_parent="yes") as (launcher, client, pid):
        request = client.execute("import subprocess\nprint(subprocess.Popen(['sleep', '1000']).pid)")
        client.reply(request)
        (text,) = [m["content"]["text"] for m in client.until_idle(request) if m["msg_type"] == "stream"]
        launcher.process.kill()
        assert process_gone(pid)
        assert process_gone(int(text))


def test_a_kernel_that_was_told_of_no_parent_outlives_it() -> None:
    with launched(tell_parent="no") as (launcher, client, pid):
        launcher.process.kill()
        launcher.process.wait()
        client.kernel = None  # the process that RawKernel knows is the launcher
        for _ in range(3):
            request = client.execute("1 + 1")
            assert client.reply(request)["content"]["status"] == "ok"
        assert not process_gone(pid, 0)


def test_a_parent_that_ended_while_the_kernel_began_is_noticed() -> None:
    with RawKernel(launcher=LAUNCHER.replace("time.sleep(1000)", ""), env={"TELL_PARENT": "yes"}) as launcher:
        assert launcher.exit_status() == 0
        pid = int(launcher.stdout)
        try:
            assert process_gone(pid)
        finally:
            if not process_gone(pid, 0):
                os.kill(pid, signal.SIGKILL)
