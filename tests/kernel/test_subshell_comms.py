"""Comm messages for a subshell: on main when main is free or awaits, on the subshell's thread only when main blocks."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from frontend import Frontend, Json

REGISTER = """
import asyncio, threading, time
from comm import get_comm_manager
gate, held = threading.Event(), threading.Event()
log, active, overlaps = [], [], []
def where():
    return "main" if threading.current_thread() is threading.main_thread() else threading.current_thread().name
def opened(comm, msg):
    log.append(("open", where()))
    @comm.on_msg
    def received(msg):
        active.append(1)
        overlaps.append(len(active))
        data = msg["content"]["data"]
        log.append((data.get("n"), where()))
        print("handled", data.get("n"), flush=True)
        if data.get("open gate"):
            gate.set()
        if data.get("hold"):
            assert held.wait(60)
        if data.get("fail"):
            raise RuntimeError("in a callback")
        comm.send({"echo": data.get("n")}, buffers=msg["buffers"])
        active.pop()
    comm.on_close(lambda msg: log.append(("close", where())))
get_comm_manager().register_target("echo", opened)
def seen():
    global log
    old, log = log, []
    return old
"""
BLOCKED = "print('on', flush=True)\nassert gate.wait(60)\n"
AWAITING = """
print('on', flush=True)
end = asyncio.get_running_loop().time() + 60
while not gate.is_set() and asyncio.get_running_loop().time() < end:
    await asyncio.sleep(0.001)
assert gate.is_set()
"""


class Widget:
    """A comm that the front end opened, whose messages go to a subshell."""

    def __init__(self, kernel: Frontend) -> None:
        kernel.execute(REGISTER)
        self.kernel = kernel
        reply = kernel.request("create_subshell_request", channel="control")
        self.subshell = str(reply.content["subshell_id"])
        self.comm_id = uuid.uuid4().hex
        kernel.until_idle(self.send_open())
        kernel.execute("seen()")

    def send_open(self) -> str:
        content = {"comm_id": self.comm_id, "target_name": "echo", "data": {}}
        return self.kernel.send("comm_open", content, subshell_id=self.subshell)

    def send(self, n: int, buffers: tuple[bytes, ...] = (), **data: Any) -> str:
        content = {"comm_id": self.comm_id, "data": {"n": n, **data}}
        return self.kernel.send("comm_msg", content, subshell_id=self.subshell, buffers=buffers)

    def seen(self) -> list[Any]:
        """Return what the handlers noted, and forget it."""
        result = self.kernel.execute("", user_expressions={"seen": "seen()"}, store_history=False)
        text = result.content["user_expressions"]["seen"]["data"]["text/plain"]
        noted: list[Any] = eval(text)
        return [(what, "main" if thread == "main" else "subshell") for what, thread in noted]


@pytest.fixture
def widget(kernel: Frontend) -> Iterator[Widget]:
    one = Widget(kernel)
    yield one
    if not kernel.ended:
        kernel.request("delete_subshell_request", {"subshell_id": one.subshell}, "control")


def once(messages: list[Json]) -> list[str]:
    """Return the types, repeated ones once: another thread may speak between a print's text and its end."""
    return [kind for kind, _ in itertools.groupby(types(messages))]


def types(messages: list[Json]) -> list[str]:
    return [m["content"].get("execution_state") or m["msg_type"] for m in messages]


def begin(kernel: Frontend, code: str) -> str:
    msg_id = kernel.send_execute(code)
    kernel.see_text("on", msg_id)
    return msg_id


def test_a_comm_opened_over_a_subshell_is_opened_on_main(kernel: Frontend, widget: Widget) -> None:
    kernel.until_idle(kernel.send("comm_close", {"comm_id": widget.comm_id, "data": {}}, subshell_id=widget.subshell))
    widget.comm_id = uuid.uuid4().hex
    assert types(kernel.until_idle(widget.send_open())) == ["busy", "idle"]
    assert widget.seen() == [("close", "main"), ("open", "main")]


def test_main_handles_the_message_when_it_is_free(kernel: Frontend, widget: Widget) -> None:
    messages = kernel.until_idle(widget.send(1))
    assert once(messages) == ["busy", "stream", "comm_msg", "idle"]
    assert messages[2]["content"]["data"] == {"echo": 1}
    assert widget.seen() == [(1, "main")]


def test_main_handles_the_message_while_its_cell_awaits(kernel: Frontend, widget: Widget) -> None:
    cell = begin(kernel, AWAITING)
    messages = kernel.until_idle(widget.send(1, **{"open gate": True}))
    assert once(messages) == ["busy", "stream", "comm_msg", "idle"]
    result = kernel.result(cell)
    assert result.stdout == "on\n"
    assert widget.seen() == [(1, "main")]


def test_the_subshell_handles_the_message_while_main_is_blocked(kernel: Frontend, widget: Widget) -> None:
    """The cell waits for the button: it would never end otherwise."""
    cell = begin(kernel, BLOCKED)
    messages = kernel.until_idle(widget.send(1, **{"open gate": True}))
    assert once(messages) == ["busy", "stream", "comm_msg", "idle"]
    result = kernel.result(cell)
    assert (result.status, result.stdout) == ("ok", "on\n")
    assert widget.seen() == [(1, "subshell")]


def test_the_subshell_takes_over_from_an_awaiting_cell_that_blocks(kernel: Frontend, widget: Widget) -> None:
    cell = begin(kernel, "await asyncio.sleep(0)\n" + BLOCKED)
    kernel.until_idle(widget.send(1, **{"open gate": True}))
    assert kernel.result(cell).status == "ok"
    assert widget.seen() == [(1, "subshell")]


def test_main_takes_the_messages_back_when_it_is_free_again(kernel: Frontend, widget: Widget) -> None:
    cell = begin(kernel, BLOCKED)
    kernel.until_idle(widget.send(1, **{"open gate": True}))
    kernel.result(cell)
    kernel.until_idle(widget.send(2))
    assert widget.seen() == [(1, "subshell"), (2, "main")]


@pytest.mark.parametrize("code", ["", BLOCKED, AWAITING], ids=["free", "blocked", "awaiting"])
def test_messages_are_handled_once_and_in_order(kernel: Frontend, widget: Widget, code: str) -> None:
    cell = begin(kernel, code) if code else None
    sent = [widget.send(n) for n in range(50)] + [widget.send(50, **{"open gate": True})]
    for n, msg_id in enumerate(sent):
        messages = kernel.until_idle(msg_id)
        assert once(messages) == ["busy", "stream", "comm_msg", "idle"], n
    if cell:
        assert kernel.result(cell).stdout == "on\n"
    assert [n for n, _ in widget.seen()] == list(range(51))


def test_order_is_kept_across_the_end_of_a_blocking_cell(kernel: Frontend, widget: Widget) -> None:
    """Cells that block for about as long as main's patience: messages change lanes all the time."""
    cells, sent = [], []
    for n in range(40):
        cells.append(kernel.send_execute(f"time.sleep({0.03 + n % 5 * 0.01})"))
        sent += [widget.send(3 * n + k) for k in range(3)]
    for msg_id in sent:
        assert once(kernel.until_idle(msg_id)) == ["busy", "stream", "comm_msg", "idle"]
    for msg_id in cells:
        assert kernel.result(msg_id).status == "ok"
    seen = widget.seen()
    assert [n for n, _ in seen] == list(range(120))
    assert kernel.execute("max(overlaps)").result == {"text/plain": "1"}


def test_a_slow_handler_on_main_is_not_overtaken_by_the_subshell(kernel: Frontend, widget: Widget) -> None:
    """Libraries that draw are not thread-safe: two handlers never run at once."""
    first = widget.send(1, hold=True)
    kernel.see_text("handled 1", first)
    second = widget.send(2)
    # The subshell's thread is free, and answers: it has had time to take the second message, and must not.
    for _ in range(3):
        kernel.execute("time.sleep(0.05)", subshell_id=widget.subshell)
    kernel.execute("held.set()", subshell_id=widget.subshell)
    kernel.until_idle(first)
    kernel.until_idle(second)
    assert widget.seen() == [(1, "main"), (2, "main")]
    assert kernel.execute("max(overlaps)").result == {"text/plain": "1"}


def test_a_slow_handler_on_the_subshell_is_not_overtaken_by_main(kernel: Frontend, widget: Widget) -> None:
    cell = begin(kernel, BLOCKED)
    first = widget.send(1, hold=True)
    kernel.see_text("handled 1", first)
    opener = kernel.request("create_subshell_request", channel="control").content["subshell_id"]
    kernel.execute("gate.set()", subshell_id=opener)
    kernel.result(cell)
    second = widget.send(2)
    third = widget.send(3)
    kernel.execute("'main is free'")
    kernel.execute("held.set()")
    for msg_id in (first, second, third):
        kernel.until_idle(msg_id)
    assert [n for n, _ in widget.seen()] == [1, 2, 3]
    assert kernel.execute("max(overlaps)").result == {"text/plain": "1"}
    kernel.request("delete_subshell_request", {"subshell_id": opener}, "control")


def test_an_error_in_a_handler_is_shown_and_the_next_message_handled(kernel: Frontend, widget: Widget) -> None:
    cell = begin(kernel, BLOCKED)
    failed = kernel.until_idle(widget.send(1, fail=True))
    assert "in a callback" in "".join(m["content"].get("text", "") for m in failed)
    assert types(failed)[0] == "busy"
    kernel.until_idle(widget.send(2, **{"open gate": True}))
    assert kernel.result(cell).status == "ok"
    assert [n for n, _ in widget.seen()] == [1, 2]


def test_buffers_go_both_ways_over_a_subshell(kernel: Frontend, widget: Widget) -> None:
    cell = begin(kernel, BLOCKED)
    messages = kernel.until_idle(widget.send(1, buffers=(b"abc", bytes(100_000)), **{"open gate": True}))
    echo = next(m for m in messages if m["msg_type"] == "comm_msg")
    assert [bytes(one) for one in echo["buffers"]] == [b"abc", bytes(100_000)]
    kernel.result(cell)


def test_a_handler_that_stops_a_blocking_cell_through_a_flag(kernel: Frontend, widget: Widget) -> None:
    cell = begin(kernel, "print('on', flush=True)\nwhile not gate.is_set():\n    sum(range(100))\nprint('stopped')")
    kernel.until_idle(widget.send(1, **{"open gate": True}))
    assert kernel.result(cell).stdout == "on\nstopped\n"


def test_comm_messages_for_an_unknown_subshell_are_dropped_with_busy_and_idle(kernel: Frontend, widget: Widget) -> None:
    content = {"comm_id": widget.comm_id, "data": {"n": 1}}
    assert types(kernel.until_idle(kernel.send("comm_msg", content, subshell_id="nobody"))) == ["busy", "idle"]
    assert widget.seen() == []


def test_widgets_of_two_subshells_keep_their_own_order(kernel: Frontend, widget: Widget) -> None:
    other_id = kernel.request("create_subshell_request", channel="control").content["subshell_id"]
    cell = begin(kernel, BLOCKED)
    sent = []
    for n in range(30):
        sent.append(widget.send(n))
        content = {"comm_id": widget.comm_id, "data": {"n": n + 100}}
        sent.append(kernel.send("comm_msg", content, subshell_id=other_id))
    last = widget.send(30, **{"open gate": True})
    for msg_id in [*sent, last]:
        kernel.until_idle(msg_id)
    assert kernel.result(cell).status == "ok"
    seen = [n for n, _ in widget.seen()]
    assert [n for n in seen if n < 100] == list(range(31))
    assert [n for n in seen if n >= 100] == list(range(100, 130))
    kernel.request("delete_subshell_request", {"subshell_id": other_id}, "control")


@pytest.mark.better_than_ipykernel("the subshell knows no such comm")
def test_a_message_over_a_subshell_waits_for_its_comm_that_main_is_to_open(kernel: Frontend, widget: Widget) -> None:
    """Two clients, or a front end that makes its subshell late: the comm_open names none, and waits behind a cell."""
    cell = begin(kernel, BLOCKED)
    kernel.until_idle(widget.send(1))
    known, widget.comm_id = widget.comm_id, uuid.uuid4().hex
    opened = kernel.send("comm_open", {"comm_id": widget.comm_id, "target_name": "echo", "data": {}})
    early = widget.send(2)
    new, widget.comm_id = widget.comm_id, known
    behind = widget.send(3)
    # The subshell is free, and has had time to take them.
    for _ in range(3):
        kernel.execute("time.sleep(0.05)", subshell_id=widget.subshell)
    opener = kernel.request("create_subshell_request", channel="control").content["subshell_id"]
    kernel.execute("gate.set()", subshell_id=opener)
    kernel.result(cell)
    for msg_id in (opened, early, behind):
        kernel.until_idle(msg_id)
    assert widget.seen() == [(1, "subshell"), ("open", "main"), (2, "main"), (3, "main")]
    for comm_id in (new, known):
        kernel.until_idle(kernel.send("comm_close", {"comm_id": comm_id, "data": {}}))
    kernel.request("delete_subshell_request", {"subshell_id": opener}, "control")


def test_a_message_for_another_comm_does_not_wait(kernel: Frontend, widget: Widget) -> None:
    cell = begin(kernel, BLOCKED)
    opened = kernel.send("comm_open", {"comm_id": uuid.uuid4().hex, "target_name": "echo", "data": {}})
    kernel.until_idle(widget.send(1, **{"open gate": True}))
    kernel.result(cell)
    kernel.until_idle(opened)
    assert widget.seen() == [(1, "subshell"), ("open", "main")]
