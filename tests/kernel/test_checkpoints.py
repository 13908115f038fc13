"""Checkpoints: a kernel goes back to an earlier state, in the same place for its clients and for who started it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from frontend import DEADLINE_S, Frontend, process_gone
from needs import need_linux
from sandbox import KERNEL_NAME

need_linux()
pytestmark = pytest.mark.skipif(not KERNEL_NAME.startswith("kernelet"), reason="only kernelet has checkpoints")

Start = Callable[..., Frontend]


def keep(kernel: Frontend, name: str = "default") -> None:
    reply = kernel.request("checkpoint_request", {"name": name}).content
    assert (reply["status"], reply["name"]) == ("ok", name), reply


def go_back(kernel: Frontend, name: str = "default") -> None:
    reply = kernel.request("restore_request", {"name": name}).content
    assert reply == {"status": "ok", "name": name}
    kernel.reconnected()


def members(group: int) -> set[int]:
    """Return the living processes of a process group."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # it ended meanwhile
                continue
            if int(fields[2]) == group and fields[0] != "Z":
                found.add(int(entry.name))
    return found


def test_a_restored_kernel_has_the_state_of_then_as_often_as_one_likes(fresh_kernel: Frontend) -> None:
    kernel, pid = fresh_kernel, fresh_kernel.pid
    kernel.execute("box = [1]\ndef look(): return box")
    keep(kernel)
    for _ in range(3):
        kernel.execute(
            "box.append(2)\nimport threading; threading.Thread(target=threading.Event().wait, name='mine').start()"
        )
        there = "'mine' in [t.name for t in threading.enumerate()]"
        assert kernel.execute(f"print(look(), {there})").stdout == "[1, 2] True\n"
        go_back(kernel)
        result = kernel.execute("print(look(), 'threading' in globals())")
        assert (result.stdout, result.content["execution_count"]) == ("[1] False\n", 2)
    assert kernel.pid == pid
    assert kernel.process.poll() is None
    assert len(members(pid)) == 3, "the stand-in, the kernel, and the copy to go back to"


def test_checkpoints_taken_later_are_gone_and_earlier_ones_stay(fresh_kernel: Frontend) -> None:
    kernel = fresh_kernel
    for number, name in enumerate(("one", "two", "three"), 1):
        kernel.execute(f"x = {number}")
        keep(kernel, name)
    go_back(kernel, "two")
    assert kernel.execute("print(x)").stdout == "2\n"
    reply = kernel.request("restore_request", {"name": "three"}).content
    assert reply["status"] == "error"
    assert reply["evalue"] == "there is no checkpoint 'three'; there are one, two"
    go_back(kernel, "one")
    assert kernel.execute("print(x)").stdout == "1\n"
    assert kernel.request("restore_request", {"name": "two"}).content["status"] == "error"


def test_magics_keep_and_restore(fresh_kernel: Frontend) -> None:
    kernel = fresh_kernel
    assert kernel.execute("y = 'kept'\n%checkpoint here\ny += ' and more'").ename is None
    result = kernel.execute("print('going')\n%restore here\nprint('still the old one')")
    assert result.stdout == "going\nstill the old one\n"
    kernel.reconnected()
    after = kernel.execute("print(y)")
    assert (after.stdout, after.content["execution_count"]) == ("kept\n", 2)
    unknown = kernel.execute("%restore nowhere")
    assert "there is no checkpoint 'nowhere'; there are here" in unknown.stderr + str(unknown.error)


def test_only_the_main_thread_goes_back(fresh_kernel: Frontend) -> None:
    keep(fresh_kernel)
    fresh_kernel.execute("later = 1")
    reply = fresh_kernel.request("restore_request", channel="control").content
    assert (reply["status"], reply["ename"]) == ("error", "BranchRefused")
    subshell = fresh_kernel.request("create_subshell_request", channel="control").content["subshell_id"]
    result = fresh_kernel.execute("%restore", subshell_id=subshell)
    assert "ask on the shell channel" in result.stderr + str(result.error)
    assert fresh_kernel.execute("print(later)").stdout == "1\n"


def test_a_thread_is_a_reason_to_keep_no_checkpoint(fresh_kernel: Frontend) -> None:
    fresh_kernel.execute("import threading; stop = threading.Event(); threading.Thread(target=stop.wait).start()")
    reply = fresh_kernel.request("checkpoint_request").content
    assert (reply["status"], reply["ename"]) == ("error", "BranchRefused")
    fresh_kernel.execute("stop.set()")


def restored(kernel: Frontend) -> Frontend:
    kernel.execute("z = 1")
    keep(kernel)
    go_back(kernel)
    return kernel


@pytest.mark.parametrize("code, status", [("os._exit(7)", 7), ("os.kill(os.getpid(), 9)", -9), ("os.abort()", -6)])
def test_who_started_the_kernel_learns_how_it_ended(fresh_kernel: Frontend, code: str, status: int) -> None:
    kernel = restored(fresh_kernel)
    kernel.send_execute(f"import os; {code}")
    assert kernel.exit_status() == status
    assert all(process_gone(pid) for pid in members(kernel.pid))


def test_a_restored_kernel_is_shut_down_and_leaves_nothing(fresh_kernel: Frontend) -> None:
    kernel = restored(fresh_kernel)
    kernel.shutdown()
    assert kernel.exit_status() == 0
    for pid in members(kernel.pid):
        assert process_gone(pid)


@pytest.mark.parametrize("by", ["signal", "message"])
def test_a_restored_kernel_is_interrupted(fresh_kernel: Frontend, by: str) -> None:
    kernel = restored(fresh_kernel)
    msg_id = kernel.send_execute("import subprocess\nprint('on', flush=True)\nsubprocess.run(['sleep', '600'])")
    kernel.see_text("on", msg_id)
    if by == "signal":
        kernel.interrupt()
    else:
        kernel.request("interrupt_request", channel="control")
    assert kernel.result(msg_id).ename == "KeyboardInterrupt"
    keep(kernel, "after")  # nothing that the interrupt could have left is in the way
    go_back(kernel, "after")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_kernel_ends_when_the_process_that_stands_for_it_is_ended(fresh_kernel: Frontend, number: int) -> None:
    kernel = restored(fresh_kernel)
    others = members(kernel.pid) - {kernel.pid}
    assert others
    kernel.process.send_signal(number)
    assert kernel.exit_status() == -number
    for pid in others:
        assert process_gone(pid)


def test_checkpoints_end_with_their_kernel(fresh_kernel: Frontend) -> None:
    kernel = fresh_kernel
    keep(kernel, "one")
    keep(kernel, "two")
    others = members(kernel.pid) - {kernel.pid}
    assert len(others) == 2
    os.kill(kernel.pid, signal.SIGKILL)
    assert kernel.exit_status() == -9
    for pid in others:
        assert process_gone(pid)


def test_the_stand_in_follows_the_kernel_from_copy_to_copy() -> None:
    """The second copy is ready before the first has ended, and has ended before it is asked about."""
    script = Path(__file__).parents[2] / "src/kernelet/kernel/stand_in.py"
    reader, writer = os.pipe()
    os.set_inheritable(reader, True)
    code = (
        "import os, sys\n"
        "first = os.fork()\n"
        "if not first: os.read(0, 1); os._exit(0)\n"
        "second = os.fork()\n"
        "if not second: os._exit(5)\n"
        f"os.write({writer}, b'%d\\n' % second)\n"
        f"os.set_inheritable({reader}, True)\n"
        f"os.execv(sys.executable, [sys.executable, '-I', '-S', {str(script)!r}, str(first), '{reader}'])\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, pass_fds=[reader, writer])
    os.close(reader)
    os.close(writer)
    process.communicate(b"x", timeout=DEADLINE_S)
    assert process.returncode == 5
