"""execute_request: what the reply and iopub say for every kind of cell and every field of the request."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest

from frontend import Frontend

ERROR_KEYS = {"ename", "evalue", "traceback"}


def test_ok_reply_has_exactly_its_four_fields(kernel: Frontend) -> None:
    result = kernel.execute("x = 1")
    count = result.content["execution_count"]
    assert result.content == {"status": "ok", "execution_count": count, "user_expressions": {}, "payload": []}
    assert isinstance(count, int)


def test_error_reply_has_the_error_the_count_and_the_lists(kernel: Frontend) -> None:
    result = kernel.execute("1/0")
    content = result.content
    assert set(content) - {"engine_info"} == {
        "status", "execution_count", "user_expressions", "payload", *ERROR_KEYS
    }  # fmt: skip
    assert (content["status"], content["ename"], content["evalue"]) == (
        "error",
        "ZeroDivisionError",
        "division by zero",
    )
    assert (content["user_expressions"], content["payload"]) == ({}, [])
    assert all(isinstance(line, str) for line in content["traceback"])
    assert set(result.error) == ERROR_KEYS
    assert {name: content[name] for name in ERROR_KEYS} == result.error


def test_reply_metadata_tells_when_the_cell_started_and_how_it_ended(kernel: Frontend) -> None:
    good, bad = kernel.execute("1"), kernel.execute("1/0")
    for result, status in ((good, "ok"), (bad, "error")):
        metadata = result.reply["metadata"]
        started = metadata["started"]
        if isinstance(started, str):
            started = datetime.fromisoformat(started)
        assert started.tzinfo is not None
        assert started <= result.reply["header"]["date"]
        assert metadata["dependencies_met"] is True
        assert metadata["status"] == status
        assert isinstance(metadata["engine"], str)


def test_iopub_tells_the_life_of_a_cell_in_order(kernel: Frontend) -> None:
    result = kernel.execute("print('a'); 'b'")
    assert result.types == ["busy", "execute_input", "stream", "execute_result", "idle"]
    assert all(m["parent_header"]["msg_id"] == result.request["msg_id"] for m in result.iopub)


def test_iopub_tells_the_life_of_a_failing_cell_in_order(kernel: Frontend) -> None:
    assert kernel.execute("print('a'); 1/0").types == ["busy", "execute_input", "stream", "error", "idle"]


def test_input_result_and_reply_agree_on_the_count(kernel: Frontend) -> None:
    first = kernel.execute("'a'")
    second = kernel.execute("'b'")
    for result in (first, second):
        count = result.content["execution_count"]
        assert result.of_type("execute_input") == [
            {"code": "'a'" if result is first else "'b'", "execution_count": count}
        ]
        assert result.of_type("execute_result")[0]["execution_count"] == count
    assert second.content["execution_count"] == first.content["execution_count"] + 1


def test_a_failing_cell_counts_too(kernel: Frontend) -> None:
    before = kernel.execute("1").content["execution_count"]
    assert kernel.execute("1/0").content["execution_count"] == before + 1
    assert kernel.execute("1").content["execution_count"] == before + 2


def test_execute_result_has_count_data_and_metadata_only(kernel: Frontend) -> None:
    (content,) = kernel.execute("41 + 1").of_type("execute_result")
    assert set(content) == {"execution_count", "data", "metadata"}
    assert content["data"] == {"text/plain": "42"}


def test_silent_cell_publishes_prints_and_errors_and_nothing_else(kernel: Frontend) -> None:
    before = kernel.execute("1").content["execution_count"]
    result = kernel.execute("print('heard'); 7", silent=True, store_history=False)
    assert result.types == ["busy", "stream", "idle"]
    assert result.stdout == "heard\n"
    failed = kernel.execute("1/0", silent=True, store_history=False)
    assert failed.types == ["busy", "error", "idle"]
    assert failed.status == "error"
    assert kernel.execute("1").content["execution_count"] == before + 1


def test_reply_to_a_silent_cell_names_the_last_cell_that_was_counted(kernel: Frontend) -> None:
    """qtconsole makes its first prompt from it: one more."""
    before = kernel.execute("1").content["execution_count"]
    assert kernel.execute("", silent=True, store_history=False).content["execution_count"] == before
    assert kernel.execute("1/0", silent=True).content["execution_count"] == before


def test_silent_means_no_history_even_when_history_is_asked_for(kernel: Frontend) -> None:
    before = kernel.execute("1").content["execution_count"]
    kernel.execute("silent_marker = 1", silent=True, store_history=True)
    assert kernel.execute("1").content["execution_count"] == before + 1
    history = kernel.request("history_request", {"hist_access_type": "tail", "n": 2, "output": False, "raw": True})
    assert "silent_marker" not in str(history.content["history"])


@pytest.mark.better_than_ipykernel("its execute_input says n+1 where its reply says n")
def test_without_history_the_counter_stays_and_input_and_reply_agree(kernel: Frontend) -> None:
    before = kernel.execute("1").content["execution_count"]
    result = kernel.execute("'x'", store_history=False)
    assert result.of_type("execute_input")[0]["execution_count"] == result.content["execution_count"]
    assert result.of_type("execute_result")[0]["execution_count"] == result.content["execution_count"]
    assert kernel.execute("1").content["execution_count"] == before + 1


def test_without_history_the_counter_stays(kernel: Frontend) -> None:
    before = kernel.execute("1").content["execution_count"]
    for _ in range(3):
        kernel.execute("hidden = 1", store_history=False)
    assert kernel.execute("1").content["execution_count"] == before + 1
    tail = kernel.request("history_request", {"hist_access_type": "tail", "n": 2, "output": False, "raw": True})
    assert "hidden" not in str(tail.content["history"])


@pytest.mark.parametrize("code", ["", "   \n\t", "# a comment"])
def test_an_empty_cell_is_fine(kernel: Frontend, code: str) -> None:
    result = kernel.execute(code)
    assert result.status == "ok"
    assert result.content["user_expressions"] == {}
    assert result.content["payload"] == []


def test_user_expressions_are_evaluated_after_the_cell(kernel: Frontend) -> None:
    result = kernel.execute(
        "x = 20", user_expressions={"double": "x * 2", "html": "__import__('IPython').display.HTML('h')"}
    )
    double = result.content["user_expressions"]["double"]
    assert double == {"status": "ok", "data": {"text/plain": "40"}, "metadata": {}}
    assert result.content["user_expressions"]["html"]["data"]["text/html"] == "h"


def test_a_failing_user_expression_is_an_error_of_its_own(kernel: Frontend) -> None:
    result = kernel.execute("x = 1", user_expressions={"bad": "no_such_name", "worse": "1 +", "good": "x"})
    assert result.status == "ok"
    bad = result.content["user_expressions"]["bad"]
    assert bad["status"] == "error"
    assert bad["ename"] == "NameError"
    assert set(bad) == {"status", *ERROR_KEYS}
    assert result.content["user_expressions"]["worse"]["ename"] == "SyntaxError"
    assert result.content["user_expressions"]["good"]["data"] == {"text/plain": "1"}
    assert result.error is None


def test_user_expressions_work_in_a_silent_request_without_code(kernel: Frontend) -> None:
    kernel.execute("y = 5")
    result = kernel.execute("", silent=True, user_expressions={"y": "y"})
    assert result.content["user_expressions"]["y"]["data"] == {"text/plain": "5"}


def test_a_failing_cell_leaves_user_expressions_unevaluated(kernel: Frontend) -> None:
    result = kernel.execute("1/0", user_expressions={"x": "1"})
    assert result.content["user_expressions"] == {}


def test_sys_exit_is_an_error_and_the_kernel_lives(kernel: Frontend) -> None:
    result = kernel.execute("import sys; sys.exit(3)")
    assert (result.status, result.ename) == ("error", "SystemExit")
    assert result.error["evalue"] == "3"
    assert kernel.execute("1 + 1").result == {"text/plain": "2"}


@pytest.mark.parametrize(
    ("code", "ename"),
    [
        ("1 +", "SyntaxError"),
        ("  x = 1\n y = 2", "IndentationError"),
        ("def f(:\n  pass", "SyntaxError"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("raise BaseException('base')", "BaseException"),
        pytest.param(
            "raise ExceptionGroup('many', [ValueError(1), TypeError(2)])",
            "ExceptionGroup",
            marks=pytest.mark.better_than_ipykernel("prints it to stderr and publishes no error"),
        ),
        ("%no_such_magic", "UsageError"),
        ("import asyncio; raise asyncio.CancelledError", "CancelledError"),
        ("await no_such_thing", "NameError"),
        ("x = 1; return x", "SyntaxError"),
    ],
)
def test_every_failure_has_its_name_in_reply_and_iopub(kernel: Frontend, code: str, ename: str) -> None:
    if ename == "UsageError":  # IPython prints it; the reply alone names it
        result = kernel.execute(code)
        assert result.status == "error"
        assert result.content["ename"] == ename
        return
    result = kernel.execute(code)
    assert result.status == "error"
    assert (result.content["ename"], result.ename) == (ename, ename)
    assert kernel.execute("'alive'").result == {"text/plain": "'alive'"}


@pytest.mark.parametrize(
    "code",
    [
        "class Bad:\n    def __repr__(self):\n        raise ZeroDivisionError('in repr')\nBad()",
        "class Worse:\n    def _repr_html_(self):\n        raise ZeroDivisionError('in repr')\nWorse()",
    ],
)
def test_a_failing_repr_is_shown_with_its_own_name(kernel: Frontend, code: str) -> None:
    result = kernel.execute(code)
    assert result.ename == "ZeroDivisionError"
    assert result.error["evalue"] == "in repr"
    assert kernel.execute("1").status == "ok"


@pytest.mark.better_than_ipykernel("its reply names NoneType")
def test_a_failing_repr_keeps_its_name_in_the_reply(kernel: Frontend) -> None:
    result = kernel.execute("class Bad:\n    def __repr__(self):\n        raise ZeroDivisionError('in repr')\nBad()")
    if result.status == "error":
        assert (result.content["ename"], result.content["evalue"]) == ("ZeroDivisionError", "in repr")


@pytest.mark.parametrize("code", ["def f():\n    1/0\nf()", "import asyncio\nawait asyncio.sleep(0)\n1/0"])
def test_tracebacks_show_the_users_frames_only(kernel: Frontend, code: str) -> None:
    text = "".join(kernel.execute(code).error["traceback"])
    assert "ZeroDivisionError" in text
    for ours in ("kernelet", "ipykernel/", "run_code", "interactiveshell.py", "handlers.py"):
        assert ours not in text


def test_the_cell_id_reaches_the_shell(kernel: Frontend) -> None:
    code = "get_ipython().get_parent()['metadata']['cellId'], get_ipython().parent_header['metadata']['cellId']"
    result = kernel.execute(code, metadata={"cellId": "cell-17"})
    assert result.result == {"text/plain": "('cell-17', 'cell-17')"}


def test_the_cell_id_reaches_pre_run_cell(kernel: Frontend) -> None:
    kernel.execute(
        "seen = []\nhook = lambda info: seen.append(info.cell_id)\nget_ipython().events.register('pre_run_cell', hook)"
    )
    kernel.execute("1", metadata={"cellId": "cell-18"})
    result = kernel.execute("get_ipython().events.unregister('pre_run_cell', hook); seen[0]", metadata={"cellId": "c2"})
    assert result.result == {"text/plain": "'cell-18'"}


def test_page_payload_carries_the_pager_text(kernel: Frontend) -> None:
    result = kernel.execute("zip?")
    (payload,) = result.content["payload"]
    assert payload["source"] == "page"
    assert "zip" in payload["data"]["text/plain"]
    assert payload["start"] >= 0


def test_set_next_input_payload(kernel: Frontend) -> None:
    result = kernel.execute("get_ipython().set_next_input('next', replace=True)")
    assert result.content["payload"] == [{"source": "set_next_input", "text": "next", "replace": True}]
    result = kernel.execute("get_ipython().set_next_input('a'); get_ipython().set_next_input('b')")
    assert result.content["payload"] == [{"source": "set_next_input", "text": "b", "replace": False}]


def test_edit_payload_names_a_file(kernel: Frontend) -> None:
    result = kernel.execute("%edit some_file_to_edit.py")
    (payload,) = result.content["payload"]
    assert payload["source"] == "edit_magic"
    assert payload["filename"].endswith("some_file_to_edit.py")
    assert "line_number" in payload


@pytest.mark.better_than_ipykernel("line_number is null, which strict clients refuse")
def test_edit_payload_has_a_line_number(kernel: Frontend) -> None:
    (payload,) = kernel.execute("%edit some_file_to_edit.py").content["payload"]
    assert payload["line_number"] >= 0


def test_load_magic_puts_code_into_the_next_input(kernel: Frontend) -> None:
    kernel.execute("open('loaded.py', 'w').write('loaded = 1')")
    (payload,) = kernel.execute("%load loaded.py").content["payload"]
    assert payload["source"] == "set_next_input"
    assert "loaded = 1" in payload["text"]


def test_payloads_do_not_leak_into_the_next_reply(kernel: Frontend) -> None:
    failed = kernel.execute("get_ipython().set_next_input('x')\n1/0")
    assert failed.content["payload"] in ([], [{"source": "set_next_input", "text": "x", "replace": False}])
    assert kernel.execute("1").content["payload"] == []


def test_exit_keeping_the_kernel_sends_ask_exit_and_lives(kernel: Frontend) -> None:
    (payload,) = kernel.execute("quit(keep_kernel=True)").content["payload"]
    assert payload == {"source": "ask_exit", "keepkernel": True}
    assert kernel.execute("1").status == "ok"


@pytest.mark.parametrize("code", ["exit", "quit()"])
def test_exit_sends_ask_exit_and_ends_the_kernel(start_kernel: Callable[..., Frontend], code: str) -> None:
    kernel = start_kernel()
    (payload,) = kernel.execute(code).content["payload"]
    assert payload["source"] == "ask_exit"
    assert kernel.exit_status() == 0


@pytest.mark.better_than_ipykernel("keepkernel is null, which strict clients refuse")
def test_keepkernel_is_a_boolean(fresh_kernel: Frontend) -> None:
    (payload,) = fresh_kernel.execute("exit").content["payload"]
    assert payload["keepkernel"] is False
    fresh_kernel.exit_status()


def test_cells_run_in_the_main_thread_and_in_main(kernel: Frontend) -> None:
    code = """
import threading, sys
threading.current_thread() is threading.main_thread(), __name__, sys.modules["__main__"].__dict__ is globals()
"""
    assert kernel.execute(code).result == {"text/plain": "(True, '__main__', True)"}


def test_top_level_await_gives_a_result(kernel: Frontend) -> None:
    assert kernel.execute("import asyncio\nawait asyncio.sleep(0, 'slept')").result == {"text/plain": "'slept'"}


def test_unknown_fields_of_the_request_are_ignored(kernel: Frontend) -> None:
    content = {"code": "1 + 1", "silent": False, "no_such_field": {"a": 1}}
    assert kernel.request("execute_request", content).result == {"text/plain": "2"}


def test_code_alone_is_enough(kernel: Frontend) -> None:
    before = kernel.execute("1").content["execution_count"]
    result = kernel.request("execute_request", {"code": "'defaults'"})
    assert result.result == {"text/plain": "'defaults'"}
    assert result.content["execution_count"] == before + 1


def test_large_and_odd_code_arrives_whole(kernel: Frontend) -> None:
    text = "é😀\u2028\x7f" * 50_000
    result = kernel.execute(f"len({text!r})")
    assert result.result == {"text/plain": str(len(text))}
    assert kernel.execute("print('\\x00\\x1b[31m\u2029')").stdout == "\x00\x1b[31m\u2029\n"
