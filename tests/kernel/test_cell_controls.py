"""A cell's metadata: a time limit, whether its error aborts the queue, and what the reply's metadata says it took."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from frontend import Frontend
from needs import OTHER_MACHINE

pytestmark = pytest.mark.better_than_ipykernel("has no such controls, and tells the start only")

MIB = 1 << 20
ENDLESS = [
    pytest.param("while True: pass", id="busy"),
    pytest.param("import time\ntime.sleep(1000)", id="sleep"),
    pytest.param("import asyncio\nawait asyncio.sleep(1000)", id="await"),
    pytest.param("import asyncio\nawait asyncio.gather(*(asyncio.sleep(1000) for _ in range(3)))", id="gather"),
    pytest.param("import threading\nlock = threading.Lock()\nlock.acquire()\nlock.acquire()", id="lock"),
    pytest.param("input()", id="input"),
]


# -- timeout


@pytest.mark.parametrize("code", ENDLESS)
def test_a_cell_that_runs_too_long_is_interrupted_and_says_why(kernel: Frontend, code: str) -> None:
    result = kernel.execute(code, metadata={"timeout": 0.2})
    if code == "input()":
        kernel.take("stdin", lambda m: m["msg_type"] == "input_request")
    assert (result.status, result.content["ename"]) == ("error", "TimeoutError")
    assert result.content["evalue"] == "the cell did not end within its timeout of 0.2 s"
    assert result.ename == "TimeoutError"
    assert result.error is not None
    assert result.error["traceback"] == result.content["traceback"]
    assert "TimeoutError" in "".join(result.content["traceback"])
    assert result.reply["metadata"]["timed_out"] is True
    assert kernel.execute("1 + 1").result == {"text/plain": "2"}


def test_a_cell_may_clean_up_when_its_time_is_over(kernel: Frontend) -> None:
    code = "import time\ntry:\n    time.sleep(1000)\nfinally:\n    print('cleaned up')"
    result = kernel.execute(code, metadata={"timeout": 0.2})
    assert result.stdout == "cleaned up\n"
    assert result.ename == "TimeoutError"


def test_a_cell_that_survives_its_limit_says_so_in_the_metadata(kernel: Frontend) -> None:
    code = "import time\ntry:\n    time.sleep(1000)\nexcept KeyboardInterrupt:\n    print('caught')\n'went on'"
    result = kernel.execute(code, metadata={"timeout": 0.2})
    assert (result.status, result.stdout, result.result) == ("ok", "caught\n", {"text/plain": "'went on'"})
    assert result.reply["metadata"]["timed_out"] is True


def test_a_cell_that_ends_in_time_is_left_alone_and_so_is_the_next(kernel: Frontend) -> None:
    first = kernel.execute("'done'", metadata={"timeout": 1.0})
    assert first.status == "ok"
    assert first.reply["metadata"]["timed_out"] is False
    second = kernel.execute("import time\ntime.sleep(1.2)\n'whole'")
    assert second.result == {"text/plain": "'whole'"}
    assert "timed_out" not in second.reply["metadata"]


def test_an_interrupt_by_the_user_is_none_of_the_limits(kernel: Frontend) -> None:
    running = kernel.send_execute("print('on', flush=True)\nwhile True: pass", metadata={"timeout": 1000})
    kernel.see_text("on", running)
    kernel.interrupt()
    result = kernel.result(running)
    assert result.ename == "KeyboardInterrupt"
    assert result.reply["metadata"]["timed_out"] is False


def test_a_limit_of_main_leaves_a_subshells_cell_alone(kernel: Frontend) -> None:
    created = kernel.request("create_subshell_request", channel="control").content["subshell_id"]
    code = "print('on', flush=True)\nimport threading\ngo_on = threading.Event()\n"
    code += "while not go_on.wait(0.01): pass\n'whole'"
    aside = kernel.send_execute(code, subshell_id=created)
    kernel.see_text("on", aside)
    assert kernel.execute("while True: pass", metadata={"timeout": 0.2}).ename == "TimeoutError"
    kernel.execute("go_on.set()")
    assert kernel.result(aside).result == {"text/plain": "'whole'"}
    in_it = kernel.execute("while True: pass", metadata={"timeout": 0.2}, subshell_id=created)
    assert in_it.ename == "TimeoutError"
    kernel.request("delete_subshell_request", {"subshell_id": created}, channel="control")


def test_a_timeout_aborts_what_is_queued_as_any_error_does(kernel: Frontend) -> None:
    first = kernel.send_execute("while True: pass", metadata={"timeout": 0.3})
    second = kernel.send_execute("'never'")
    assert kernel.result(first).ename == "TimeoutError"
    assert kernel.result(second).status == "aborted"


# -- stop_on_error, raises-exception


@pytest.mark.parametrize(
    "metadata, then",
    [
        ({}, "aborted"),
        ({"tags": ["raises-exception"]}, "ok"),
        ({"stop_on_error": False}, "ok"),
        ({"tags": ["raises-exception"], "stop_on_error": True}, "aborted"),
    ],
)
def test_whether_an_error_aborts_the_queue(kernel: Frontend, metadata: dict[str, Any], then: str) -> None:
    gate = kernel.send_execute("input()")
    kernel.see(lambda m: m["msg_type"] == "input_request", "stdin")
    failing, following = kernel.send_execute("1/0", metadata=metadata), kernel.send_execute("2")
    kernel.input("")
    kernel.result(gate)
    assert kernel.result(failing).ename == "ZeroDivisionError"
    assert kernel.result(following).status == then


def test_a_cell_may_stop_what_its_request_would_let_go_on(kernel: Frontend) -> None:
    gate = kernel.send_execute("input()")
    kernel.see(lambda m: m["msg_type"] == "input_request", "stdin")
    failing = kernel.send_execute("1/0", stop_on_error=False, metadata={"stop_on_error": True})
    following = kernel.send_execute("2")
    kernel.input("")
    kernel.result(gate)
    kernel.result(failing)
    assert kernel.result(following).status == "aborted"


@pytest.mark.parametrize(
    "metadata", [{"timeout": "soon"}, {"concurrency": "process"}, {"stop_on_error": "no"}, {"tags": ["timeout=x"]}]
)
def test_a_control_that_is_not_understood_is_an_error_and_the_cell_does_not_run(
    kernel: Frontend, metadata: dict[str, Any]
) -> None:
    result = kernel.execute("print('ran')", metadata=metadata)
    assert (result.status, result.content["ename"]) == ("error", "InvalidControl")
    assert result.types == ["busy", "idle"]


def test_metadata_of_front_ends_changes_nothing(kernel: Frontend) -> None:
    metadata = {"cellId": "c1", "trusted": True, "deletedCells": [], "recordTiming": True, "tags": ["parameters"]}
    assert kernel.execute("1 + 1", metadata=metadata).result == {"text/plain": "2"}


# -- what a cell took


def test_the_reply_tells_when_a_cell_began_and_ended(kernel: Frontend) -> None:
    metadata = kernel.execute("import time\ntime.sleep(0.1)").reply["metadata"]
    started, completed = (datetime.fromisoformat(metadata[name]) for name in ("started", "completed"))
    assert started.tzinfo is not None
    assert (completed - started).total_seconds() >= 0.1
    assert metadata["resources"]["wall_s"] >= 0.1


def test_the_reply_tells_the_cpu_of_a_cell_and_of_its_children(kernel: Frontend) -> None:
    burn = "import time\nend = time.process_time() + 0.2\nwhile time.process_time() < end: pass"
    taken = kernel.execute(burn).reply["metadata"]["resources"]
    assert taken["cpu_user_s"] + taken["cpu_system_s"] >= 0.19
    code = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {burn!r}], check=True)"
    assert kernel.execute(code).reply["metadata"]["resources"]["children_cpu_s"] >= 0.19


def test_the_reply_tells_the_memory_of_a_cell(kernel: Frontend) -> None:
    taken = kernel.execute("held = bytearray(200 << 20); del held").reply["metadata"]["resources"]
    assert taken["peak_memory_bytes"] >= 200 * MIB
    assert taken["peak_memory_growth_bytes"] >= 100 * MIB
    again = kernel.execute("pass").reply["metadata"]["resources"]
    assert (again["peak_memory_bytes"], again["peak_memory_growth_bytes"]) == (taken["peak_memory_bytes"], 0)


def test_a_cell_may_ask_for_its_own_peak_of_memory(kernel: Frontend) -> None:
    if sys.platform != "linux":
        pytest.skip(f"{OTHER_MACHINE}it can let the peak begin anew")
    kernel.execute("held = bytearray(200 << 20); del held")
    asked = {"measure_memory": True}
    assert kernel.execute("pass", metadata=asked).reply["metadata"]["resources"]["peak_memory_bytes"] < 200 * MIB
    code = "held = bytearray(300 << 20); del held"
    taken = kernel.execute(code, metadata=asked).reply["metadata"]["resources"]
    assert taken["peak_memory_bytes"] >= 300 * MIB


def test_other_replies_have_no_such_metadata(kernel: Frontend) -> None:
    assert kernel.request("kernel_info_request").reply["metadata"] == {}


def test_a_script_may_set_a_limit_for_a_fresh_kernels_first_cell(start_kernel: Callable[..., Frontend]) -> None:
    kernel = start_kernel()
    assert kernel.execute("while True: pass", metadata={"timeout": 0.5}).ename == "TimeoutError"


def test_the_memory_of_the_program_that_started_the_kernel_is_not_the_kernels(
    start_kernel: Callable[..., Frontend],
) -> None:
    held = bytearray(400 * MIB)
    kernel = start_kernel()
    assert len(held) > kernel.execute("pass").reply["metadata"]["resources"]["peak_memory_bytes"]
