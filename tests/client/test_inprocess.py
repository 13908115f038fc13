"""A kernel and its client in this very process, through the names of `ipykernel.inprocess`; qtconsole with it."""

from __future__ import annotations

import asyncio
import builtins
import getpass
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import comm
import pytest
from jupyter_client.clientabc import KernelClientABC
from jupyter_client.managerabc import KernelManagerABC
from traitlets import Type

from kernelet.inprocess import BlockingInProcessKernelClient, InProcessChannel, InProcessKernelManager
from needs import need_module


@pytest.fixture(scope="module")
def manager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcessKernelManager]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IPYTHONDIR", str(tmp_path_factory.mktemp("ipython")))
        manager = InProcessKernelManager()
        before = dict(os.environ)
        manager.start_kernel()
        assert dict(os.environ) == before, "making a kernel changed the program's environment"
        yield manager
        manager.shutdown_kernel()


@pytest.fixture
def client(manager: InProcessKernelManager) -> Iterator[BlockingInProcessKernelClient]:
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=30)
    yield client
    assert not client.iopub_channel.msg_ready()
    assert not client.shell_channel.msg_ready()
    client.stop_channels()


def run(client: BlockingInProcessKernelClient, code: str, **fields: Any) -> tuple[dict[str, Any], list[Any]]:
    """Run a cell; return the reply's content, and types with what is told of each message between busy and idle."""
    msg_id = client.execute(dedent(code), **fields)
    reply = client.get_shell_msg(block=False)
    assert reply["parent_header"]["msg_id"] == msg_id
    told = client.iopub_channel.get_msgs()
    assert {one["parent_header"]["msg_id"] for one in told} == {msg_id}
    states = [told[0]["content"].get("execution_state"), told[-1]["content"].get("execution_state")]
    assert states == ["busy", "idle"]
    return reply["content"], [
        (one["msg_type"], one["content"]) for one in told[1:-1] if one["msg_type"] != "execute_input"
    ]


def value(client: BlockingInProcessKernelClient, code: str) -> str:
    content, told = run(client, code)
    assert content["status"] == "ok", content
    return str(next(one["data"]["text/plain"] for kind, one in told if kind == "execute_result"))


def test_they_are_a_kernel_manager_and_a_client(manager: InProcessKernelManager) -> None:
    assert isinstance(manager, KernelManagerABC)
    assert isinstance(manager.client(), KernelClientABC)
    assert (manager.has_kernel, manager.is_alive()) == (True, True)


def test_cell_has_run_when_execute_returns(client: BlockingInProcessKernelClient) -> None:
    content, told = run(
        client, "import sys\nprint('out')\nprint('err', file=sys.stderr)\nprint('no end', end='')\n6 * 7"
    )
    assert (content["status"], content["payload"]) == ("ok", [])
    assert told == [
        ("stream", {"name": "stdout", "text": "out\n"}),
        ("stream", {"name": "stderr", "text": "err\n"}),
        ("stream", {"name": "stdout", "text": "no end"}),
        (
            "execute_result",
            {"data": {"text/plain": "42"}, "metadata": {}, "execution_count": content["execution_count"]},
        ),
    ]


def test_cells_run_in_the_thread_of_the_client(client: BlockingInProcessKernelClient) -> None:
    client.kernel.shell.push({"thread": threading.get_ident()})
    assert value(client, "import threading\nthreading.get_ident() == thread") == "True"


def test_error_aborts_nothing(client: BlockingInProcessKernelClient) -> None:
    content, told = run(client, "1 / 0")
    assert (content["ename"], told[0][1]["ename"]) == ("ZeroDivisionError", "ZeroDivisionError")
    assert value(client, "'next'") == "'next'"


def process() -> list[Any]:
    return [
        sys.stdout,
        sys.stderr,
        sys.displayhook,
        sys.breakpointhook,
        sys.modules["__main__"],
        builtins.input,
        getpass.getpass,
        hasattr(builtins, "get_ipython"),
        threading.Thread.start,
        threading.excepthook,
        comm.create_comm,
        signal.getsignal(signal.SIGINT),
        signal.getsignal(signal.SIGURG),
        signal.set_wakeup_fd(-1),
        dict(os.environ),
    ]


def test_process_is_the_programs_between_cells(client: BlockingInProcessKernelClient) -> None:
    before = process()
    assert (
        value(client, "type(sys.stdout).__name__, type(get_ipython()).__name__")
        == "('OutStream', 'ZMQInteractiveShell')"
    )
    assert value(client, "__import__('os').environ['FORCE_COLOR']") == "'1'"
    run(client, "import asyncio\nawait asyncio.sleep(0.001)\ninput()", allow_stdin=False)
    assert process() == before


def test_cells_may_await_and_run_loops(client: BlockingInProcessKernelClient) -> None:
    assert value(client, "import asyncio\nawait asyncio.sleep(0.001, 'awaited')") == "'awaited'"
    assert value(client, "asyncio.run(asyncio.sleep(0.001, 'run'))") == "'run'"


def test_cells_may_await_while_the_program_runs_a_loop(client: BlockingInProcessKernelClient) -> None:
    async def program() -> str:
        loop = asyncio.get_running_loop()
        result = value(client, "await asyncio.sleep(0.001, 'inside')")
        assert asyncio.get_running_loop() is loop
        return await asyncio.sleep(0.001, result)

    assert asyncio.run(program()) == "'inside'"


def test_questions_are_answered(client: BlockingInProcessKernelClient) -> None:
    run(client, "unmistakable = 1")
    asked: dict[str, Callable[[], str]] = {
        "complete_reply": lambda: client.complete("unmist"),
        "inspect_reply": lambda: client.inspect("unmistakable"),
        "is_complete_reply": lambda: client.is_complete("for x in y:"),
        "history_reply": lambda: client.history(hist_access_type="tail", n=1),
        "comm_info_reply": lambda: client.comm_info(),
        "kernel_info_reply": lambda: client.kernel_info(),
    }
    answers = {}
    for kind, ask in asked.items():
        msg_id = ask()
        answer = client.get_shell_msg(block=False)
        assert (answer["msg_type"], answer["parent_header"]["msg_id"]) == (kind, msg_id)
        answers[kind] = answer["content"]
    client.iopub_channel.get_msgs()
    assert answers["complete_reply"]["matches"] == ["unmistakable"]
    assert answers["inspect_reply"]["found"]
    assert answers["is_complete_reply"] == {"status": "incomplete", "indent": "    "}
    assert answers["history_reply"]["history"][-1][-1] == "unmistakable = 1"


def test_comm_of_a_cell_hears_the_client(client: BlockingInProcessKernelClient) -> None:
    _, told = run(
        client,
        "from comm import create_comm\none = create_comm('target')\none.on_msg(lambda m: print(m['content']['data']))",
    )
    ((kind, content),) = told
    assert (kind, content["target_name"]) == ("comm_open", "target")
    client.shell_channel.send(client.session.msg("comm_msg", {"comm_id": content["comm_id"], "data": {"x": 1}}))
    texts = [one["content"]["text"] for one in client.iopub_channel.get_msgs() if one["msg_type"] == "stream"]
    assert texts == ["{'x': 1}\n"]


def test_interrupt_ends_a_cell(client: BlockingInProcessKernelClient) -> None:
    run(client, "import os, signal, threading, time")
    after = "threading.Timer(0.05, lambda: os.kill(os.getpid(), signal.SIGINT)).start()\n"
    for code in ("while True: time.sleep(0.01)", "import asyncio\nawait asyncio.sleep(600)"):
        content, _ = run(client, after + code)
        assert content["ename"] == "KeyboardInterrupt"


def test_manager_interrupts_from_another_thread(
    manager: InProcessKernelManager, client: BlockingInProcessKernelClient
) -> None:
    timer = threading.Timer(0.2, manager.interrupt_kernel)
    timer.start()
    content, _ = run(client, "import time\nwhile True: time.sleep(0.01)")
    timer.join()
    assert content["ename"] == "KeyboardInterrupt"


class Answering(InProcessChannel):
    """A stdin channel that a GUI would have: it hears the question, and answers it as events are processed."""

    prompts: list[str] = []

    def call_handlers(self, msg: dict[str, Any]) -> None:
        self.prompts.append(msg["content"]["prompt"])

    def process_events(self) -> None:
        self.client.input(f"answer to {self.prompts[-1]}")


class AnsweringClient(BlockingInProcessKernelClient):
    stdin_channel_class = Type(Answering)


def test_cell_asks_through_the_clients_channel(manager: InProcessKernelManager) -> None:
    client = AnsweringClient(kernel=manager.kernel)
    client.start_channels()
    _, told = run(client, "print(input('a question'))", allow_stdin=True)
    assert told == [("stream", {"name": "stdout", "text": "answer to a question\n"})]
    content, _ = run(client, "input()", allow_stdin=False)
    assert content["ename"] == "StdinNotImplementedError"
    client.stop_channels()


def test_two_clients_hear_the_same(manager: InProcessKernelManager, client: BlockingInProcessKernelClient) -> None:
    other = manager.client()
    other.start_channels()
    run(client, "print('for all')")
    assert "for all\n" in [one["content"].get("text") for one in other.iopub_channel.get_msgs()]
    with pytest.raises(queue.Empty):
        other.get_shell_msg(block=False)
    other.stop_channels()


def test_restart_forgets_and_clients_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    manager = InProcessKernelManager()
    names = {"given": "by the program"}
    manager.start_kernel(user_ns=names)
    client = manager.client()
    client.start_channels()
    assert value(client, "given") == "'by the program'"
    run(client, "made = 1")
    assert names["made"] == 1
    manager.restart_kernel()
    assert run(client, "made")[0]["ename"] == "NameError"
    manager.shutdown_kernel()
    assert names["made"] == 1
    assert not manager.is_alive()
    with pytest.raises(RuntimeError, match="No kernel exists"):
        client.kernel_info() if client.kernel is None else manager.client().kernel_info()


QTCONSOLE = """
    import sys
    import kernelet.inprocess, kernelet.inprocess.channels
    sys.modules["ipykernel.inprocess"] = kernelet.inprocess
    sys.modules["ipykernel.inprocess.channels"] = kernelet.inprocess.channels
    from qtpy import QtCore, QtWidgets
    from qtconsole.inprocess import QtInProcessKernelManager
    from qtconsole.rich_jupyter_widget import RichJupyterWidget
    app = QtWidgets.QApplication([])
    manager = QtInProcessKernelManager()
    manager.start_kernel(show_banner=False)
    manager.kernel.gui = "qt"
    client = manager.client()
    client.start_channels()
    widget = RichJupyterWidget()
    widget.kernel_manager, widget.kernel_client = manager, client
    manager.kernel.shell.push({"app": app, "window": widget})
    widget.show()
    def wait(text):
        for _ in range(3000):
            app.processEvents(QtCore.QEventLoop.ProcessEventsFlag.AllEvents, 10)
            if text in widget._control.toPlainText():
                return
        raise SystemExit(f"no {text!r} in {widget._control.toPlainText()!r}")
    wait("In [")
    widget.execute("print('printed', window.isVisible()); 6 * 7")
    wait("printed True"), wait("42")
    widget.execute("1 / 0")
    wait("ZeroDivisionError: division by zero")
    widget.execute("import asyncio; print('awaited', await asyncio.sleep(0.01, 5))")
    wait("awaited 5")
    client.stop_channels()
    manager.shutdown_kernel()
    print("all seen")
    """


def test_qtconsole_shows_an_in_process_kernel(tmp_path: Path) -> None:
    for name in ("PyQt6", "qtpy", "qtconsole"):
        need_module(name)
    env = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "QT_API": "pyqt6", "IPYTHONDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", dedent(QTCONSOLE)], env=env, capture_output=True, text=True, timeout=100, cwd=tmp_path
    )
    assert done.stdout.endswith("all seen\n"), (done.stdout, done.stderr)
