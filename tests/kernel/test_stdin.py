"""Prompts: input, getpass and debuggers ask the client whose cell is running, and only that one."""

from __future__ import annotations

import pytest

from frontend import Frontend, RawKernel

NO_BREAKPOINT = pytest.mark.better_than_ipykernel("debugpy's hook is installed and does nothing without a debugger")


def test_input_asks_with_its_prompt_and_returns_the_answer(kernel: Frontend) -> None:
    msg_id = kernel.send_execute("name = input('who? ')\nprint('hello', name)")
    request = kernel.input("Ada")
    assert request["content"] == {"prompt": "who? ", "password": False}
    assert request["parent_header"]["msg_id"] == msg_id
    result = kernel.result(msg_id)
    assert result.stdout == "hello Ada\n"
    assert result.types == ["busy", "execute_input", "stream", "idle"]


def test_getpass_asks_for_a_password(kernel: Frontend) -> None:
    msg_id = kernel.send_execute("import getpass\nlen(getpass.getpass('secret: '))")
    assert kernel.input("hidden")["content"] == {"prompt": "secret: ", "password": True}
    assert kernel.result(msg_id).result == {"text/plain": "6"}


@pytest.mark.better_than_ipykernel("asks with no prompt")
def test_getpass_has_the_prompt_of_the_library_by_default(kernel: Frontend) -> None:
    msg_id = kernel.send_execute("from getpass import getpass\ngetpass()")
    assert kernel.input("x")["content"] == {"prompt": "Password: ", "password": True}
    assert kernel.result(msg_id).result == {"text/plain": "'x'"}


@pytest.mark.parametrize(("code", "prompt"), [("input()", ""), ("input(5)", "5"), ("input('é😀')", "é😀")])
def test_any_prompt_arrives_as_text(kernel: Frontend, code: str, prompt: str) -> None:
    msg_id = kernel.send_execute(code)
    assert kernel.input("è𝒜\n2")["content"]["prompt"] == prompt
    assert kernel.result(msg_id).result == {"text/plain": repr("è𝒜\n2")}


def test_several_prompts_in_one_cell(kernel: Frontend) -> None:
    assert kernel.execute("print([input(str(n)) for n in range(3)])", answers="abc").stdout == "['a', 'b', 'c']\n"


def test_what_was_printed_is_there_before_the_prompt_is_answered(kernel: Frontend) -> None:
    msg_id = kernel.send_execute("import sys\nprint('out', end='')\nprint('err', end='', file=sys.stderr)\ninput()")
    kernel.see(lambda m: m["msg_type"] == "input_request", "stdin")
    kernel.see_text("out", msg_id)
    kernel.see_text("err", msg_id)
    kernel.input("")
    kernel.result(msg_id)


def test_input_in_a_cell_that_awaits(kernel: Frontend) -> None:
    code = "import asyncio\nawait asyncio.sleep(0)\na = input('a')\nawait asyncio.sleep(0)\na + input('b')"
    assert kernel.execute(code, answers=["x", "y"]).result == {"text/plain": "'xy'"}


def test_input_from_a_thread_of_the_user(kernel: Frontend) -> None:
    code = """
import threading
answers = []
thread = threading.Thread(target=lambda: answers.append(input("from a thread ")))
thread.start(); thread.join()
answers
"""
    msg_id = kernel.send_execute(code)
    request = kernel.input("heard")
    assert request["content"]["prompt"] == "from a thread "
    assert request["parent_header"]["msg_id"] == msg_id
    assert kernel.result(msg_id).result == {"text/plain": "['heard']"}


def test_input_in_an_executor(kernel: Frontend) -> None:
    code = "import asyncio\nawait asyncio.to_thread(input, 'in an executor ')"
    assert kernel.execute(code, answers=["ok"]).result == {"text/plain": "'ok'"}


@pytest.mark.parametrize("code", ["input('x')", "import getpass; getpass.getpass()"])
def test_without_allow_stdin_a_prompt_is_refused(kernel: Frontend, code: str) -> None:
    result = kernel.execute(code, allow_stdin=False)
    assert result.ename == "StdinNotImplementedError"
    assert kernel.execute("input()", answers=["a"]).status == "ok"


def test_the_refusal_can_be_caught(kernel: Frontend) -> None:
    code = (
        "from IPython.core.error import StdinNotImplementedError\n"
        "try:\n    input()\nexcept StdinNotImplementedError:\n    print('caught')"
    )
    assert kernel.execute(code, allow_stdin=False).stdout == "caught\n"


def test_end_of_transmission_is_eoferror(kernel: Frontend) -> None:
    assert kernel.execute("input()", answers=["\x04"]).ename == "EOFError"


def test_an_answer_nobody_asked_for_is_not_given_to_the_next_prompt(kernel: Frontend) -> None:
    for _ in range(3):
        kernel.client.input("stale")
    kernel.request("kernel_info_request", channel="control")
    for n in range(3):
        assert kernel.execute("input()", answers=[f"fresh {n}"]).result == {"text/plain": f"'fresh {n}'"}


def test_an_interrupted_prompt_leaves_nothing_for_the_next_one(kernel: Frontend) -> None:
    msg_id = kernel.send_execute("input('first')")
    kernel.see(lambda m: m["msg_type"] == "input_request", "stdin")
    kernel.interrupt()
    assert kernel.result(msg_id).ename == "KeyboardInterrupt"
    kernel.input("too late")
    kernel.request("kernel_info_request", channel="control")
    assert kernel.execute("input('second')", answers=["right"]).result == {"text/plain": "'right'"}


@pytest.mark.better_than_ipykernel("takes the answer of any client")
def test_only_the_client_whose_cell_runs_is_asked() -> None:
    with RawKernel() as raw:
        one, other = raw.client().ready(), raw.client().ready()
        request = one.execute("input('one?')", allow_stdin=True)
        asked = one.recv("stdin")
        assert asked["content"] == {"prompt": "one?", "password": False}
        assert asked["parent_header"] == request
        other.send("kernel_info_request", channel="control")
        other.recv("control")
        assert other.silent("stdin")
        other.send("input_reply", {"value": "from the wrong client"}, channel="stdin")
        other.send("kernel_info_request", channel="control")
        other.recv("control")
        one.send("input_reply", {"value": "mine"}, channel="stdin")
        assert one.reply(request)["content"]["status"] == "ok"
        results = [m["content"]["data"] for m in one.until_idle(request) if m["msg_type"] == "execute_result"]
        assert results == [{"text/plain": "'mine'"}]


# -- debuggers


def answer_prompts(kernel: Frontend, msg_id: str, *answers: str) -> list[str]:
    """Answer one prompt after the other and return the prompts."""
    return [kernel.input(answer)["content"]["prompt"] for answer in answers]


def test_debug_magic_looks_into_the_last_error(kernel: Frontend) -> None:
    kernel.execute("def broken(inside):\n    1/0\nbroken(41)")
    msg_id = kernel.send_execute("%debug")
    prompts = answer_prompts(kernel, msg_id, "p inside + 1", "up", "q")
    assert all("pdb" in prompt for prompt in prompts)
    result = kernel.result(msg_id)
    assert result.status == "ok"
    assert "42" in result.stdout
    assert kernel.execute("1").status == "ok"


def test_debug_magic_with_a_statement(kernel: Frontend) -> None:
    msg_id = kernel.send_execute("%debug value = 6 * 7")
    answer_prompts(kernel, msg_id, "c")
    assert kernel.result(msg_id).status == "ok"


@pytest.mark.parametrize(
    "call",
    [
        "import pdb; pdb.set_trace()",
        "from IPython.core.debugger import set_trace; set_trace()",
        pytest.param("import sys; sys.breakpointhook()", marks=NO_BREAKPOINT),
        pytest.param("breakpoint()", marks=NO_BREAKPOINT),
    ],
)
def test_a_breakpoint_stops_prints_and_goes_on(kernel: Frontend, call: str) -> None:
    msg_id = kernel.send_execute(f"def stopped(x):\n    {call}\n    return x + 1\nstopped(41)")
    prompts = answer_prompts(kernel, msg_id, "p x * 2", "c")
    assert all("db" in prompt.lower() for prompt in prompts)
    result = kernel.result(msg_id)
    assert "82" in result.stdout
    assert result.result == {"text/plain": "42"}


def test_post_mortem_of_the_last_error(kernel: Frontend) -> None:
    kernel.execute("def broken(inside):\n    1/0\nbroken(20)")
    msg_id = kernel.send_execute("import pdb; pdb.pm()")
    answer_prompts(kernel, msg_id, "p inside + 1", "q")
    assert "21" in kernel.result(msg_id).stdout
    assert kernel.execute("1").status == "ok"


def test_leaving_the_debugger_is_bdbquit_and_the_kernel_lives(kernel: Frontend) -> None:
    msg_id = kernel.send_execute("import pdb; pdb.set_trace()\nx = 1")
    answer_prompts(kernel, msg_id, "q")
    result = kernel.result(msg_id)
    assert result.ename in ("BdbQuit", None)
    assert kernel.execute("print('after')").stdout == "after\n"


def test_pdb_magic_opens_the_debugger_on_an_error(kernel: Frontend) -> None:
    kernel.execute("%pdb on")
    msg_id = kernel.send_execute("seen = 43\n1/0")
    answer_prompts(kernel, msg_id, "p seen", "q")
    result = kernel.result(msg_id)
    assert result.ename == "ZeroDivisionError"
    assert "43" in result.stdout
    kernel.execute("%pdb off")


def test_an_interrupt_at_the_debuggers_prompt_leaves_a_working_kernel(kernel: Frontend) -> None:
    msg_id = kernel.send_execute("import pdb; pdb.set_trace()\nprint('past the trace')")
    kernel.take("stdin", lambda m: m["msg_type"] == "input_request")
    kernel.interrupt()
    # Either pdb takes the interrupt and asks again, or the cell ends: both are what a debugger may do.
    while kernel.wait_any(msg_id) == "stdin":
        kernel.input("c")
    kernel.result(msg_id)
    assert kernel.execute("1 + 1").result == {"text/plain": "2"}
