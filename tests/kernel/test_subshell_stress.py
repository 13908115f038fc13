"""Sixteen subshells at once on one InteractiveShell: nothing is lost, nothing is mixed, and all threads go again."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable

import pytest

from frontend import Frontend, Json, Result

SHELLS = 16
CELLS = 40

PRINT = "print('{mark} out'); print('{mark} err', file=sys.stderr)"
RESULT = "get_ipython() is shell and '{mark} result'"
DISPLAY = """
display({{'text/plain': '{mark} display'}}, raw=True)
update_display({{'text/plain': '{mark}'}}, raw=True, display_id='{mark}')"""
ERROR = "def fail_{number}():\n    raise ValueError('{mark} error')\nfail_{number}()"
SYNTAX = "{name} = = 1"
AWAIT = "await asyncio.sleep(0)\nprint('{mark} awaited')\n'{mark} result'"
MAGIC = "%who_ls NoSuchType\nprint('{mark} out')"
PAYLOAD = "get_ipython().set_next_input('{mark} next')"
CONTEXT = "_ = variable.set('{mark}')\nawait asyncio.sleep(0)\nprint(variable.get())"
HELP = "sys.path?"
KINDS = [PRINT, RESULT, DISPLAY, ERROR, SYNTAX, AWAIT, MAGIC, PAYLOAD, CONTEXT, HELP]

# Whether the threads of deleted subshells have ended, once they had the time. (Others begin when they are needed.)
ALL_GONE = """
for thread in threading.enumerate():
    if "subshell" in thread.name:
        thread.join(30)
not any("subshell" in thread.name for thread in threading.enumerate())"""


def check(kind: str, mark: str, result: Result) -> None:
    """Fail unless `result` is exactly what the cell says, and nothing of any other."""
    failing = kind in (ERROR, SYNTAX)
    assert result.status == ("error" if failing else "ok"), result.content
    said = json.dumps([m["content"] for m in result.iopub if m["msg_type"] != "execute_input"])
    assert set(re.findall(r"s\d+c\d+", said)) <= {mark}, (mark, said)
    assert result.types[:2] == ["busy", "execute_input"]
    assert result.types[-1] == "idle"
    assert result.types.count("idle") == 1
    payload = result.content["payload"]
    if kind == PRINT:
        assert (result.stdout, result.stderr) == (f"{mark} out\n", f"{mark} err\n")
    elif kind == RESULT:
        assert result.result == {"text/plain": f"'{mark} result'"}
    elif kind == DISPLAY:
        assert [one["data"]["text/plain"] for one in result.displays] == [f"{mark} display", mark]
    elif kind == ERROR:
        assert (result.ename, result.error and result.error["evalue"]) == ("ValueError", f"{mark} error")
        assert f"{mark} error" in "".join(result.content["traceback"])
    elif kind == SYNTAX:
        assert result.ename == "SyntaxError"
        assert mark in "".join(result.content["traceback"])
    elif kind == AWAIT:
        assert result.stdout == f"{mark} awaited\n"
        assert result.result == {"text/plain": f"'{mark} result'"}
    elif kind == MAGIC:
        assert result.stdout == f"{mark} out\n"
    elif kind == CONTEXT:
        assert result.stdout == f"{mark}\n"
    sources = {PAYLOAD: [("set_next_input", f"{mark} next")], HELP: [("page", None)]}.get(kind, [])
    assert [(one["source"], one.get("text")) for one in payload] == sources


def create(kernel: Frontend, count: int) -> list[str]:
    asked = [kernel.send("create_subshell_request", channel="control") for _ in range(count)]
    return [str(kernel.result(one, "control").content["subshell_id"]) for one in asked]


def delete(kernel: Frontend, ids: list[str]) -> None:
    asked = [kernel.send("delete_subshell_request", {"subshell_id": one}, channel="control") for one in ids]
    assert [kernel.result(one, "control").status for one in asked] == ["ok"] * len(ids)


def prepare(kernel: Frontend) -> None:
    kernel.execute(
        "import asyncio, sys, threading, contextvars\nfrom IPython.display import display, update_display\n"
        "shell = get_ipython()\nvariable = contextvars.ContextVar('variable')"
    )


def check_numbers(kernel: Frontend, results: list[Result], codes: list[str]) -> None:
    """Fail unless every cell had a number of its own, without holes, and In and the history know them."""
    counts = [int(one.content["execution_count"]) for one in results]
    assert len(set(counts)) == len(counts)
    assert max(counts) - min(counts) == len(counts) - 1
    for result, count, code in zip(results, counts, codes, strict=True):
        assert result.of_type("execute_input") == [{"code": code, "execution_count": count}]
        assert {one["execution_count"] for one in result.of_type("execute_result")} <= {count}
    wanted = dict(zip(counts, codes, strict=True))
    request: Json = {"hist_access_type": "tail", "n": len(codes) + 5, "raw": True, "output": False}
    history = {line: text for _, line, text in kernel.request("history_request", request).content["history"]}
    assert {count: history.get(count) for count in wanted} == wanted
    kernel.execute(f"import json\nwanted = json.loads({json.dumps(wanted)!r})")
    kernel.execute("raw = shell.history_manager.input_hist_raw")  # In has magics as the Python that they stand for
    assert kernel.execute("[n for n in wanted if raw[int(n)] != wanted[n]]").result == {"text/plain": "[]"}
    assert kernel.execute(
        "[n for n in wanted if In[int(n)].strip() != shell.transform_cell(wanted[n]).strip()]"
    ).result == {"text/plain": "[]"}


def test_sixteen_subshells_lose_and_mix_nothing(fresh_kernel: Frontend) -> None:
    kernel = fresh_kernel
    prepare(kernel)
    shells = create(kernel, SHELLS)
    chance = random.Random(3)
    sent, codes = [], []
    for cell in range(CELLS):
        for number, shell in enumerate(shells):
            kind, mark = chance.choice(KINDS), f"s{number}c{cell}"
            code = kind.format(mark=mark, name=mark, number=mark)
            codes.append(code)
            sent.append((kind, mark, kernel.send_execute(code, subshell_id=shell, stop_on_error=False)))
    results = []
    for kind, mark, msg_id in sent:
        result = kernel.result(msg_id, deadline_s=120)
        check(kind, mark, result)
        results.append(result)
    kernel.assert_quiet()
    check_numbers(kernel, results, codes)
    outs = {str(one.content["execution_count"]): one.result["text/plain"] for one in results if one.result is not None}
    kernel.execute(f"wanted = json.loads({json.dumps(outs)!r})")
    assert kernel.execute("[n for n in wanted if repr(Out[int(n)]) != wanted[n]]").result == {"text/plain": "[]"}
    delete(kernel, shells)
    assert kernel.execute(ALL_GONE).result == {"text/plain": "True"}
    assert "Traceback" not in kernel.log


def test_main_and_subshells_share_the_stress(fresh_kernel: Frontend) -> None:
    """Main runs cells, questions and comm messages arrive, while subshells run theirs."""
    kernel = fresh_kernel
    prepare(kernel)
    kernel.execute(
        "from comm import get_comm_manager\nheard = []\n"
        "def opened(comm, msg):\n    comm.on_msg(lambda msg: heard.append(msg['content']['data']['n']))\n"
        "get_comm_manager().register_target('count', opened)"
    )
    kernel.until_idle(kernel.send("comm_open", {"comm_id": "c", "target_name": "count", "data": {}}))
    shells = create(kernel, 6)
    sent, codes, asked, told = [], [], [], []
    for cell in range(30):
        for number, shell in enumerate([None, *shells]):
            kind, mark = KINDS[(cell + number) % len(KINDS)], f"s{number}c{cell}"
            code = kind.format(mark=mark, name=mark, number=mark)
            codes.append(code)
            sent.append((kind, mark, kernel.send_execute(code, subshell_id=shell, stop_on_error=False)))
        asked.append(kernel.send("complete_request", {"code": "vari", "cursor_pos": 4}))
        asked.append(kernel.send("inspect_request", {"code": "shell", "cursor_pos": 5}, subshell_id=shells[0]))
        told.append(kernel.send("comm_msg", {"comm_id": "c", "data": {"n": cell}}, subshell_id=shells[1]))
    results = []
    for kind, mark, msg_id in sent:
        result = kernel.result(msg_id, deadline_s=120)
        check(kind, mark, result)
        results.append(result)
    for msg_id in asked:
        result = kernel.result(msg_id)
        assert (result.status, result.types) == ("ok", ["busy", "idle"])
    for msg_id in told:
        kernel.until_idle(msg_id)
    assert kernel.execute("[(n, was) for n, was in enumerate(heard) if n != was]").result == {"text/plain": "[]"}
    assert kernel.execute("len(heard)").result == {"text/plain": "30"}
    check_numbers(kernel, results, codes)
    delete(kernel, shells)


def test_subshells_come_and_go_under_load(fresh_kernel: Frontend) -> None:
    """Whether a cell came before its subshell was deleted or after: it is answered, once."""
    kernel = fresh_kernel
    prepare(kernel)
    for _ in range(15):
        shells = create(kernel, 4)
        cells = [kernel.send_execute(f"print({n})", subshell_id=shells[n % 4]) for n in range(40)]
        delete(kernel, shells)
        for msg_id in cells:
            result = kernel.result(msg_id)
            assert result.status == "ok" or result.content["ename"] == "UnknownSubshellError"
            assert result.types[-1] == "idle"
    assert kernel.execute(ALL_GONE).result == {"text/plain": "True"}
    assert kernel.request("list_subshell_request", channel="control").content["subshell_id"] == []


def test_interrupts_under_load_leave_every_subshell_alive(fresh_kernel: Frontend) -> None:
    kernel = fresh_kernel
    prepare(kernel)
    shells = create(kernel, 8)
    for _ in range(10):
        codes = ["while True: print('.', end='')", "while True: await asyncio.sleep(0)", "while True: sum(range(99))"]
        cells = [kernel.send_execute("print('on')\n" + codes[n % 3], subshell_id=one) for n, one in enumerate(shells)]
        for msg_id in cells:
            kernel.see_text("on", msg_id)
        kernel.interrupt()
        for msg_id in cells:
            assert kernel.result(msg_id).ename == "KeyboardInterrupt"
    for n, one in enumerate(shells):
        assert kernel.execute(f"print({n})", subshell_id=one).stdout == f"{n}\n"
    delete(kernel, shells)


@pytest.mark.parametrize("shells", [1, 4])
def test_big_outputs_of_subshells_do_not_mix(start_kernel: Callable[..., Frontend], shells: int) -> None:
    kernel = start_kernel()
    ids = create(kernel, shells)
    sent = [
        kernel.send_execute(f"for _ in range(20000): print('line of {n}')", subshell_id=one)
        for n, one in enumerate(ids)
    ]
    for n, msg_id in enumerate(sent):
        assert kernel.result(msg_id).stdout == f"line of {n}\n" * 20000
    delete(kernel, ids)
