"""Rows of the papers that no other file holds: small things of ipykernel's that somebody relies on."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from cells import value
from frontend import DEADLINE_S, Frontend, Json


def test_sections_of_an_inspection_can_be_left_out(kernel: Frontend) -> None:
    """JEP-less extension of ipykernel's inspect_request: the front end names what it does not show."""
    kernel.execute("def documented():\n    'What it does.'")
    content = {"code": "documented", "cursor_pos": 10, "detail_level": 0}
    whole = kernel.request("inspect_request", content).content["data"]["text/plain"]
    part = kernel.request("inspect_request", {**content, "omit_sections": ["docstring"]}).content["data"]["text/plain"]
    assert "What it does." in whole
    assert "What it does." not in part
    assert "Signature" in part


def test_getpass_takes_what_pythons_takes(kernel: Frontend) -> None:
    """`stream`, and Python 3.14's `echo_char`: the front end hides what is typed by its own means."""
    code = "import getpass, sys\ngetpass.getpass('Word: ', sys.stderr), getpass.getpass('Again: ', echo_char='*')"
    result = kernel.execute(code, answers=["one", "two"])
    assert result.result == {"text/plain": "('one', 'two')"}


def test_history_of_an_earlier_session_is_counted_backwards(kernel: Frontend) -> None:
    line = kernel.execute("'in the first session'").content["execution_count"]
    kernel.restart()
    kernel.execute("'in the second session'")
    content = {
        "hist_access_type": "range",
        "session": -1,
        "start": line,
        "stop": line + 1,
        "raw": True,
        "output": False,
    }
    rows = kernel.request("history_request", content).content["history"]
    assert [row[2] for row in rows] == ["'in the first session'"]
    content = {**content, "session": 0, "start": 1, "stop": 2}
    assert kernel.request("history_request", content).content["history"][0][2] == "'in the second session'"


def test_log_handler_of_an_earlier_cell_writes_to_the_cell_that_logs(kernel: Frontend) -> None:
    """Also one that keeps the stream it was made with, and one that hands records to a thread."""
    kernel.execute(
        "import logging, logging.handlers, queue, sys\n"
        "logger = logging.getLogger('of the test'); logger.setLevel('INFO'); logger.propagate = False\n"
        "logger.addHandler(logging.StreamHandler(sys.stdout))"
    )
    assert kernel.execute("logger.info('told')").stdout == "told\n"
    kernel.execute(
        "records = queue.Queue()\nlogger.handlers = [logging.handlers.QueueHandler(records)]\n"
        "listener = logging.handlers.QueueListener(records, logging.StreamHandler(sys.stderr)); listener.start()"
    )
    result = kernel.execute("logger.info('through a thread')\nlistener.stop()")
    assert result.stderr == "through a thread\n"


@pytest.mark.better_than_ipykernel("usage_reply has no status")
def test_control_requests_are_answered_in_their_order_while_a_cell_runs(kernel: Frontend) -> None:
    cell = kernel.send_execute("import threading\nprint('on', flush=True)\ngate = threading.Event(); gate.wait(60)")
    kernel.see_text("on", cell)
    kinds = ["kernel_info_request", "usage_request", "create_subshell_request", "list_subshell_request"] * 3
    asked = [kernel.send(kind, channel="control") for kind in kinds]
    answers = [kernel.result(msg_id, "control").content for msg_id in asked]
    assert all(one["status"] == "ok" for one in answers)
    replies = [m["parent_header"]["msg_id"] for channel, m in kernel.arrived if channel == "control"]
    assert [one for one in replies if one in asked] == asked
    subshells = answers[-1]["subshell_id"]
    assert len(subshells) == 3
    kernel.execute("gate.set()", subshell_id=subshells[0])
    assert kernel.result(cell).status == "ok"
    for one in subshells:
        kernel.request("delete_subshell_request", {"subshell_id": one}, "control")


@pytest.mark.parametrize(
    ("msg_type", "content"),
    [
        ("complete_request", {"code": "prin", "cursor_pos": 4}),
        ("inspect_request", {"code": "print", "cursor_pos": 5, "detail_level": 0}),
        ("is_complete_request", {"code": "1"}),
        ("history_request", {"hist_access_type": "tail", "n": 1, "raw": True, "output": False}),
    ],
)
def test_requests_of_the_shell_channel_are_answered_on_control(kernel: Frontend, msg_type: str, content: Json) -> None:
    assert kernel.request(msg_type, content, "control").content["status"] in ("ok", "complete")


def test_connect_helpers_tell_of_this_kernel(kernel: Frontend) -> None:
    code = """
    import json
    from ipykernel.connect import get_connection_file, get_connection_info, write_connection_file
    info = get_connection_info(unpack=True)
    own = json.load(open(get_connection_file()))
    path, made = write_connection_file("made.json", ip="127.0.0.1")
    info["shell_port"] == own["shell_port"], info["key"] == own["key"].encode(), sorted(made) == sorted(
        json.load(open(path)))
    """
    assert value(kernel, code) == "(True, True, True)"


def test_hooks_around_requests_may_be_taken_away(kernel: Frontend) -> None:
    """Drivers of instruments and of GPUs null them."""
    kernel.execute("kernel = get_ipython().kernel\nkernel.pre_handler_hook = kernel.post_handler_hook = lambda: None")
    assert value(kernel, "'goes on'") == "'goes on'"


def test_shell_stream_can_be_flushed(kernel: Frontend) -> None:
    """dash and jupyter_ui_poll do it after each reply that they send."""
    assert kernel.execute("import zmq\nget_ipython().kernel.shell_stream.flush(zmq.POLLOUT);").status == "ok"


def test_payload_of_a_wish_to_exit_is_made_by_the_exiter(fresh_kernel: Frontend) -> None:
    result = fresh_kernel.execute("get_ipython().exiter(keep_kernel=True)")
    assert result.content["payload"] == [{"source": "ask_exit", "keepkernel": True}]
    assert value(fresh_kernel, "'lives'") == "'lives'"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.better_than_ipykernel("polls for its parent, and wakes once a second")
def test_an_idle_kernel_wakes_up_for_nothing(fresh_kernel: Frontend) -> None:
    """Once the history of the last cell is written. A window without one wake-up must come."""
    fresh_kernel.execute("1")

    def switches() -> int:
        total = 0
        for task in Path(f"/proc/{fresh_kernel.pid}/task").iterdir():
            line = next(one for one in (task / "status").read_text().splitlines() if one.startswith("voluntary"))
            total += int(line.split()[1])
        return total

    end = time.monotonic() + DEADLINE_S
    before = switches()
    while time.monotonic() < end:
        time.sleep(1.5)  # what is measured is a time without events
        now = switches()
        if now == before:
            return
        before = now
    raise AssertionError("never quiet")


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="reads /proc")
@pytest.mark.better_than_ipykernel("has 13")
def test_a_fresh_kernel_has_few_threads(fresh_kernel: Frontend) -> None:
    fresh_kernel.execute("1")
    assert len(os.listdir(f"/proc/{fresh_kernel.pid}/task")) <= 7
