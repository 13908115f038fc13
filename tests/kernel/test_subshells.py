"""Subshells (JEP 91): made and deleted on control, they run cells beside main; each has its own parent, abort, idle."""

from __future__ import annotations

import itertools
import json
import uuid
from collections.abc import Callable, Iterator

import pytest

from frontend import Frontend, Json, Result

# A cell that says so and then waits for the event `gate`; whoever opens it proves that both ran at once.
WAIT = "print('waiting', flush=True)\nassert gate.wait(60), 'nobody came'"


def create(kernel: Frontend) -> str:
    result = kernel.request("create_subshell_request", channel="control")
    assert result.status == "ok", result.content
    return str(result.content["subshell_id"])


def delete(kernel: Frontend, subshell_id: str) -> Result:
    return kernel.request("delete_subshell_request", {"subshell_id": subshell_id}, "control")


def listed(kernel: Frontend) -> list[str]:
    result = kernel.request("list_subshell_request", channel="control")
    assert result.status == "ok", result.content
    return list(result.content["subshell_id"])


@pytest.fixture
def subshell(kernel: Frontend) -> Iterator[str]:
    """A subshell of the module's kernel, with a fresh event `gate` in the namespace."""
    kernel.execute("import threading, asyncio\ngate = threading.Event()")
    subshell_id = create(kernel)
    yield subshell_id
    if not kernel.ended and subshell_id in listed(kernel):
        delete(kernel, subshell_id)


@pytest.fixture
def subshells(kernel: Frontend) -> Iterator[Callable[[int], list[str]]]:
    """Make as many subshells as a test wants."""
    made: list[str] = []

    def make(count: int) -> list[str]:
        made.extend(create(kernel) for _ in range(count))
        return list(made)

    kernel.execute("import threading, asyncio\ngate = threading.Event()")
    yield make
    for subshell_id in made:
        if not kernel.ended and subshell_id in listed(kernel):
            delete(kernel, subshell_id)


def block_main(kernel: Frontend) -> str:
    """Let main wait for `gate`, in a sync cell; return the cell's msg_id."""
    msg_id = kernel.send_execute(WAIT)
    kernel.see_text("waiting", msg_id)
    return msg_id


def release(kernel: Frontend, subshell_id: str, msg_id: str) -> Result:
    """Open the gate from a subshell and return what the cell that waited brought."""
    assert kernel.execute("gate.set()", subshell_id=subshell_id).status == "ok"
    result = kernel.result(msg_id)
    assert result.status == "ok", result.content
    return result


def own_threads(kernel: Frontend, where: str = "") -> int:
    code = "sum('subshell' in t.name for t in __import__('threading').enumerate())"
    result = kernel.execute(code).result
    assert result is not None
    return int(result["text/plain"])


# -- life


def test_the_kernel_advertises_subshells(kernel: Frontend) -> None:
    assert "kernel subshells" in kernel.kernel_info["supported_features"]


def test_there_are_no_subshells_at_first(fresh_kernel: Frontend) -> None:
    assert listed(fresh_kernel) == []
    assert own_threads(fresh_kernel) == 0


def test_subshells_are_made_listed_and_deleted(kernel: Frontend) -> None:
    ids = [create(kernel) for _ in range(4)]
    assert len(set(ids)) == 4
    assert listed(kernel) == ids
    assert delete(kernel, ids[1]).content == {"status": "ok"}
    assert listed(kernel) == [ids[0], ids[2], ids[3]]
    for one in (ids[0], ids[2], ids[3]):
        delete(kernel, one)
    assert listed(kernel) == []


def test_control_requests_about_subshells_are_wrapped_in_busy_and_idle(kernel: Frontend) -> None:
    result = kernel.request("create_subshell_request", channel="control")
    assert result.types == ["busy", "idle"]
    assert delete(kernel, result.content["subshell_id"]).types == ["busy", "idle"]


def test_threads_come_and_go_with_subshells(kernel: Frontend) -> None:
    kernel.execute("import threading")
    ids = [create(kernel) for _ in range(3)]
    names = [kernel.execute("threading.get_ident()", subshell_id=one).result for one in ids]
    assert len({str(name) for name in names}) == 3
    assert own_threads(kernel) == 3
    kernel.execute("mine = [t for t in threading.enumerate() if 'subshell' in t.name]")
    for one in ids:
        delete(kernel, one)
    assert kernel.execute("for t in mine: t.join(30)\nany(t.is_alive() for t in mine)").result == {
        "text/plain": "False"
    }
    assert own_threads(kernel) == 0


def test_a_subshell_that_is_never_asked_has_no_thread_and_leaves_nothing(kernel: Frontend) -> None:
    descriptors = "import os\nlen(os.listdir('/proc/self/fd'))"
    before = kernel.execute(descriptors).result
    ids = [create(kernel) for _ in range(3)]
    assert own_threads(kernel) == 0
    for one in ids:
        delete(kernel, one)
    kernel.execute(
        "import threading, time\nend = time.monotonic() + 30\n"
        "while any('subshell' in t.name for t in threading.enumerate()) and time.monotonic() < end: time.sleep(0.01)"
    )
    assert kernel.execute(descriptors).result == before


def test_a_subshell_that_needs_no_loop_has_none(start_kernel: Callable[..., Frontend]) -> None:
    kernel = start_kernel()
    subshell_id = create(kernel)
    look = "import sys; 'asyncio' in sys.modules"
    assert kernel.execute(look, subshell_id=subshell_id).result == {"text/plain": "False"}
    awaits = "import asyncio\nawait asyncio.sleep(0, 'awaited')"
    assert kernel.execute(awaits, subshell_id=subshell_id).result == {"text/plain": "'awaited'"}
    delete(kernel, subshell_id)
    assert listed(kernel) == []


def test_a_subshell_keeps_its_thread(kernel: Frontend, subshell: str) -> None:
    first, second = (kernel.execute("threading.get_ident()", subshell_id=subshell).result for _ in "12")
    assert first == second
    assert kernel.execute("threading.get_ident()").result != first


def test_subshells_share_the_namespace(kernel: Frontend, subshell: str) -> None:
    kernel.execute("from_main = 1")
    assert kernel.execute("from_main\n", subshell_id=subshell).result == {"text/plain": "1"}
    kernel.execute("from_subshell = 2", subshell_id=subshell)
    assert kernel.execute("from_subshell").result == {"text/plain": "2"}


def test_a_null_subshell_id_is_main(kernel: Frontend) -> None:
    code = "import threading\nthreading.current_thread() is threading.main_thread()"
    assert kernel.execute(code, subshell_id=None).result == {"text/plain": "True"}


def test_an_unknown_subshell_is_refused(kernel: Frontend) -> None:
    result = kernel.execute("print('never')", subshell_id=str(uuid.uuid4()))
    assert result.types == ["busy", "idle"]
    assert result.status == "error"
    assert result.content["ename"] == "UnknownSubshellError"


@pytest.mark.parametrize("msg_type", ["complete_request", "inspect_request", "kernel_info_request", "history_request"])
def test_every_request_to_an_unknown_subshell_is_refused(kernel: Frontend, msg_type: str) -> None:
    content = {"code": "a", "cursor_pos": 1, "hist_access_type": "tail", "n": 1}
    result = kernel.request(msg_type, content, subshell_id="nobody")
    assert (result.types, result.content["ename"]) == (["busy", "idle"], "UnknownSubshellError")


def test_an_unknown_subshell_is_refused_while_main_is_busy(kernel: Frontend, subshell: str) -> None:
    waiting = block_main(kernel)
    assert kernel.execute("1", subshell_id="nobody").content["ename"] == "UnknownSubshellError"
    release(kernel, subshell, waiting)


@pytest.mark.parametrize("unknown", ["nobody", ""])
def test_deleting_an_unknown_subshell_is_an_error(kernel: Frontend, unknown: str) -> None:
    result = delete(kernel, unknown)
    assert result.status == "error"
    assert result.content["evalue"]


@pytest.mark.parametrize("wrong", [3, ["a"], {"a": 1}, True], ids=str)
def test_a_subshell_id_of_a_wrong_type_is_refused(kernel: Frontend, wrong: object) -> None:
    result = kernel.execute("1", subshell_id=wrong)
    assert result.status == "error"
    assert kernel.execute("1").status == "ok"


def test_a_deleted_subshell_is_unknown(kernel: Frontend) -> None:
    one = create(kernel)
    kernel.execute("1", subshell_id=one)
    delete(kernel, one)
    assert kernel.execute("1", subshell_id=one).content["ename"] == "UnknownSubshellError"
    assert delete(kernel, one).status == "error"


def test_a_busy_subshell_can_be_deleted(kernel: Frontend, subshell: str) -> None:
    busy = kernel.send_execute(WAIT + "\nprint('done')", subshell_id=subshell)
    kernel.see_text("waiting", busy)
    assert delete(kernel, subshell).status == "ok"
    assert subshell not in listed(kernel)
    kernel.execute("gate.set()")
    assert kernel.result(busy).stdout == "waiting\ndone\n"


def test_queued_requests_of_a_deleted_subshell_are_refused_at_once(kernel: Frontend, subshell: str) -> None:
    busy = kernel.send_execute(WAIT, subshell_id=subshell)
    kernel.see_text("waiting", busy)
    queued = [kernel.send_execute("print('never')", subshell_id=subshell) for _ in range(3)]
    queued.append(kernel.send("is_complete_request", {"code": "a"}, subshell_id=subshell))
    kernel.result(queued.pop())  # answered, by whomever: so what came before it has arrived
    delete(kernel, subshell)
    for msg_id in queued:  # while the cell still runs
        result = kernel.result(msg_id)
        assert (result.types, result.content["ename"]) == (["busy", "idle"], "UnknownSubshellError")
    kernel.execute("gate.set()")
    assert kernel.result(busy).status == "ok"


def test_a_subshell_is_made_while_main_is_busy(kernel: Frontend, subshell: str) -> None:
    waiting = block_main(kernel)
    other = create(kernel)
    assert kernel.execute("1 + 1", subshell_id=other).result == {"text/plain": "2"}
    assert delete(kernel, other).status == "ok"
    release(kernel, subshell, waiting)


def test_the_tasks_of_a_deleted_subshell_end_quietly(kernel: Frontend, subshell: str) -> None:
    code = "async def linger():\n    try:\n        await asyncio.sleep(1000)\n    finally:\n        gate.set()\n"
    kernel.execute(code + "task = asyncio.create_task(linger())\nawait asyncio.sleep(0)", subshell_id=subshell)
    delete(kernel, subshell)
    assert kernel.execute("gate.wait(30)").result == {"text/plain": "True"}
    assert "destroyed" not in kernel.log


# -- at the same time


def test_a_subshell_runs_while_main_is_busy(kernel: Frontend, subshell: str) -> None:
    release(kernel, subshell, block_main(kernel))


def test_main_runs_while_a_subshell_is_busy(kernel: Frontend, subshell: str) -> None:
    waiting = kernel.send_execute(WAIT, subshell_id=subshell)
    kernel.see_text("waiting", waiting)
    assert kernel.execute("gate.set()").status == "ok"
    assert kernel.result(waiting).status == "ok"


def test_cells_meet_halfway(kernel: Frontend, subshell: str) -> None:
    """Both wait for each other in the middle: neither could end before the other began."""
    kernel.execute("meeting = threading.Barrier(2)")
    ids = [kernel.send_execute("meeting.wait(60) in (0, 1)", subshell_id=where) for where in (None, subshell)]
    for msg_id in ids:
        assert kernel.result(msg_id).result == {"text/plain": "True"}


def test_cells_of_one_subshell_run_in_order(kernel: Frontend, subshell: str) -> None:
    kernel.execute("seen = []")
    ids = [kernel.send_execute(f"seen.append({n})", subshell_id=subshell) for n in range(30)]
    for msg_id in ids:
        kernel.result(msg_id)
    assert kernel.execute("seen == list(range(30))").result == {"text/plain": "True"}


def test_everything_a_cell_says_has_its_own_parent(kernel: Frontend, subshells: Callable[[int], list[str]]) -> None:
    ids = [None, *subshells(3)]
    kernel.execute("import sys\nturns = threading.Barrier(4)")
    code = """
from IPython.display import display
def talk():  # its variables are its own: the cells share the namespace
    for n in range(5):
        turns.wait(60)
        print("{0}", n)
        print("{0}", n, file=sys.stderr)
        display({{"text/plain": "{0}"}}, raw=True)
talk()
turns.wait(60)
"result {0}"
"""
    sent = [kernel.send_execute(code.format(f"cell{n}"), subshell_id=one) for n, one in enumerate(ids)]
    for n, msg_id in enumerate(sent):
        result = kernel.result(msg_id)  # `until_idle` takes messages of this parent only
        lines = "".join(f"cell{n} {k}\n" for k in range(5))
        assert (result.stdout, result.stderr) == (lines, lines)
        assert [one["data"] for one in result.displays] == [{"text/plain": f"cell{n}"}] * 5
        assert result.result == {"text/plain": f"'result cell{n}'"}
        assert result.types[:2] == ["busy", "execute_input"]
        assert result.types[-2:] == ["execute_result", "idle"]


def test_errors_at_the_same_time_have_their_own_tracebacks(
    kernel: Frontend, subshells: Callable[[int], list[str]]
) -> None:
    ids = subshells(8)
    kernel.execute("together = threading.Barrier(8)\nimport builtins")
    sent = []
    for n, one in enumerate(ids):
        code = f"def f{n}(depth):\n    if depth:\n        f{n}(depth - 1)\n    together.wait(60)\n"
        sent.append(kernel.send_execute(code + f"    raise ValueError('error {n}')\nf{n}(5)", subshell_id=one))
    for n, msg_id in enumerate(sent):
        result = kernel.result(msg_id)
        assert (result.ename, result.error["evalue"]) == ("ValueError", f"error {n}")
        text = "\n".join(result.content["traceback"])
        assert f"error {n}" in text
        assert f"f{n}" in text
        assert not any(f"f{k}(" in text or f"error {k}" in text for k in range(8) if k != n)
        assert result.content["traceback"] == result.error["traceback"]


def test_syntax_errors_at_the_same_time_do_not_mix(kernel: Frontend, subshells: Callable[[int], list[str]]) -> None:
    ids = subshells(8)
    for _ in range(5):
        sent = [
            kernel.send_execute(f"number_{n} = = {n}", subshell_id=one, stop_on_error=False)
            for n, one in enumerate(ids)
        ]
        for n, msg_id in enumerate(sent):
            result = kernel.result(msg_id)
            text = "\n".join(result.content["traceback"])
            assert result.ename == "SyntaxError"
            assert f"number_{n}" in text
            assert not any(f"number_{k}" in text for k in range(8) if k != n)


# -- each its own


def test_an_error_aborts_only_its_own_queue(kernel: Frontend, subshell: str) -> None:
    kernel.execute("go = threading.Event()")
    main = [kernel.send_execute("go.wait(60) or 1/0")] + [kernel.send_execute(f"'main {n}'") for n in range(3)]
    sub = [kernel.send_execute("gate.wait(60); 1/0", subshell_id=subshell)]
    sub += [kernel.send_execute("'never'", subshell_id=subshell) for _ in range(3)]
    opener = create(kernel)
    kernel.execute("gate.set()", subshell_id=opener)
    assert kernel.result(sub[0]).ename == "ZeroDivisionError"
    assert [kernel.result(one).content for one in sub[1:]] == [{"status": "aborted"}] * 3
    assert kernel.execute("'later'", subshell_id=subshell).status == "ok"
    kernel.execute("go.set()", subshell_id=opener)
    assert [kernel.result(one).status for one in main] == ["ok"] * 4
    delete(kernel, opener)


def test_an_error_in_main_leaves_subshells_alone(kernel: Frontend, subshell: str) -> None:
    waiting = kernel.send_execute(WAIT, subshell_id=subshell)
    later = [kernel.send_execute("'fine'", subshell_id=subshell) for _ in range(3)]
    kernel.see_text("waiting", waiting)
    assert kernel.execute("1/0").ename == "ZeroDivisionError"
    kernel.execute("gate.set()")
    assert [kernel.result(one).status for one in (waiting, *later)] == ["ok"] * 4


def test_idle_is_the_last_word_of_every_parent(kernel: Frontend, subshells: Callable[[int], list[str]]) -> None:
    ids = subshells(4)
    sent = [kernel.send_execute(f"print({n})\n{n}", subshell_id=ids[n % 4]) for n in range(40)]
    for n, msg_id in enumerate(sent):
        result = kernel.result(msg_id)
        # print writes its text and its end apart; where another subshell speaks between them, two messages leave.
        once = [kind for kind, _ in itertools.groupby(result.types)]
        assert once == ["busy", "execute_input", "stream", "execute_result", "idle"], n
    kernel.assert_quiet()


def test_silent_cells_in_a_subshell_are_silent(kernel: Frontend, subshell: str) -> None:
    before = kernel.execute("0").content["execution_count"]
    result = kernel.execute("'silence'", silent=True, subshell_id=subshell)
    assert result.types == ["busy", "idle"]
    assert kernel.execute("0").content["execution_count"] == before + 1


def test_store_history_false_in_a_subshell_takes_no_number(kernel: Frontend, subshell: str) -> None:
    before = kernel.execute("0").content["execution_count"]
    result = kernel.execute("'unkept'", store_history=False, subshell_id=subshell)
    assert result.types == ["busy", "execute_input", "execute_result", "idle"]
    assert kernel.execute("'kept'").content["execution_count"] == before + 1
    assert kernel.execute(f"In[{before + 1}]").result == {"text/plain": "\"'kept'\""}


def test_an_uncounted_cell_beside_counted_ones_changes_no_number(kernel: Frontend, subshell: str) -> None:
    waiting = kernel.send_execute(WAIT, subshell_id=subshell, store_history=False)
    kernel.see_text("waiting", waiting)
    first, second = (kernel.execute("0").content["execution_count"] for _ in "12")
    assert second == first + 1
    kernel.execute("gate.set()")
    kernel.result(waiting)
    assert kernel.execute("0").content["execution_count"] == second + 2


def test_numbers_are_unique_and_in_and_out_are_right(kernel: Frontend, subshells: Callable[[int], list[str]]) -> None:
    ids = [None, *subshells(7)]
    sent = {}
    for n in range(80):
        code = f"'value {n}'"
        sent[kernel.send_execute(code, subshell_id=ids[n % 8])] = code
    counts = {}
    for msg_id, code in sent.items():
        result = kernel.result(msg_id)
        count = result.content["execution_count"]
        assert result.of_type("execute_input") == [{"code": code, "execution_count": count}]
        assert result.of_type("execute_result")[0]["execution_count"] == count
        counts[count] = code
    assert len(counts) == 80
    assert max(counts) - min(counts) == 79
    kernel.execute(f"import json\nwanted = {{int(k): v for k, v in json.loads({json.dumps(counts)!r}).items()}}")
    assert kernel.execute("{n: In[n] for n in wanted} == wanted").result == {"text/plain": "True"}
    assert kernel.execute("{n: repr(Out[n]) for n in wanted} == wanted").result == {"text/plain": "True"}
    tail = kernel.request("history_request", {"hist_access_type": "tail", "n": 300, "raw": True, "output": False})
    stored = {line: text for _, line, text in tail.content["history"]}
    assert {n: stored.get(n) for n in counts} == counts


def test_a_long_cell_keeps_its_number(kernel: Frontend, subshell: str) -> None:
    """Its result comes after cells with higher numbers have ended."""
    waiting = kernel.send_execute("gate.wait(60)\nget_ipython().execution_count", subshell_id=subshell)
    kernel.see_busy(waiting)
    kernel.see(lambda m: m["msg_type"] == "execute_input" and m["parent_header"]["msg_id"] == waiting)
    later = kernel.execute("gate.set()").content["execution_count"]
    result = kernel.result(waiting)
    count = result.content["execution_count"]
    assert count < later
    assert result.of_type("execute_result")[0]["execution_count"] == count
    assert kernel.execute(f"In[{count}].startswith('gate.wait'), In[{later}]").result == {
        "text/plain": "(True, 'gate.set()')"
    }


def test_payloads_do_not_mix(kernel: Frontend, subshell: str) -> None:
    kernel.execute("from IPython.core import page\ntogether = threading.Barrier(2)")
    main = kernel.send_execute("page.page('a page')\ntogether.wait(60)\ntogether.wait(60)")
    code = "together.wait(60)\nget_ipython().set_next_input('next')\ntogether.wait(60)"
    sub = kernel.send_execute(code, subshell_id=subshell)
    assert [one["source"] for one in kernel.result(main).content["payload"]] == ["page"]
    assert kernel.result(sub).content["payload"] == [{"source": "set_next_input", "text": "next", "replace": False}]


def test_user_expressions_are_evaluated_in_the_subshell(kernel: Frontend, subshell: str) -> None:
    expressions = {"good": "threading.current_thread() is threading.main_thread()", "bad": "1/0"}
    for where, answer in ((None, "True"), (subshell, "False")):
        got = kernel.execute("pass", user_expressions=expressions, subshell_id=where).content["user_expressions"]
        assert got["good"]["data"] == {"text/plain": answer}
        assert got["bad"]["ename"] == "ZeroDivisionError"


def test_context_variables_belong_to_their_subshell(kernel: Frontend, subshell: str) -> None:
    kernel.execute("import contextvars\nvalue = contextvars.ContextVar('value', default=0)\n_ = value.set('main')")
    assert kernel.execute("value.get()", subshell_id=subshell).result == {"text/plain": "'main'"}
    kernel.execute("_ = value.set('sub')", subshell_id=subshell)
    assert kernel.execute("await asyncio.sleep(0)\nvalue.get()", subshell_id=subshell).result == {"text/plain": "'sub'"}
    kernel.execute("await asyncio.sleep(0)\n_ = value.set('async')", subshell_id=subshell)
    assert kernel.execute("value.get()", subshell_id=subshell).result == {"text/plain": "'async'"}
    assert kernel.execute("value.get()").result == {"text/plain": "'main'"}


def test_get_parent_names_the_cell_that_asks(kernel: Frontend, subshell: str) -> None:
    waiting = block_main(kernel)
    code = "for one in (get_ipython(), get_ipython().kernel):\n    print(one.get_parent()['header']['msg_id'])"
    msg_id = kernel.send_execute(code, subshell_id=subshell)
    assert kernel.result(msg_id).stdout == f"{msg_id}\n{msg_id}\n"
    release(kernel, subshell, waiting)


def test_a_cell_id_reaches_the_subshell(kernel: Frontend, subshell: str) -> None:
    result = kernel.execute(
        "get_ipython().get_parent()['metadata']['cellId']", metadata={"cellId": "c-1"}, subshell_id=subshell
    )
    assert result.result == {"text/plain": "'c-1'"}


# -- asyncio


def test_a_subshell_awaits_on_a_loop_of_its_own(kernel: Frontend, subshell: str) -> None:
    code = "loop_{0} = asyncio.get_running_loop()\nawait asyncio.sleep(0)\nasyncio.get_running_loop() is loop_{0}"
    assert kernel.execute(code.format("main")).result == {"text/plain": "True"}
    assert kernel.execute(code.format("sub"), subshell_id=subshell).result == {"text/plain": "True"}
    assert kernel.execute("loop_main is loop_sub").result == {"text/plain": "False"}


def test_a_subshell_awaits_while_main_is_blocked(kernel: Frontend, subshell: str) -> None:
    waiting = block_main(kernel)
    code = "print(await asyncio.gather(*(asyncio.sleep(0.001, n) for n in range(3))))"
    assert kernel.execute(code, subshell_id=subshell).stdout == "[0, 1, 2]\n"
    release(kernel, subshell, waiting)


def test_background_tasks_of_a_subshell_go_on_between_its_cells(kernel: Frontend, subshell: str) -> None:
    code = "done = threading.Event()\nasync def later():\n    await asyncio.sleep(0.01)\n    done.set()\n"
    kernel.execute(code + "task = asyncio.create_task(later())", subshell_id=subshell)
    assert kernel.execute("done.wait(30)").result == {"text/plain": "True"}


def test_a_task_error_shows_in_the_subshell_cell_that_made_it(kernel: Frontend, subshell: str) -> None:
    code = "async def fail():\n    raise RuntimeError('in the background')\nasyncio.create_task(fail())\npass"
    msg_id = kernel.send_execute(code, subshell_id=subshell)
    kernel.result(msg_id)
    kernel.execute("import gc; await asyncio.sleep(0.01); gc.collect()", subshell_id=subshell)
    said = kernel.take("iopub", lambda m: m["msg_type"] == "stream" and m["parent_header"]["msg_id"] == msg_id)
    assert "in the background" in said["content"]["text"]


@pytest.mark.parametrize("where", ["main", "subshell"])
def test_asyncio_run_works_in(kernel: Frontend, subshell: str, where: str) -> None:
    code = "asyncio.run(asyncio.sleep(0, 'ran'))"
    result = kernel.execute(code, subshell_id=subshell if where == "subshell" else None)
    assert result.result == {"text/plain": "'ran'"}


def test_an_asyncio_subprocess_runs_in_a_subshell(kernel: Frontend, subshell: str) -> None:
    code = "process = await asyncio.create_subprocess_exec('true')\nawait process.wait()"
    assert kernel.execute(code, subshell_id=subshell).result == {"text/plain": "0"}


# -- stdin, forks, figures


def test_a_subshell_asks_for_input(kernel: Frontend, subshell: str) -> None:
    waiting = block_main(kernel)
    result = kernel.execute("input('who? ').upper()", subshell_id=subshell, answers=["me"])
    assert result.result == {"text/plain": "'ME'"}
    release(kernel, subshell, waiting)


def test_two_questions_at_once_get_their_own_answers(kernel: Frontend, subshell: str) -> None:
    ids = {
        "main": kernel.send_execute("input('main')"),
        "sub": kernel.send_execute("input('sub')", subshell_id=subshell),
    }
    for _ in ids:
        asked = kernel.take("stdin", lambda m: m["msg_type"] == "input_request")
        prompt = asked["content"]["prompt"]
        assert asked["parent_header"]["msg_id"] == ids[prompt]
        kernel.client.input(f"answer to {prompt}")
    for prompt, msg_id in ids.items():
        assert kernel.result(msg_id).result == {"text/plain": f"'answer to {prompt}'"}


def test_a_subprocess_runs_in_a_subshell(kernel: Frontend, subshell: str) -> None:
    waiting = block_main(kernel)
    code = "import subprocess\nsubprocess.run(['echo', 'child'], check=True).returncode"
    result = kernel.execute(code, subshell_id=subshell)
    assert result.result == {"text/plain": "0"}
    assert result.stdout == "child\n"
    result = kernel.execute("!echo shell", subshell_id=subshell)
    assert result.stdout.strip() == "shell"
    release(kernel, subshell, waiting)


def test_a_fork_in_a_subshell_leaves_the_kernel_alone(kernel: Frontend, subshell: str) -> None:
    code = "import os\npid = os.fork()\nif pid == 0:\n    os._exit(7)\nos.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])"
    assert kernel.execute(code, subshell_id=subshell).result == {"text/plain": "7"}
    assert kernel.execute("1").status == "ok"
    assert kernel.execute("1", subshell_id=subshell).status == "ok"


def test_a_child_that_falls_out_of_its_cell_in_a_subshell_ends(kernel: Frontend, subshell: str) -> None:
    code = "import os\npid = os.fork()\nif pid:\n    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))"
    assert kernel.execute(code, subshell_id=subshell).stdout == "0\n"
    assert kernel.execute("1", subshell_id=subshell).status == "ok"


def test_a_figure_is_drawn_in_a_subshell(kernel: Frontend, subshell: str) -> None:
    pytest.importorskip("matplotlib")
    waiting = block_main(kernel)
    for _ in range(3):
        result = kernel.execute("import matplotlib.pyplot as plt\n_ = plt.plot([1, 2])", subshell_id=subshell)
        assert result.status == "ok", result.content
        assert [list(one["data"]) for one in result.displays] == [["text/plain", "image/png"]] or [
            list(one["data"]) for one in result.displays
        ] == [["image/png", "text/plain"]]
    release(kernel, subshell, waiting)


def test_magics_run_in_a_subshell(kernel: Frontend, subshell: str) -> None:
    waiting = block_main(kernel)
    assert "pass" not in kernel.execute("%timeit -n1 -r1 pass", subshell_id=subshell).stderr
    assert kernel.execute("%lsmagic", subshell_id=subshell).status == "ok"
    assert kernel.execute("%%writefile out.txt\nhello", subshell_id=subshell).stdout.startswith("Writing")
    release(kernel, subshell, waiting)


# -- questions to a subshell, and the end


def test_a_subshell_answers_questions(kernel: Frontend, subshell: str) -> None:
    kernel.execute("long_name_of_mine = 1")
    content: Json = {"code": "long_name_of", "cursor_pos": 12}
    result = kernel.request("complete_request", content, subshell_id=subshell)
    assert result.content["matches"] == ["long_name_of_mine"]
    assert kernel.request("kernel_info_request", subshell_id=subshell).status == "ok"


def test_exit_in_a_subshell_ends_the_kernel(fresh_kernel: Frontend) -> None:
    one = create(fresh_kernel)
    result = fresh_kernel.execute("exit", subshell_id=one)
    assert [payload["source"] for payload in result.content["payload"]] == ["ask_exit"]
    assert fresh_kernel.exit_status() == 0


def test_sys_exit_in_a_subshell_is_an_error(kernel: Frontend, subshell: str) -> None:
    assert kernel.execute("import sys; sys.exit(3)", subshell_id=subshell).ename == "SystemExit"
    assert kernel.execute("1", subshell_id=subshell).status == "ok"


@pytest.mark.parametrize("code", ["while True: pass", "import time; time.sleep(1000)", "gate.wait()", "input()"])
def test_a_busy_subshell_does_not_hold_up_the_shutdown(start_kernel: Callable[..., Frontend], code: str) -> None:
    kernel = start_kernel()
    kernel.execute("import threading, atexit\ngate = threading.Event()\natexit.register(open, 'ended', 'w')")
    one = create(kernel)
    busy = kernel.send_execute(f"print('on', flush=True)\n{code}", subshell_id=one)
    kernel.see_text("on", busy)
    assert kernel.shutdown().status == "ok"
    assert kernel.exit_status() == 0
    assert (kernel.sandbox.path / "ended").exists()


def test_history_of_a_subshell_is_saved_when_main_has_never_run(
    start_kernel: Callable[..., Frontend],
) -> None:
    kernel = start_kernel()
    one = create(kernel)
    kernel.execute("'from a subshell'", subshell_id=one)
    kernel.shutdown()
    kernel.exit_status()
    sandbox = kernel.sandbox
    again = start_kernel(sandbox=sandbox)
    tail = again.request("history_request", {"hist_access_type": "search", "pattern": "*from a subshell*", "n": 5})
    assert [text for _, _, text in tail.content["history"]] == ["'from a subshell'"]


def test_the_subshell_magic_tells_where_it_runs(kernel: Frontend, subshell: str) -> None:
    here = kernel.execute("%subshell", subshell_id=subshell).stdout
    assert f"subshell id: {subshell}\n" in here
    assert f"subshell list: ['{subshell}']\n" in here
    assert f"pid: {kernel.pid}\n" in here
    main = kernel.execute("%subshell").stdout
    assert "subshell id: None\n" in main
    thread = kernel.execute("threading.main_thread().ident").result
    assert thread is not None
    assert f"main thread id: {thread['text/plain']}\n" in main
    assert f"\nthread id: {thread['text/plain']}\n" in main
    assert f"\nthread id: {thread['text/plain']}\n" not in here
