"""Errors that no cell is there to catch, of background tasks, callbacks, threads: told in the cell that made them."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator

import pytest

from frontend import Frontend, Json, Result


@pytest.fixture
def made(kernel: Frontend) -> Iterator[Frontend]:
    """A kernel with what the cells here use."""
    code = """
        import asyncio, gc, threading
        gc.disable()  # a task's error is told when the task is collected: in the cells that ask for it
        async def fail(go=None):
            if go is not None: await go.wait()
            raise ValueError("lost")
        """
    kernel.execute(code)
    yield kernel
    kernel.execute("gc.enable()\ngo = task = None")


def follow(kernel: Frontend, first: Result, second: Result) -> tuple[str, str]:
    """Stderr of two finished cells, with what came to the first one after its end."""
    texts = {result.request["msg_id"]: result.stderr for result in (first, second)}
    late: list[Json] = kernel.leftovers().get("iopub", [])
    for message in late:
        assert message["msg_type"] == "stream", message
        texts[message["parent_header"]["msg_id"]] += message["content"]["text"]
    one, two = texts.values()
    return one, two


def assert_told(text: str, words: str = "") -> None:
    assert text.count("ValueError: lost") == 1
    assert words in text
    assert "kernelet" not in text


@pytest.mark.better_than_ipykernel("it is told in the newest cell")
def test_the_error_of_a_task_is_told_in_the_cell_that_made_it(made: Frontend) -> None:
    first = made.execute("go = asyncio.Event()\nt = asyncio.create_task(fail(go))\ndel t")
    made.execute("go.set()\nfor n in range(5): await asyncio.sleep(0)")
    second = made.execute("gc.collect();")
    one, two = follow(made, first, second)
    assert_told(one, "Task exception was never retrieved")
    assert two == ""


@pytest.mark.better_than_ipykernel("the kernel ends")
@pytest.mark.parametrize(
    "before",
    ["", "import asyncio", "import asyncio\ntask = asyncio.get_running_loop().create_task(asyncio.sleep(1000))"],
    ids=["no loop", "a loop", "a task"],
)
def test_the_error_of_a_signal_handler_while_nothing_runs_ends_nothing(
    start_kernel: Callable[..., Frontend], before: str
) -> None:
    kernel = start_kernel()
    fails = "def fail(*_):\n    raise ValueError('lost')\nsignal.signal(signal.SIGUSR2, fail)"
    cell = kernel.execute(f"{before}\nimport signal\n{fails}")
    kernel.signal(signal.SIGUSR2)
    told = kernel.take("iopub", lambda m: m["msg_type"] == "stream" and "lost" in m["content"]["text"])
    assert told["parent_header"]["msg_id"] == cell.request["msg_id"]
    assert_told(told["content"]["text"], "a signal handler failed")
    assert kernel.execute("print('lives')").stdout == "lives\n"


@pytest.mark.better_than_ipykernel("it is told in the newest cell")
def test_the_error_of_a_task_that_user_code_dropped_later(made: Frontend) -> None:
    first = made.execute("task = asyncio.create_task(fail())")
    made.execute("1 + 1")
    second = made.execute("del task\ngc.collect();")
    one, two = follow(made, first, second)
    assert_told(one)
    assert two == ""


@pytest.mark.better_than_ipykernel("it is told in the newest cell")
def test_the_error_of_a_callback_is_told_in_the_cell_that_scheduled_it(made: Frontend) -> None:
    code = """
        loop, go = asyncio.get_running_loop(), asyncio.Event()
        def call(): raise ValueError("lost")
        async def wait():
            await go.wait()
            loop.call_soon(call)
        task = asyncio.create_task(wait())
        """
    first = made.execute(code)
    second = made.execute("go.set()\nfor n in range(5): await asyncio.sleep(0)")
    one, two = follow(made, first, second)
    assert_told(one, "Exception in callback call()")
    assert two == ""


@pytest.mark.better_than_ipykernel("it is told in the newest cell")
def test_a_task_of_a_task_belongs_to_the_same_cell(made: Frontend) -> None:
    code = """
        go = asyncio.Event()
        async def outer():
            await go.wait()
            asyncio.create_task(fail())
        task = asyncio.create_task(outer())
        """
    first = made.execute(code)
    made.execute("go.set()\nfor n in range(5): await asyncio.sleep(0)")
    second = made.execute("gc.collect();")
    one, two = follow(made, first, second)
    assert_told(one)
    assert two == ""


def test_an_error_that_was_awaited_is_not_told_twice(made: Frontend) -> None:
    result = made.execute(
        "try:\n    await asyncio.create_task(fail())\nexcept ValueError: print('caught')\ngc.collect();"
    )
    assert (result.stdout, result.stderr) == ("caught\n", "")


@pytest.mark.better_than_ipykernel("it is told in the newest cell")
def test_the_error_of_a_thread_is_told_in_the_cell_that_started_it(made: Frontend) -> None:
    code = """
        go = threading.Event()
        def work():
            go.wait()
            raise ValueError("lost")
        thread = threading.Thread(target=work, name="worker")
        thread.start()
        """
    first = made.execute(code)
    second = made.execute("go.set()\nthread.join()")
    one, two = follow(made, first, second)
    assert_told(one, "Exception in thread worker")
    assert one.startswith("Exception in thread worker:\nTraceback (most recent call last):\n")
    assert 'raise ValueError("lost")' in one
    assert two == ""


@pytest.mark.better_than_ipykernel("their lines are mixed")
def test_errors_of_many_threads_are_told_one_by_one(made: Frontend) -> None:
    code = """
        def work():
            gate.wait()
            raise ValueError("lost")
        gate = threading.Barrier(20)
        threads = [threading.Thread(target=work) for n in range(20)]
        for t in threads: t.start()
        for t in threads: t.join()
        """
    told = made.execute(code).stderr.split("Exception in thread ")[1:]
    assert len(told) == 20
    for one in told:
        assert one.count("Traceback") == 1
        assert one.endswith("ValueError: lost\n")


def test_sys_exit_in_a_thread_is_silent(made: Frontend) -> None:
    result = made.execute(
        "import sys\nt = threading.Thread(target=sys.exit, args=(3,))\nt.start()\nt.join()\nt.is_alive()"
    )
    assert result.stderr == ""
    assert result.result == {"text/plain": "False"}


def test_user_code_may_put_its_own_excepthook(made: Frontend) -> None:
    code = """
        before, seen = threading.excepthook, []
        threading.excepthook = lambda failure: seen.append(failure.exc_type.__name__)
        t = threading.Thread(target=lambda: 1 / 0)
        t.start()
        t.join()
        threading.excepthook = before
        seen
        """
    result = made.execute(code)
    assert result.result == {"text/plain": "['ZeroDivisionError']"}
    assert result.stderr == ""


def test_the_error_of_a_future_that_nobody_made_in_a_cell_reaches_the_newest_one(made: Frontend) -> None:
    result = made.execute("f = asyncio.get_running_loop().create_future()\nf.set_exception(ValueError('lost'))\ndel f")
    assert_told(result.stderr, "Future exception was never retrieved")
