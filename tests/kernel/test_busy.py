"""Answers while a cell runs: questions about code and state are answered before the cell ends, and harm nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from frontend import Frontend, Json, Result

# Main waits for `gate`, which only a subshell opens: an answer that comes before that came while main was blocked.
WAIT = "print('waiting', flush=True)\nassert gate.wait(120), 'nobody came'"
NAMESPACE = """
import threading
gate = threading.Event()
some_long_name = {"key": 1}
def documented(a, b=2):
    "What it does."
"""
QUESTIONS: dict[str, Json] = {
    "complete_request": {"code": "some_long_n", "cursor_pos": 11},
    "inspect_request": {"code": "documented", "cursor_pos": 10, "detail_level": 0},
    "is_complete_request": {"code": "for n in range(3):"},
    "history_request": {"hist_access_type": "tail", "n": 3, "raw": True, "output": False},
    "comm_info_request": {},
    "kernel_info_request": {},
    "connect_request": {},
}


class Busy:
    """A kernel whose main thread waits in a sync cell."""

    def __init__(self, kernel: Frontend) -> None:
        self.kernel = kernel
        kernel.execute(NAMESPACE)
        self.subshell = str(kernel.request("create_subshell_request", channel="control").content["subshell_id"])
        self.cell = ""

    def begin(self, before: str = "") -> None:
        """Let main wait."""
        self.cell = self.kernel.send_execute(before + WAIT)
        self.kernel.see_text("waiting", self.cell)

    def ask(self, msg_type: str, **content: object) -> Result:
        """Ask main a question while it is blocked."""
        result = self.kernel.request(msg_type, {**QUESTIONS[msg_type], **content})
        assert result.types[0] == "busy"
        assert result.types[-1] == "idle"
        return result

    def complete(self, code: str) -> list[str]:
        result = self.ask("complete_request", code=code, cursor_pos=len(code))
        assert result.status == "ok", result.content
        return list(result.content["matches"])

    def inspect(self, code: str, detail: int = 0) -> Json:
        result = self.ask("inspect_request", code=code, cursor_pos=len(code), detail_level=detail)
        assert result.status == "ok", result.content
        return result.content

    def end(self) -> Result:
        """Let main go on, and return its cell's result."""
        self.kernel.execute("gate.set()", subshell_id=self.subshell)
        result = self.kernel.result(self.cell)
        assert result.status == "ok", result.content
        return result


@pytest.fixture
def busy(kernel: Frontend) -> Iterator[Busy]:
    one = Busy(kernel)
    one.begin()
    yield one
    if not kernel.ended:
        one.end()
        kernel.request("delete_subshell_request", {"subshell_id": one.subshell}, "control")


@pytest.mark.parametrize("msg_type", QUESTIONS)
def test_a_question_is_answered_while_main_is_blocked(busy: Busy, msg_type: str) -> None:
    result = busy.ask(msg_type)
    assert result.content.get("status") in ("ok", "incomplete")
    assert result.reply["msg_type"] == msg_type.replace("_request", "_reply")
    assert result.types == ["busy", "idle"]


@pytest.mark.parametrize("msg_type", QUESTIONS)
def test_the_answer_is_that_of_an_idle_kernel(kernel: Frontend, msg_type: str) -> None:
    one = Busy(kernel)
    idle = kernel.request(msg_type, QUESTIONS[msg_type]).content
    one.begin()
    busy = one.ask(msg_type).content
    if msg_type == "history_request":
        idle["history"] = [*idle["history"], busy["history"][-1]][-3:]
        assert busy["history"][-1][2].endswith(WAIT)
    assert busy == idle
    one.end()
    kernel.request("delete_subshell_request", {"subshell_id": one.subshell}, "control")


def test_names_complete_while_main_is_blocked(busy: Busy) -> None:
    assert busy.complete("some_long_n") == ["some_long_name"]
    assert "keys" in " ".join(busy.complete("some_long_name."))
    assert busy.complete("some_long_name['k") in (["key"], ["key'"], ["'key']"], ["key']"])
    assert "import" in busy.complete("impor")
    assert any("path" in one for one in busy.complete("import os; os.pat"))


def test_names_that_the_running_cell_made_complete(kernel: Frontend) -> None:
    one = Busy(kernel)
    one.begin("made_just_now = 1\n")
    assert one.complete("made_just") == ["made_just_now"]
    one.end()
    kernel.request("delete_subshell_request", {"subshell_id": one.subshell}, "control")


def test_objects_are_inspected_while_main_is_blocked(busy: Busy) -> None:
    found = busy.inspect("documented")
    assert found["found"]
    assert "What it does." in found["data"]["text/plain"]
    assert busy.inspect("no_such_name_at_all")["found"] is False
    assert "Source:" in busy.inspect("documented", 1)["data"]["text/plain"]


@pytest.mark.parametrize(
    ("code", "status"),
    [("1 + 1", "complete"), ("def f():", "incomplete"), ("1 +* 1", "invalid"), ("%%timeit", "incomplete")],
)
def test_completeness_is_told_while_main_is_blocked(busy: Busy, code: str, status: str) -> None:
    assert busy.ask("is_complete_request", code=code).content["status"] == status


@pytest.mark.parametrize("output", [False, True])
def test_history_is_told_while_main_is_blocked(busy: Busy, output: bool) -> None:
    """Also what no database has yet."""
    kernel = busy.kernel
    count = kernel.execute("'for the history'", subshell_id=busy.subshell).content["execution_count"]
    questions: list[Json] = [
        {"hist_access_type": "tail", "n": 1},
        {"hist_access_type": "range", "session": 0, "start": count, "stop": count + 1},
        {"hist_access_type": "search", "pattern": "*for the hist*", "n": 1},
    ]
    for question in questions:
        rows = busy.ask("history_request", **question, output=output).content["history"]
        assert [row[1] for row in rows] == [count], question
        assert (rows[0][2][0] if output else rows[0][2]) == "'for the history'", question


def test_comms_are_listed_while_main_is_blocked(kernel: Frontend) -> None:
    one = Busy(kernel)
    comm_id = kernel.execute("from comm import create_comm\nc = create_comm(target_name='t')\nc.comm_id").result
    one.begin()
    assert one.ask("comm_info_request", target_name="t").content["comms"] == {
        str(comm_id and comm_id["text/plain"]).strip("'"): {"target_name": "t"}
    }
    one.end()
    kernel.execute("c.close()")
    kernel.request("delete_subshell_request", {"subshell_id": one.subshell}, "control")


def test_a_malformed_question_is_refused_while_main_is_blocked(busy: Busy) -> None:
    result = busy.kernel.request("complete_request", {"cursor_pos": 3})
    assert result.content["ename"] == "MissingField"


def test_a_question_to_a_blocked_subshell_is_answered(kernel: Frontend) -> None:
    one = Busy(kernel)
    cell = kernel.send_execute(WAIT, subshell_id=one.subshell)
    kernel.see_text("waiting", cell)
    for msg_type, content in QUESTIONS.items():
        result = kernel.request(msg_type, content, subshell_id=one.subshell)
        assert result.content.get("status") in ("ok", "incomplete")
    kernel.execute("gate.set()")
    assert kernel.result(cell).status == "ok"
    kernel.request("delete_subshell_request", {"subshell_id": one.subshell}, "control")


def test_questions_do_not_stop_a_cell_that_computes(kernel: Frontend) -> None:
    one = Busy(kernel)
    cell = kernel.send_execute("print('waiting', flush=True)\nn = 0\nwhile not gate.is_set():\n    n += 1\nn > 0")
    kernel.see_text("waiting", cell)
    ids = [kernel.send("complete_request", QUESTIONS["complete_request"]) for _ in range(200)]
    for msg_id in ids:
        assert kernel.result(msg_id).content["matches"] == ["some_long_name"]
    one.cell = cell
    assert one.end().result == {"text/plain": "True"}
    kernel.request("delete_subshell_request", {"subshell_id": one.subshell}, "control")


def test_questions_while_a_cell_awaits_are_answered(kernel: Frontend) -> None:
    one = Busy(kernel)
    code = "import asyncio\nprint('waiting', flush=True)\nwhile not gate.is_set():\n    await asyncio.sleep(0.001)"
    one.cell = kernel.send_execute(code)
    kernel.see_text("waiting", one.cell)
    for msg_type in QUESTIONS:
        assert one.ask(msg_type).content.get("status") in ("ok", "incomplete")
    one.end()
    kernel.request("delete_subshell_request", {"subshell_id": one.subshell}, "control")


def test_an_answer_is_given_once(busy: Busy) -> None:
    """Both main and its assistant have the question; the fixture fails on a second reply."""
    ids = [busy.kernel.send("is_complete_request", {"code": "1"}) for _ in range(20)]
    busy.kernel.execute("gate.set()", subshell_id=busy.subshell)
    for msg_id in ids:
        assert busy.kernel.result(msg_id).types == ["busy", "idle"]
    busy.kernel.execute("gate.clear()", subshell_id=busy.subshell)
    busy.kernel.result(busy.cell)
    busy.begin()


def test_after_the_cell_requests_are_answered_in_order(busy: Busy) -> None:
    kernel = busy.kernel
    busy.ask("complete_request")
    busy.end()
    kernel.execute("gate.clear()")
    sent = []
    for n in range(10):
        sent += [kernel.send_execute(f"value_{n} = {n}"), kernel.send("complete_request", {"code": f"value_{n}"})]
    for msg_id in sent[::2]:
        kernel.result(msg_id)
    for msg_id in sent[1::2]:
        kernel.result(msg_id)
    busy.begin()


def test_the_cells_output_keeps_its_parent_while_questions_are_answered(kernel: Frontend) -> None:
    one = Busy(kernel)
    code = "print('waiting', flush=True)\nn = 0\nwhile not gate.is_set():\n    print('line')"
    one.cell = kernel.send_execute(code)
    kernel.see_text("waiting", one.cell)
    for _ in range(20):
        assert one.ask("inspect_request").types == ["busy", "idle"]
    assert set(one.end().stdout.split()) == {"waiting", "line"}
    kernel.request("delete_subshell_request", {"subshell_id": one.subshell}, "control")


# -- user code is left alone

EFFECTS = """
ran = []
class Effect:
    plain = 1
    @property
    def watched(self):
        ran.append(("property", threading.current_thread().name))
        return {"inner": 1}
    @property
    def other(self):
        ran.append(("other property", threading.current_thread().name))
class Dynamic:
    def __getattr__(self, name):
        ran.append(("__getattr__ " + name, threading.current_thread().name))
        raise AttributeError(name)
class Mapping:
    def __getitem__(self, key):
        ran.append(("__getitem__", threading.current_thread().name))
        return Effect()
    def keys(self):
        ran.append(("keys", threading.current_thread().name))
        return []
class Representation:
    def __repr__(self):
        ran.append(("__repr__", threading.current_thread().name))
        return "r"
    def __len__(self):
        ran.append(("__len__", threading.current_thread().name))
        return 3
class Directory:
    def __dir__(self):
        ran.append(("__dir__", threading.current_thread().name))
        return ["from_dir"]
class Length:
    def __len__(self):
        ran.append(("__len__", threading.current_thread().name))
        return 3
def call():
    ran.append(("call", threading.current_thread().name))
effect, dynamic, mapping, representation = Effect(), Dynamic(), Mapping(), Representation()
directory, length = Directory(), Length()
"""
ASKED = [
    ("complete_request", "effect."),
    ("complete_request", "effect.watched."),
    ("complete_request", "effect.watched['in"),
    ("complete_request", "dynamic."),
    ("complete_request", "dynamic.some."),
    ("complete_request", "mapping['a"),
    ("complete_request", "mapping['a']."),
    ("complete_request", "representation."),
    ("complete_request", "directory."),
    ("complete_request", "call()."),
    ("inspect_request", "effect"),
    ("inspect_request", "effect.watched"),
    ("inspect_request", "effect.watched.inner"),
    ("inspect_request", "dynamic"),
    ("inspect_request", "dynamic.some"),
    ("inspect_request", "mapping"),
    ("inspect_request", "representation"),
    ("inspect_request", "directory"),
    ("inspect_request", "length"),
]


@pytest.mark.parametrize(("msg_type", "code"), ASKED, ids=lambda one: str(one).removesuffix("_request"))
def test_no_code_of_the_user_runs_off_the_main_thread(kernel: Frontend, msg_type: str, code: str) -> None:
    one = Busy(kernel)
    kernel.execute(EFFECTS)
    one.begin()
    result = one.ask(msg_type, code=code, cursor_pos=len(code))
    assert result.status == "ok", result.content
    one.end()
    assert kernel.execute("ran").result == {"text/plain": "[]"}
    kernel.request("delete_subshell_request", {"subshell_id": one.subshell}, "control")


# -- answers that hang

HANG = """
hanging, let_go = threading.Event(), threading.Event()
class Hang:
    __module__ = "a_library"  # whose code may be asked, and may be slow
    def __repr__(self):
        hanging.set()
        let_go.wait(120)
        return "late"
    def __dir__(self):
        hanging.set()
        let_go.wait(120)
        return ["late"]
hang = Hang()
"""


@pytest.mark.parametrize(("msg_type", "code"), [("inspect_request", "hang"), ("complete_request", "hang.")])
def test_an_answer_that_hangs_does_not_hang_the_others(kernel: Frontend, msg_type: str, code: str) -> None:
    one = Busy(kernel)
    kernel.execute(HANG)
    one.begin()
    hung = kernel.send(msg_type, {"code": code, "cursor_pos": len(code), "detail_level": 0})
    for other in QUESTIONS:  # at once, and again and again: every one is answered while the first hangs
        one.ask(other)
    for _ in range(3):
        one.complete("some_long")
    kernel.execute("let_go.set()", subshell_id=one.subshell)
    result = kernel.result(hung)
    assert result.reply["msg_type"] == msg_type.replace("request", "reply")
    one.end()
    kernel.request("delete_subshell_request", {"subshell_id": one.subshell}, "control")


def test_the_kernel_ends_while_an_answer_hangs(fresh_kernel: Frontend) -> None:
    one = Busy(fresh_kernel)
    fresh_kernel.execute(HANG)
    one.begin()
    fresh_kernel.send("inspect_request", {"code": "hang", "cursor_pos": 4, "detail_level": 0})
    one.complete("some_long")
    fresh_kernel.shutdown()
    assert fresh_kernel.exit_status() == 0


def test_the_cell_can_be_interrupted_while_questions_are_answered(kernel: Frontend) -> None:
    one = Busy(kernel)
    one.begin()
    ids = [kernel.send("complete_request", QUESTIONS["complete_request"]) for _ in range(20)]
    kernel.interrupt()
    assert kernel.result(one.cell).ename == "KeyboardInterrupt"
    for msg_id in ids:
        result = kernel.result(msg_id)
        assert result.status == "ok", result.content
    kernel.request("delete_subshell_request", {"subshell_id": one.subshell}, "control")


def test_a_kernel_shares_the_gil_sooner_than_python_and_leaves_a_users_choice_alone(kernel: Frontend) -> None:
    assert kernel.execute("import sys\nsys.getswitchinterval()").result == {"text/plain": "0.001"}
    kernel.execute("sys.setswitchinterval(0.01)")
    kernel.request("kernel_info_request", channel="control")
    assert kernel.execute("sys.getswitchinterval()").result == {"text/plain": "0.01"}
    kernel.execute("sys.setswitchinterval(0.001)")


def test_control_requests_are_answered_in_order_whoever_answers(kernel: Frontend) -> None:
    slow_and_quick = ["usage_request", "kernel_info_request", "list_subshell_request", "connect_request"] * 20
    ids = [kernel.send(msg_type, channel="control") for msg_type in slow_and_quick]
    results = [kernel.result(msg_id, "control") for msg_id in ids]
    assert [result.types for result in results] == [["busy", "idle"]] * len(ids)
