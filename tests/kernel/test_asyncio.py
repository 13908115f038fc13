"""asyncio in cells: top-level await, tasks that live between cells, and asyncio.run in a plain cell."""

from __future__ import annotations

import pytest

from frontend import Frontend, Result
from needs import need_module

PARKED = pytest.mark.better_than_ipykernel("its loop is running while a cell runs")


def value(kernel: Frontend, code: str) -> str:
    """The text of a cell's result; the cell must succeed, and say nothing on stderr."""
    result = kernel.execute(code)
    assert result.status == "ok", result.content
    assert result.stderr == ""
    assert result.result is not None
    return str(result.result["text/plain"])


@pytest.fixture(autouse=True)
def helpers(kernel: Frontend) -> None:
    """Names that the tests' cells use."""
    kernel.execute("import asyncio\nasync def double(x):\n    await asyncio.sleep(0)\n    return 2 * x")


def test_await_at_the_top_level(kernel: Frontend) -> None:
    assert value(kernel, "await double(21)") == "42"
    assert value(kernel, "x = await double(1)\ny = await double(x)\nx, y") == "(2, 4)"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("await asyncio.gather(double(1), double(2))", "[2, 4]"),
        ("async with asyncio.TaskGroup() as group:\n    t = group.create_task(double(3))\nt.result()", "6"),
        ("async with asyncio.timeout(30):\n    r = await double(4)\nr", "8"),
        ("await asyncio.wait_for(double(5), 30)", "10"),
        ("[n async for n in agen()]", "[0, 1, 2]"),
        ("found = []\nasync for n in agen():\n    found.append(n)\nfound", "[0, 1, 2]"),
        ("await asyncio.to_thread(sum, [1, 2])", "3"),
        ("await asyncio.get_running_loop().run_in_executor(None, sum, [1, 2])", "3"),
        ("(await (await asyncio.create_subprocess_shell('echo x', stdout=-1)).communicate())[0]", r"b'x\n'"),
        ("[await f for f in asyncio.as_completed([double(1)])]", "[2]"),
    ],
    ids=["gather", "group", "timeout", "wait_for", "acomp", "afor", "to_thread", "executor", "process", "completed"],
)
def test_asynchronous_code_runs_at_the_top_level(kernel: Frontend, code: str, expected: str) -> None:
    kernel.execute("async def agen():\n    for n in range(3):\n        await asyncio.sleep(0)\n        yield n")
    assert value(kernel, code) == expected


def test_the_timeout_of_a_cell_is_its_own_error(kernel: Frontend) -> None:
    assert kernel.execute("async with asyncio.timeout(0.01):\n    await asyncio.sleep(600)").ename == "TimeoutError"


def test_cancelled_error_of_a_cell_is_told(kernel: Frontend) -> None:
    assert kernel.execute("t = asyncio.create_task(asyncio.sleep(600))\nt.cancel()\nawait t").ename == "CancelledError"
    assert value(kernel, "await double(1)") == "2"


def test_get_running_loop_is_the_same_in_every_cell(kernel: Frontend) -> None:
    kernel.execute("plain = asyncio.get_running_loop()")
    kernel.execute("await asyncio.sleep(0)\nawaiting = asyncio.get_running_loop()")
    assert value(kernel, "plain is awaiting is asyncio.get_running_loop() is asyncio.get_event_loop()") == "True"


def test_the_loop_is_asyncios_own(kernel: Frontend) -> None:
    assert value(kernel, "isinstance(asyncio.get_running_loop(), asyncio.BaseEventLoop)") == "True"


def test_create_task_in_a_plain_cell_is_awaited_in_a_later_one(kernel: Frontend) -> None:
    kernel.execute("task = asyncio.create_task(double(4))")
    assert value(kernel, "await task") == "8"


def test_a_background_task_runs_between_cells(kernel: Frontend) -> None:
    """It prints when nobody runs a cell: the text arrives, though no cell gave it the time."""
    kernel.execute("async def later():\n    await asyncio.sleep(0.01)\n    print('ran')")
    result = kernel.execute("t = asyncio.create_task(later())")
    if "ran" not in result.stdout:
        kernel.take("iopub", lambda m: m["msg_type"] == "stream" and m["content"]["text"] == "ran\n")
    assert value(kernel, "t.done()") == "True"


def test_a_background_task_and_later_cells_talk(kernel: Frontend) -> None:
    code = """
        inbox, outbox = asyncio.Queue(), asyncio.Queue()
        async def serve():
            while (number := await inbox.get()) is not None:
                await outbox.put(number ** 2)
        server = asyncio.create_task(serve())
        """
    kernel.execute(code)
    for number in (2, 3):
        kernel.execute(f"inbox.put_nowait({number})")
        assert value(kernel, "await outbox.get()") == str(number**2)
    kernel.execute("inbox.put_nowait(None)\nawait server")


def test_a_background_task_advances_while_another_cell_awaits(kernel: Frontend) -> None:
    kernel.execute("ready = asyncio.Event()\nasync def work():\n    ready.set()\nt = asyncio.create_task(work())")
    assert value(kernel, "await asyncio.wait_for(ready.wait(), 30)") == "True"


def test_a_server_of_one_cell_answers_in_another(kernel: Frontend) -> None:
    code = """
        async def answer(reader, writer):
            writer.write((await reader.readline()).upper())
            writer.close()
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        """
    kernel.execute(code)
    client = "r, w = await asyncio.open_connection('127.0.0.1', port)\nw.write(b'hi\\n')\nanswer = await r.readline()"
    client += "\nw.close()\nanswer"
    assert value(kernel, client) == r"b'HI\n'"
    kernel.execute("server.close()")


@PARKED
@pytest.mark.parametrize(
    "code",
    [
        "asyncio.run(double(21))",
        "with asyncio.Runner() as runner:\n    r = runner.run(double(21))\nr",
        "asyncio.get_event_loop().run_until_complete(double(21))",
        "asyncio.new_event_loop().run_until_complete(double(21))",
        "def main():\n    return asyncio.run(double(21))\nmain()",
        "asyncio.run(asyncio.wait_for(double(21), 30), debug=False)",
    ],
    ids=["run", "Runner", "own loop", "new loop", "function", "nested await"],
)
def test_a_plain_cell_runs_a_coroutine_as_a_script_does(kernel: Frontend, code: str) -> None:
    kernel.execute("import warnings; warnings.simplefilter('ignore', ResourceWarning)")
    assert value(kernel, code) == "42"
    assert value(kernel, "await double(1)") == "2"
    assert value(kernel, "asyncio.get_running_loop() is asyncio.get_event_loop()") == "True"


@PARKED
def test_anyio_runs_in_a_plain_cell(kernel: Frontend) -> None:
    need_module("anyio")
    assert value(kernel, "import anyio\nanyio.run(double, 21)") == "42"
    assert value(kernel, "await double(1)") == "2"


@PARKED
def test_asyncio_run_leaves_background_tasks_alone(kernel: Frontend) -> None:
    kernel.execute("go = asyncio.Event()\nt = asyncio.create_task(go.wait())")
    assert value(kernel, "asyncio.run(double(1)), t.done()") == "(2, False)"
    assert value(kernel, "go.set()\nawait t") == "True"


@PARKED
def test_asyncio_run_of_a_failing_coroutine_tells_its_error(kernel: Frontend) -> None:
    kernel.execute("async def fail(): raise LookupError('deep')")
    assert kernel.execute("asyncio.run(fail())").ename == "LookupError"


@PARKED
def test_asyncio_run_can_be_interrupted(kernel: Frontend) -> None:
    kernel.execute("async def long():\n    print('in')\n    await asyncio.sleep(600)")
    msg_id = kernel.send_execute("asyncio.run(long())")
    kernel.see_text("in", msg_id)
    kernel.interrupt()
    assert kernel.result(msg_id).ename == "KeyboardInterrupt"
    assert value(kernel, "await double(1)") == "2"


def test_asyncio_run_in_an_awaiting_cell_is_refused(kernel: Frontend) -> None:
    result = kernel.execute("await asyncio.sleep(0)\nc = double(1)\nasyncio.run(c)")
    assert result.ename == "RuntimeError"
    kernel.execute("c.close()")


def test_asyncio_run_in_a_thread_works(kernel: Frontend) -> None:
    code = "from concurrent.futures import ThreadPoolExecutor\n"
    assert value(kernel, code + "ThreadPoolExecutor().submit(asyncio.run, double(21)).result()") == "42"


def test_there_is_no_running_loop_in_another_thread(kernel: Frontend) -> None:
    kernel.execute("from concurrent.futures import ThreadPoolExecutor\npool = ThreadPoolExecutor()")
    assert kernel.execute("pool.submit(asyncio.get_running_loop).result()").ename == "RuntimeError"


def test_threads_hand_work_to_the_loop(kernel: Frontend) -> None:
    code = """
        import threading
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        threading.Thread(target=loop.call_soon_threadsafe, args=(future.set_result, "handed over")).start()
        await future
        """
    assert value(kernel, code) == "'handed over'"


def test_run_coroutine_threadsafe_finds_the_loop_between_cells(kernel: Frontend) -> None:
    kernel.execute("loop = asyncio.get_running_loop()")
    code = """
        import threading
        results = []
        finished = asyncio.Event()
        def work():
            results.append(asyncio.run_coroutine_threadsafe(double(8), loop).result(30))
            loop.call_soon_threadsafe(finished.set)
        thread = threading.Thread(target=work)
        thread.start()
        """
    kernel.execute(code)
    assert value(kernel, "await finished.wait()\nresults") == "[16]"


def test_autoawait_can_be_turned_off_and_on(kernel: Frontend) -> None:
    assert "asyncio" in kernel.execute("%autoawait").stdout
    kernel.execute("%autoawait off")
    assert kernel.execute("await double(1)").ename == "SyntaxError"
    kernel.execute("%autoawait asyncio")
    assert value(kernel, "await double(1)") == "2"


def test_closing_the_loop_does_not_kill_the_kernel(fresh_kernel: Frontend) -> None:
    result = fresh_kernel.execute("import asyncio\nasyncio.get_event_loop().close()")
    assert fresh_kernel.execute("'alive'").result == {"text/plain": "'alive'"}
    if result.status == "ok":  # ipykernel's loop is running and refuses
        assert fresh_kernel.execute("await asyncio.sleep(0, 'and awaits')").result == {"text/plain": "'and awaits'"}


@PARKED
def test_stopping_the_loop_does_not_kill_the_kernel(fresh_kernel: Frontend) -> None:
    fresh_kernel.execute("import asyncio\nasyncio.get_event_loop().stop()")
    assert fresh_kernel.execute("'alive'").result == {"text/plain": "'alive'"}
    assert fresh_kernel.execute("await asyncio.sleep(0, 'and awaits')").result == {"text/plain": "'and awaits'"}


def test_setting_another_loop_does_not_kill_the_kernel(fresh_kernel: Frontend) -> None:
    fresh_kernel.execute("import asyncio\nasyncio.set_event_loop(None)")
    assert fresh_kernel.execute("'alive'").result == {"text/plain": "'alive'"}
    fresh_kernel.execute("asyncio.set_event_loop(asyncio.new_event_loop())")
    assert fresh_kernel.execute("await asyncio.sleep(0, 'awaits')").result == {"text/plain": "'awaits'"}


def told(kernel: Frontend, starter: Result, later: Result) -> str:
    """What came to stderr of the cell that started something: in its time, or afterwards, but always as its output."""
    if starter.stderr or later.stderr:
        return starter.stderr + later.stderr
    message = kernel.take("iopub", lambda m: m["msg_type"] == "stream")
    assert message["parent_header"]["msg_id"] == starter.request["msg_id"]
    return str(message["content"]["text"])


@pytest.mark.better_than_ipykernel("it goes to the log of the server")
def test_an_error_in_a_background_task_is_told_to_its_cell(kernel: Frontend) -> None:
    kernel.execute("import gc\nasync def fail():\n    raise LookupError('nobody waits for me')")
    starter = kernel.execute("asyncio.get_running_loop().call_soon(asyncio.create_task, fail());")
    later = kernel.execute("await asyncio.sleep(0.01)\ngc.collect();")
    assert "nobody waits for me" in told(kernel, starter, later)


@pytest.mark.better_than_ipykernel("the error is told without parent")
def test_an_error_in_a_callback_does_not_end_the_kernel(kernel: Frontend) -> None:
    result = kernel.execute("asyncio.get_running_loop().call_soon(lambda: 1 / 0);\nawait asyncio.sleep(0.01)")
    assert result.status == "ok"
    assert value(kernel, "await double(1)") == "2"


@pytest.mark.better_than_ipykernel("it exits")
def test_sys_exit_in_a_task_does_not_end_the_kernel(kernel: Frontend) -> None:
    starter = kernel.execute("import sys\nasync def leave(): sys.exit(3)\nt = asyncio.create_task(leave())")
    later = kernel.execute("await asyncio.sleep(0)\nawait double(1)")
    assert later.result == {"text/plain": "2"}
    assert "exit" in told(kernel, starter, later)
