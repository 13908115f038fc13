"""A branch: a second live kernel with the same variables, made by a fork in a moment; the first goes on untouched."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from jupyter_client.blocking.client import BlockingKernelClient

from frontend import DEADLINE_S, Frontend, Json, process_gone
from needs import need_linux, need_module
from sandbox import KERNEL_NAME

need_linux()
pytestmark = pytest.mark.skipif(not KERNEL_NAME.startswith("kernelet"), reason="only kernelet has branches")

Start = Callable[..., Frontend]


class Branch:
    """A client of a branched kernel."""

    def __init__(self, about: Json) -> None:
        self.pid: int = about["pid"]
        self.client = BlockingKernelClient()
        self.client.load_connection_file(about["connection_file"])
        self.client.start_channels()
        self.client.wait_for_ready(timeout=DEADLINE_S)

    def run(self, code: str) -> tuple[str, Json]:
        """Return what a cell printed or showed as text, and its reply."""
        said: list[str] = []

        def hear(message: Json) -> None:
            content = message["content"]
            said.append(content.get("text", "") or content.get("data", {}).get("text/plain", ""))
            kinds.extend(content.get("data", {}))

        kinds: list[str] = []
        reply = self.client.execute_interactive(code, timeout=DEADLINE_S, output_hook=hear)
        return "".join(said), {**reply["content"], "mimetypes": kinds}

    def close(self) -> None:
        self.client.shutdown()
        self.client.stop_channels()
        assert process_gone(self.pid)


@contextmanager
def branched(kernel: Frontend) -> Iterator[Branch]:
    reply = kernel.request("branch_request").content
    assert reply["status"] == "ok", reply
    branch = Branch(reply)
    try:
        yield branch
    finally:
        branch.close()


def test_a_branch_has_the_variables_and_neither_kernel_sees_what_the_other_changes(kernel: Frontend) -> None:
    kernel.execute("%reset -f")
    kernel.execute("box = [1]\nshared = box\ndef look(): return box\nhandle = object()")
    kernel.execute("40 + 2")
    with branched(kernel) as branch:
        assert branch.run("box.append(2); print(box, look() is box, shared is box, _)")[0] == "[1, 2] True True 42\n"
        assert kernel.execute("print(box, look() is box)").stdout == "[1] True\n"
        kernel.execute("box = 'other'")
        assert branch.run("print(look())")[0] == "[1, 2]\n"


def test_a_branch_goes_on_counting_and_remembers_inputs_and_results(fresh_kernel: Frontend) -> None:
    fresh_kernel.execute("a = 5")
    fresh_kernel.execute("a * 2")
    with branched(fresh_kernel) as branch:
        text, reply = branch.run("print(In[1], Out[2], _, _i1, _2)")
        assert (text, reply["execution_count"]) == ("a = 5 10 10 a = 5 10\n", 3)
    assert fresh_kernel.execute("print(len(In))").content["execution_count"] == 3


def test_what_a_branch_says_is_heard_by_its_own_clients_only(kernel: Frontend) -> None:
    kernel.execute(
        "import logging, os, sys, comm\nlogger = logging.getLogger('kept')\n"
        "logger.addHandler(logging.StreamHandler(sys.stdout))\nkept = comm.create_comm(target_name='none', data={})"
    )
    with branched(kernel) as branch:
        code = "print('said'); logger.error('logged'); os.system('echo echoed'); kept.send({'lost': 1})"
        text = branch.run(code + "\nos.write(2, b'written')")[0]
        for word in ("said", "logged", "echoed", "written"):
            assert word in text
    assert kernel.execute("print('alone')").stdout == "alone\n"  # and the fixture fails on anything else


def test_a_branch_outlives_its_origin_which_restarts_on_its_ports(fresh_kernel: Frontend) -> None:
    fresh_kernel.execute("x = 'kept'")
    with branched(fresh_kernel) as branch:
        fresh_kernel.restart()
        assert fresh_kernel.execute("x").ename == "NameError"
        assert branch.run("print(x)")[0] == "kept\n"


def test_a_branch_branches_and_is_interrupted_as_any_kernel(kernel: Frontend) -> None:
    kernel.execute("deep = 1")
    with branched(kernel) as branch:
        branch.run("deep += 1")
        about = branch.run("made = %branch\nimport json; print(json.dumps(made))")[0]
        import json

        twig = Branch(json.loads(about))
        try:
            assert twig.run("print(deep)")[0] == "2\n"
            msg_id = twig.client.execute("import time\nprint('asleep', flush=True)\ntime.sleep(600)")
            while True:
                message = twig.client.get_iopub_msg(timeout=DEADLINE_S)
                if message["msg_type"] == "stream":
                    break
            control = twig.client.session.msg("interrupt_request")
            twig.client.control_channel.send(control)
            while True:
                reply = twig.client.get_shell_msg(timeout=DEADLINE_S)
                if reply["parent_header"]["msg_id"] == msg_id:
                    break
            assert reply["content"]["ename"] == "KeyboardInterrupt"
        finally:
            twig.close()


def test_both_kernels_save_their_history(start_kernel: Start) -> None:
    kernel = start_kernel()
    kernel.execute("'before'")
    with branched(kernel) as branch:
        branch.run("'in the branch'")
        kernel.execute("'in the origin'")
    kernel.shutdown()
    kernel.exit_status()
    later = start_kernel(sandbox=kernel.sandbox)
    content = later.request("history_request", {"hist_access_type": "tail", "n": 10, "raw": True, "output": False})
    inputs = [row[2] for row in content.content["history"]]
    assert {"'before'", "'in the branch'", "'in the origin'"} <= set(inputs)


def test_plots_are_shown_in_a_branch(fresh_kernel: Frontend) -> None:
    need_module("matplotlib")
    fresh_kernel.execute("import matplotlib.pyplot as plt\nplt.plot([1, 2]);")
    with branched(fresh_kernel) as branch:
        assert "image/png" in branch.run("plt.plot([3, 1]);")[1]["mimetypes"]


BEFORE = "import asyncio, socket, threading\nstop = threading.Event()\n"
REFUSED = {
    "thread": ("t = threading.Thread(target=stop.wait, name='mine'); t.start()", "stop.set(); t.join()", "'mine'"),
    "task": ("t = asyncio.create_task(asyncio.sleep(600), name='later')", "t.cancel()", "'later'"),
    "listener": ("s = socket.create_server(('127.0.0.1', 0))", "s.close()", "network connection"),
    "connection": (
        "s = socket.create_server(('127.0.0.1', 0)); c = socket.create_connection(s.getsockname()); s.close()",
        "c.close()",
        "network connection",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_not_survive_is_a_reason_to_refuse(kernel: Frontend, name: str) -> None:
    begin, end, reason = REFUSED[name]
    kernel.execute(BEFORE + begin)
    reply = kernel.request("branch_request").content
    assert (reply["status"], reply["ename"]) == ("error", "BranchRefused")
    assert reason in reply["evalue"]
    result = kernel.execute("%branch")
    assert result.ename is None or result.ename == "UsageError"
    assert reason in result.stderr + str(result.error)
    kernel.execute(end)
    with branched(kernel):
        pass


def test_it_is_advertised(kernel: Frontend) -> None:
    assert {"kernel branches", "kernel checkpoints"} <= set(kernel.kernel_info["supported_features"])


def test_a_subshell_is_a_reason_to_refuse(kernel: Frontend) -> None:
    subshell = kernel.request("create_subshell_request", channel="control").content["subshell_id"]
    try:
        reply = kernel.request("branch_request").content
        assert "there are subshells" in reply["evalue"]
    finally:
        kernel.request("delete_subshell_request", {"subshell_id": subshell}, channel="control")


def test_the_control_channel_is_told_to_use_the_shell_channel(kernel: Frontend) -> None:
    content: Any = kernel.request("branch_request", channel="control").content
    assert "shell channel" in content["evalue"]
