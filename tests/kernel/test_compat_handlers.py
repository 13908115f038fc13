"""User code that takes part in the handling of requests: handlers, replays, one iteration, hooks (rows 15, 16, 23)."""

from __future__ import annotations

import uuid

import pytest

from cells import value
from frontend import Frontend

pytestmark = pytest.mark.better_than_ipykernel("it removed do_one_iteration and keeps requests of unknown types out")

REGISTER = """
import comm, asyncio
got = []
def opened(comm, msg):
    comm.on_msg(lambda msg: (print("got", msg["content"]["data"]["n"]), got.append(msg["content"]["data"]["n"])))
comm.get_comm_manager().register_target("numbers", opened)
kernel = get_ipython().kernel
"""


@pytest.fixture
def numbers(fresh_kernel: Frontend) -> tuple[Frontend, str]:
    """A kernel and an open comm that collects numbers."""
    fresh_kernel.execute(REGISTER)
    comm_id = uuid.uuid4().hex
    fresh_kernel.until_idle(fresh_kernel.send("comm_open", {"comm_id": comm_id, "target_name": "numbers", "data": {}}))
    return fresh_kernel, comm_id


# -- handlers


def test_kernel_has_its_handlers_on_show(kernel: Frontend) -> None:
    code = """
    import inspect
    kernel = get_ipython().kernel
    [inspect.iscoroutinefunction(kernel.shell_handlers[name]) for name in
        ("execute_request", "complete_request", "comm_msg", "shutdown_request")], kernel.execute_request.__name__
    """
    assert value(kernel, code) == "([True, True, True, True], 'execute_request')"
    assert value(kernel, "inspect.iscoroutinefunction(kernel.execute_request)") == "True"


@pytest.mark.parametrize("define", ["def", "async def"])
def test_handler_for_a_type_of_ones_own(kernel: Frontend, define: str) -> None:
    kernel.execute(
        f"kernel = get_ipython().kernel\n{define} answer(stream, ident, parent):\n"
        "    print('asked', parent['content'])\n"
        "    kernel.session.send(stream, 'hello_reply', {'hi': 1}, parent=parent, ident=ident)\n"
        "kernel.shell_handlers['hello_request'] = kernel.control_handlers['hello_request'] = answer"
    )
    for channel in ("shell", "control"):
        result = kernel.request("hello_request", {"a": 1}, channel=channel)
        assert result.reply["msg_type"] == "hello_reply"
        assert result.content == {"hi": 1}
        assert result.stdout == "asked {'a': 1}\n"
        assert result.types == ["busy", "stream", "idle"]
    kernel.execute("del kernel.shell_handlers['hello_request'], kernel.control_handlers['hello_request']")
    assert kernel.request("hello_request").content["ename"] == "UnknownMessageType"


@pytest.mark.parametrize("cell", ["print('ran')\n6 * 7", "import asyncio\nawait asyncio.sleep(0)\nprint('ran')\n6 * 7"])
def test_handler_that_calls_the_kernels_own(fresh_kernel: Frontend, cell: str) -> None:
    fresh_kernel.execute("""
kernel, seen = get_ipython().kernel, []
own = kernel.shell_handlers['execute_request']
async def handler(stream, ident, parent):
    seen.append(parent['content']['code'][-5:])
    await own(stream, ident, parent)
kernel.shell_handlers['execute_request'] = handler
""")
    result = fresh_kernel.execute(cell)
    assert result.result == {"text/plain": "42"}
    assert result.stdout == "ran\n"
    assert result.types[0] == "busy"
    assert result.types[-1] == "idle"
    fresh_kernel.execute("kernel.shell_handlers['execute_request'] = own")
    assert value(fresh_kernel, "seen") == "['6 * 7', '= own']"


def test_error_in_a_handler_is_the_reply(fresh_kernel: Frontend) -> None:
    fresh_kernel.execute("get_ipython().kernel.shell_handlers['bad_request'] = lambda *args: 1 / 0")
    assert fresh_kernel.request("bad_request").content["ename"] == "ZeroDivisionError"


# -- keeping requests back, and replaying them (dash, jupyter_ui_poll)

KEEP = """
import asyncio
kernel, kept = get_ipython().kernel, []
own = kernel.shell_handlers["execute_request"]
kernel.shell_handlers["execute_request"] = lambda stream, ident, parent: kept.append((stream, ident, parent))
async def replay(stream, ident, parent):
    here = kernel._parent_ident, kernel._parent_header
    kernel.shell_handlers["execute_request"] = own
    for kept_stream, kept_ident, kept_parent in kept:
        kernel.set_parent(kept_ident, kept_parent)
        if kernel._aborting:
            kernel._send_abort_reply(kept_stream, kept_parent, kept_ident)
        else:
            await kernel.execute_request(kept_stream, kept_ident, kept_parent)
        kernel._publish_status("idle", "shell")
        kept_stream.flush(4)
    kernel.set_parent(*here)
    print("replayed", len(kept))
    kernel.session.send(stream, "replay_reply", {}, parent=parent, ident=ident)
kernel.shell_handlers["replay_request"] = replay
"""


@pytest.mark.parametrize("cell", ["print('later')\n6 * 7", "await asyncio.sleep(0)\nprint('later')\n6 * 7"])
def test_request_that_was_kept_back_is_replayed_as_itself(fresh_kernel: Frontend, cell: str) -> None:
    fresh_kernel.execute(KEEP)
    msg_id = fresh_kernel.send_execute(cell)
    kept = fresh_kernel.until_idle(msg_id)
    assert [m["msg_type"] for m in kept] == ["status", "status"]
    replay = fresh_kernel.request("replay_request")
    assert replay.stdout == "replayed 1\n"
    assert fresh_kernel.reply(msg_id)["content"]["status"] == "ok"
    fresh_kernel.see(lambda m: m["msg_type"] == "execute_result" and m["parent_header"]["msg_id"] == msg_id)
    result = fresh_kernel.take("iopub", lambda m: m["msg_type"] == "execute_result")
    assert result["content"]["data"] == {"text/plain": "42"}
    for msg_type in ("execute_input", "stream", "status"):
        fresh_kernel.take("iopub", lambda m: m["msg_type"] == msg_type)  # noqa: B023  # called at once
    assert value(fresh_kernel, "kernel.shell_handlers['execute_request'] is own") == "True"


def test_abort_reply_can_be_sent_for_a_kept_request(fresh_kernel: Frontend) -> None:
    fresh_kernel.execute(
        KEEP
        + """
def abort(stream, ident, parent):
    kernel.shell_handlers["execute_request"] = own
    for kept_stream, kept_ident, kept_parent in kept:
        kernel._send_abort_reply(kept_stream, kept_parent, kept_ident)
    kernel.session.send(stream, "abort_reply", {}, parent=parent, ident=ident)
kernel.shell_handlers["abort_request"] = abort
"""
    )
    msg_id = fresh_kernel.send_execute("1")
    fresh_kernel.until_idle(msg_id)
    fresh_kernel.request("abort_request")
    assert fresh_kernel.reply(msg_id)["content"] == {"status": "aborted"}


# -- one iteration

WAIT = """
while not got:
    {turn}
print("seen", got)
"""
TURNS = {
    "sync poll": "kernel.poll()",
    "run_until_complete": "asyncio.get_event_loop().run_until_complete(kernel.do_one_iteration())",
    "asyncio.run": "asyncio.run(kernel.do_one_iteration())",
    "await": "await kernel.do_one_iteration()",
    "another thread": "pool.submit(asyncio.run, kernel.do_one_iteration()).result()",
}


@pytest.mark.parametrize("turn", TURNS.values(), ids=TURNS)
def test_comm_message_is_handled_in_the_middle_of_a_cell(numbers: tuple[Frontend, str], turn: str) -> None:
    kernel, comm_id = numbers
    kernel.execute("from concurrent.futures import ThreadPoolExecutor\npool = ThreadPoolExecutor(1)")
    cell = kernel.send_execute("print('begun')\n" + WAIT.format(turn=turn))
    kernel.see_text("begun", cell)
    message = kernel.send("comm_msg", {"comm_id": comm_id, "data": {"n": 7}})
    assert [m["content"].get("text") for m in kernel.until_idle(message)] == [None, "got 7\n", None]
    result = kernel.result(cell)
    assert result.stdout == "begun\nseen [7]\n"
    assert value(kernel, "import asyncio\nasync def f(): return 3\nasyncio.run(f())") == "3"


def test_iteration_leaves_cells_to_their_turn_and_answers_questions(numbers: tuple[Frontend, str]) -> None:
    kernel, comm_id = numbers
    cell = kernel.send_execute("print('begun')\n" + WAIT.format(turn="kernel.poll()") + "x = 1")
    kernel.see_text("begun", cell)
    after = kernel.send_execute("x + 1")
    question = kernel.send("is_complete_request", {"code": "for"})
    message = kernel.send("comm_msg", {"comm_id": comm_id, "data": {"n": 1}})
    kernel.until_idle(message)
    assert kernel.result(question).content["status"] == "invalid"
    assert kernel.result(cell).status == "ok"
    assert kernel.result(after).result == {"text/plain": "2"}


def test_output_and_tasks_go_on_after_an_iteration(numbers: tuple[Frontend, str]) -> None:
    kernel, comm_id = numbers
    cell = kernel.send_execute(
        "print('begun')\nwhile not got: kernel.poll()\n"
        "async def late(): print('late')\ntask = asyncio.get_running_loop().create_task(late())\nprint('end')"
    )
    kernel.see_text("begun", cell)
    message = kernel.send("comm_msg", {"comm_id": comm_id, "data": {"n": 1}})
    kernel.until_idle(message)
    assert kernel.result(cell).stdout == "begun\nend\n"
    kernel.see_text("late", cell)
    kernel.take("iopub", lambda m: m["content"].get("text") == "late\n")
    assert value(kernel, "task.done()") == "True"


# -- hooks


def test_hooks_around_each_shell_message(fresh_kernel: Frontend) -> None:
    fresh_kernel.execute("""
kernel, calls = get_ipython().kernel, []
kernel.pre_handler_hook = lambda: calls.append("pre")
kernel.post_handler_hook = lambda: calls.append("post")
""")
    assert value(fresh_kernel, "list(calls)") == "['post', 'pre']"
    fresh_kernel.request("kernel_info_request")
    fresh_kernel.request("kernel_info_request", channel="control")
    assert value(fresh_kernel, "list(calls)") == "['post', 'pre', 'post', 'pre', 'post', 'pre']"


def test_asking_the_kernel_object_itself(kernel: Frontend) -> None:
    code = """
    kernel = get_ipython().kernel
    (kernel.do_complete("impor", 5)["matches"], kernel.do_is_complete("for x in y:")["status"],
     kernel.do_inspect("print", 5)["found"], kernel.do_history("tail", False, True, n=1)["status"])
    """
    assert value(kernel, code) == "(['import'], 'incomplete', True, 'ok')"
