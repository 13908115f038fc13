"""stop_on_error: exactly the execute requests that were queued when a cell failed are aborted, and nothing else is."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from frontend import Frontend, Result

GATE = "input('gate')"


def open_gate(kernel: Frontend) -> None:
    """Let the first cell go on, once what was sent after it is in the kernel."""
    kernel.request("kernel_info_request", channel="control")
    kernel.input("")


def run_queue(kernel: Frontend, first: str, requests: Sequence[tuple[str, dict]]) -> list[Result]:
    """Run `first` behind the gate with `requests` queued after it; return all results in order of sending."""
    ids = [kernel.send_execute(f"{GATE}\n{first}")]
    kernel.see(lambda m: m["msg_type"] == "input_request", "stdin")
    ids += [kernel.send(msg_type, content) for msg_type, content in requests]
    open_gate(kernel)
    return [kernel.result(msg_id) for msg_id in ids]


def cell(code: str, **fields: object) -> tuple[str, dict]:
    return "execute_request", {"code": code, "allow_stdin": False, **fields}


def test_queued_cells_are_aborted_in_order_and_questions_among_them_answered(kernel: Frontend) -> None:
    before = kernel.execute("1").content["execution_count"]
    queue = [cell("print('a')"), ("kernel_info_request", {}), cell("'b'"), cell("'c'")]
    failed, first, info, second, third = results = run_queue(kernel, "1/0", queue)
    assert failed.content["ename"] == "ZeroDivisionError"
    for aborted in (first, second, third):
        assert aborted.content == {"status": "aborted"}
        assert aborted.reply["metadata"]["status"] == "aborted"
        assert aborted.types == ["busy", "idle"]
    assert info.status == "ok"
    replied = [m["parent_header"]["msg_id"] for channel, m in kernel.arrived if channel == "shell"][-5:]
    # A question (kernel_info) is answered while the cell still runs; cells keep their order.
    cells = [result.request["msg_id"] for result in (failed, first, second, third)]
    assert [msg_id for msg_id in replied if msg_id in cells] == cells
    assert results[2].request["msg_id"] in replied
    assert kernel.execute("1").content["execution_count"] == before + 2


@pytest.mark.parametrize(
    ("msg_type", "content"),
    [
        ("complete_request", {"code": "zi", "cursor_pos": 2}),
        ("inspect_request", {"code": "zip", "cursor_pos": 3}),
        ("is_complete_request", {"code": "1"}),
        ("history_request", {"hist_access_type": "tail", "n": 1, "output": False, "raw": True}),
        ("comm_info_request", {}),
    ],
)
def test_only_cells_are_aborted(kernel: Frontend, msg_type: str, content: dict) -> None:
    _, other, aborted = run_queue(kernel, "1/0", [(msg_type, content), cell("1")])
    assert other.content.get("status") in ("ok", "complete")
    assert aborted.content == {"status": "aborted"}


def test_without_stop_on_error_the_queue_goes_on(kernel: Frontend) -> None:
    failing = kernel.send_execute(f"{GATE}\n1/0", stop_on_error=False)
    kernel.see(lambda m: m["msg_type"] == "input_request", "stdin")
    following = [kernel.send_execute(f"'cell {n}'") for n in range(3)]
    open_gate(kernel)
    assert kernel.result(failing).ename == "ZeroDivisionError"
    assert [kernel.result(msg_id).result for msg_id in following] == [{"text/plain": f"'cell {n}'"} for n in range(3)]


def test_a_cell_that_does_not_stop_on_error_is_aborted_all_the_same(kernel: Frontend) -> None:
    _, aborted = run_queue(kernel, "1/0", [cell("1", stop_on_error=False)])
    assert aborted.content == {"status": "aborted"}


@pytest.mark.better_than_ipykernel("aborts whatever arrives while it is still draining the queue")
@pytest.mark.parametrize("wait_for", ["reply", "idle", "error"])
def test_a_cell_sent_after_the_error_was_seen_is_never_aborted(kernel: Frontend, wait_for: str) -> None:
    for n in range(30):
        failing = kernel.send_execute("1/0")
        if wait_for == "reply":
            kernel.see(lambda m, msg_id=failing: m["parent_header"]["msg_id"] == msg_id, "shell")
        elif wait_for == "idle":
            kernel.see(lambda m: m["content"].get("execution_state") == "idle")
        else:
            kernel.see(lambda m: m["msg_type"] == "error")
            kernel.see(lambda m, msg_id=failing: m["parent_header"]["msg_id"] == msg_id, "shell")
        after = kernel.send_execute(f"{n}")
        assert kernel.result(failing).status == "error"
        assert kernel.result(after).result == {"text/plain": str(n)}


def test_failures_in_a_row_abort_one_queue_each(kernel: Frontend) -> None:
    for _ in range(5):
        _, aborted = run_queue(kernel, "raise ValueError", [cell("1/0")])
        assert aborted.content == {"status": "aborted"}
    assert kernel.execute("'after'").result == {"text/plain": "'after'"}


def test_a_syntax_error_aborts_too(kernel: Frontend) -> None:
    gate = kernel.send_execute(GATE)
    kernel.see(lambda m: m["msg_type"] == "input_request", "stdin")
    bad, aborted = kernel.send_execute("1 +"), kernel.send_execute("1")
    open_gate(kernel)
    assert kernel.result(gate).status == "ok"
    assert kernel.result(bad).ename == "SyntaxError"
    assert kernel.result(aborted).content == {"status": "aborted"}


def test_a_failing_user_expression_aborts_nothing(kernel: Frontend) -> None:
    gate = kernel.send_execute(GATE, user_expressions={"bad": "1/0"})
    kernel.see(lambda m: m["msg_type"] == "input_request", "stdin")
    after = kernel.send_execute("'after'")
    open_gate(kernel)
    assert kernel.result(gate).content["user_expressions"]["bad"]["status"] == "error"
    assert kernel.result(after).result == {"text/plain": "'after'"}


@pytest.mark.parametrize(
    "code", ["import time\nprint('on')\ntime.sleep(1000)", "print('on')\nwhile True: pass"], ids=["sleep", "busy"]
)
def test_an_interrupt_aborts_the_queue(kernel: Frontend, code: str) -> None:
    running = kernel.send_execute(code)
    kernel.see_text("on", running)
    queued = [kernel.send_execute("'never'") for _ in range(2)]
    kernel.request("kernel_info_request", channel="control")
    kernel.interrupt()
    assert kernel.result(running).ename == "KeyboardInterrupt"
    for msg_id in queued:
        assert kernel.result(msg_id).content == {"status": "aborted"}
    assert kernel.execute("'after'").result == {"text/plain": "'after'"}


def test_sys_exit_aborts_the_queue(kernel: Frontend) -> None:
    _, aborted = run_queue(kernel, "import sys; sys.exit()", [cell("1")])
    assert aborted.content == {"status": "aborted"}
