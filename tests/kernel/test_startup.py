"""Start-up: nothing is loaded that a first cell does not need, and kernel_info does not wait."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from frontend import KERNEL_NAME, Frontend, RawKernel, Sandbox
from rawkernel import RawClient

HEAVY = (
    "jupyter_client", "tornado", "psutil", "debugpy", "matplotlib", "jedi", "parso", "fastapi", "pydantic", "numpy",
    "ipykernel.kernelapp", "ipykernel.kernelbase", "ipywidgets",
)  # fmt: skip
LOADED = f"import sys\n[name for name in {HEAVY!r} if name in sys.modules]"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A home made before its kernel starts."""
    sandbox = Sandbox()
    yield sandbox
    sandbox.close()


@pytest.mark.better_than_ipykernel("it loads most of them")
def test_nothing_heavy_is_loaded_for_the_first_cell(fresh_kernel: Frontend) -> None:
    assert fresh_kernel.execute(LOADED).result == {"text/plain": "[]"}


@pytest.mark.better_than_ipykernel("it loads most of them")
def test_nothing_heavy_is_loaded_for_output_errors_and_history(fresh_kernel: Frontend) -> None:
    for code in ("print('x')", "1 / 0", "'value'", "display(1)", "!true", "import asyncio\nawait asyncio.sleep(0)"):
        fresh_kernel.execute(code)
    fresh_kernel.request("history_request", {"hist_access_type": "tail", "n": 3, "output": False, "raw": True})
    fresh_kernel.request("is_complete_request", {"code": "1"})
    fresh_kernel.request("usage_request", channel="control")
    assert fresh_kernel.execute(LOADED).result == {"text/plain": "[]"}


@pytest.mark.better_than_ipykernel("it warns of missing encryption at every start")
def test_kernel_starts_and_ends_without_a_word(fresh_kernel: Frontend) -> None:
    fresh_kernel.execute("1")
    fresh_kernel.shutdown()
    fresh_kernel.exit_status()
    assert fresh_kernel.log == ""


def test_kernel_info_is_answered_at_once_after_the_start() -> None:
    with RawKernel() as raw:
        client = raw.client()
        request = client.send("kernel_info_request")
        assert client.reply(request)["content"]["status"] == "ok"


HOLD_IPYTHON = """
import os, sys

class Hold:
    def find_spec(self, name, path=None, target=None):
        if name == "IPython":
            sys.meta_path.remove(self)
            os.read(os.open("gate", os.O_RDONLY), 1)

sys.meta_path.insert(0, Hold())
"""


LOOPS = "import asyncio\nloop = asyncio.get_running_loop()\n"
TASK = "import asyncio\ntask = asyncio.create_task(asyncio.sleep(0, 'done'))\n"
EARLY = {
    "asyncio is not there": ("import sys\nshown = 'asyncio' in sys.modules", "False"),
    "a task": (TASK + "shown = task.done()", "False"),
    "the running loop": (LOOPS + "shown = loop is asyncio.get_event_loop(), loop.is_running()", "(True, False)"),
    "await": ("import asyncio\nshown = await asyncio.sleep(0, 'awaited')", "'awaited'"),
    "await without an import": ("async def f(): return 'awaited'\nshown = await f()", "'awaited'"),
    "await of a task": (TASK + "shown = await task", "'done'"),
    "asyncio.run": ("import asyncio\nshown = asyncio.run(asyncio.sleep(0, 'ran'))", "'ran'"),
    "asyncio.run, then a task": (
        f"import asyncio\nasyncio.run(asyncio.sleep(0))\n{TASK}shown = task.done()",
        "False",
    ),
    "a module that makes a task": ("import starts_a_task\nshown = starts_a_task.task.done()", "False"),
    "its loader": ("import asyncio\nshown = type(asyncio.__spec__.loader).__name__", "'SourceFileLoader'"),
}


@contextmanager
def before_ipython(sandbox: Sandbox) -> Iterator[tuple[RawClient, Callable[[], object]]]:
    """Have a client of a kernel that does not load IPython before it is told to go on."""
    (sandbox.path / "sitecustomize.py").write_text(HOLD_IPYTHON)
    os.mkfifo(sandbox.path / "gate")
    gate = os.open(sandbox.path / "gate", os.O_RDWR)
    path = os.pathsep.join([str(sandbox.path), *filter(None, [os.environ.get("PYTHONPATH")])])
    try:
        with RawKernel(env={"PYTHONPATH": path}, sandbox=sandbox) as raw:
            yield raw.client(), lambda: os.write(gate, b"x")
    finally:
        os.close(gate)


@pytest.mark.better_than_ipykernel("it imports asyncio first, and asyncio.run() fails in a cell")
@pytest.mark.parametrize("code, shown", EARLY.values(), ids=EARLY)
def test_a_first_cell_that_comes_early_finds_its_loop(sandbox: Sandbox, code: str, shown: str) -> None:
    """asyncio is imported when there is nothing to do, or when a cell asks for it; this cell waited for the kernel."""
    module = "from asyncio import create_task, sleep\ntask = create_task(sleep(0))"
    (sandbox.path / "starts_a_task.py").write_text(module)
    with before_ipython(sandbox) as (client, go_on):
        first, second = client.execute(code), client.execute("1", user_expressions={"shown": "shown"})
        client.reply(client.send("kernel_info_request"))  # so the cells have come as well
        go_on()
        assert client.reply(first)["content"]["status"] == "ok"
        assert client.reply(second)["content"]["user_expressions"]["shown"]["data"]["text/plain"] == shown


def test_a_first_cell_for_a_subshell_runs_there(sandbox: Sandbox) -> None:
    """It ran in main: what has waited for the language went there, whomever it was addressed to."""
    with before_ipython(sandbox) as (client, go_on):
        made = client.reply(client.send("create_subshell_request", channel="control"), channel="control")
        subshell_id = made["content"]["subshell_id"]
        cell = {"code": "", "user_expressions": {"where": "__import__('threading').current_thread().name"}}
        beside, main, nowhere = (
            client.send("execute_request", cell, subshell_id=where)["msg_id"] for where in (subshell_id, None, "none")
        )
        client.reply(client.send("kernel_info_request"))  # so the cells have come as well
        go_on()
        replies = {reply["parent_header"]["msg_id"]: reply["content"] for reply in (client.recv() for _ in "123")}
    shown = [replies[one]["user_expressions"]["where"]["data"]["text/plain"] for one in (beside, main)]
    assert shown == [f"'kernelet-subshell-{subshell_id}'", "'MainThread'"]
    assert replies[nowhere]["ename"] == "UnknownSubshellError"


IDLE = {
    "a task": f"{TASK}shown = task.done()",
    "await": "async def f(): return 'awaited'\nshown = await f()",
    "a thread imports it": "import threading\nshared = threading.Thread(target=__import__, args=['asyncio'])\n"
    "shared.start(); shared.join()",
}


@pytest.mark.better_than_ipykernel("it imports asyncio first")
@pytest.mark.parametrize("code", IDLE.values(), ids=IDLE)
def test_asyncio_is_not_loaded_before_code_asks_for_it_and_then_its_tasks_run(
    fresh_kernel: Frontend, code: str
) -> None:
    loaded = {"text/plain": str(KERNEL_NAME == "kernelet-instant")}  # a zygote has it for all its kernels
    for _ in range(2):  # the second waits for a kernel that has been idle
        assert fresh_kernel.execute("import sys\n'asyncio' in sys.modules").result == loaded
    assert fresh_kernel.execute(code).content["status"] == "ok"
    fresh_kernel.execute("import asyncio\nended = asyncio.get_running_loop().create_task(asyncio.sleep(0, 'ended'))")
    assert fresh_kernel.execute("await ended").result == {"text/plain": "'ended'"}


@pytest.mark.better_than_ipykernel("it imports IPython first")
def test_kernel_info_does_not_wait_for_ipython(sandbox: Sandbox) -> None:
    """The import of IPython is held up until kernel_info was answered."""
    with before_ipython(sandbox) as (client, go_on):
        assert client.reply(client.send("kernel_info_request"))["content"]["language_info"]["name"] == "python"
        go_on()
        assert client.reply(client.execute("'IPython' in __import__('sys').modules"))["content"]["status"] == "ok"
