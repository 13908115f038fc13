"""Cells that await, inside magics, inside other cells, and with another async library than asyncio."""

from __future__ import annotations

import pytest

from cells import value
from frontend import Frontend
from needs import need_module


@pytest.fixture(autouse=True)
def _imports(kernel: Frontend) -> None:
    kernel.execute(
        "import asyncio, contextvars\nbox = contextvars.ContextVar('box', default='empty')\n%autoawait asyncio"
    )


better_than_ipykernel = pytest.mark.better_than_ipykernel("its %time and %timeit know no await, nor does a cell in one")


@better_than_ipykernel
def test_time_of_a_cell_that_awaits(kernel: Frontend) -> None:
    result = kernel.execute("%%time\nslept = await asyncio.sleep(0.02, 'slept')\nprint('in between')\nslept * 2")
    assert result.result == {"text/plain": "'sleptslept'"}
    assert result.stdout.startswith("in between\nCPU times: ")
    assert float(result.stdout.partition("Wall time: ")[2].split()[0]) >= 20
    assert value(kernel, "slept") == "'slept'"


@better_than_ipykernel
def test_time_of_a_line_that_awaits(kernel: Frontend) -> None:
    result = kernel.execute(
        "x = %time await asyncio.sleep(0.001, 3)\nfor n in range(2):\n    %time await asyncio.sleep(0)\nx"
    )
    assert result.result == {"text/plain": "3"}
    assert result.stdout.count("Wall time") == 3
    result = kernel.execute("%time await asyncio.sleep(0.001, 'silenced');")
    assert (result.status, result.result) == ("ok", None)


@better_than_ipykernel
def test_time_tells_of_an_error_after_the_time(kernel: Frontend) -> None:
    result = kernel.execute("%%time\nawait asyncio.sleep(0)\n1 / 0")
    assert (result.ename, "Wall time" in result.stdout) == ("ZeroDivisionError", True)
    result = kernel.execute("%time --no-raise-error (await asyncio.sleep(0), 1 / 0)")
    assert (result.status, "Wall time" in result.stdout) == ("ok", True)


@better_than_ipykernel
def test_timeit_of_what_awaits(kernel: Frontend) -> None:
    result = kernel.execute("%timeit -n 3 -r 2 await asyncio.sleep(0.001)")
    assert "per loop (mean ± std. dev. of 2 runs, 3 loops each)" in result.stdout
    code = "%%timeit -n 2 -r 2 -q -o runs = []\nfor n in range(3):\n    async with lock:\n        runs.append(n)"
    kernel.execute("lock = asyncio.Lock()")
    assert value(kernel, f"{code}").startswith("<TimeitResult")
    assert value(kernel, "%timeit -n 5 -r 1 -q -v kept await asyncio.sleep(0)\nkept.loops") == "5"
    assert "per loop" in kernel.execute("%timeit -r 1 await asyncio.sleep(0.1)").stdout


@better_than_ipykernel
def test_timed_cell_that_awaits_can_be_interrupted(kernel: Frontend) -> None:
    for magic in ("%%time", "%%timeit"):
        msg_id = kernel.send_execute(f"{magic}\nprint('begun')\nawait asyncio.sleep(600)")
        kernel.see_text("begun", msg_id)
        kernel.interrupt()
        assert kernel.result(msg_id).ename == "KeyboardInterrupt"


@better_than_ipykernel
def test_context_variable_set_in_a_timed_cell_stays_set(kernel: Frontend) -> None:
    kernel.execute("%%time\nawait asyncio.sleep(0)\n_ = box.set('timed')")
    assert value(kernel, "box.get()") == "'timed'"


def test_magic_of_sync_code_is_ipythons_own(kernel: Frontend) -> None:
    result = kernel.execute("%%time\ntext = 'await'\nasync def f(): await asyncio.sleep(0)\n1 + 1")
    assert result.result == {"text/plain": "2"}
    assert "per loop" in kernel.execute("%timeit -n 1 -r 1 'await'").stdout
    assert value(kernel, "asyncio.run(f())\n%time 5") == "5"


def test_time_in_a_function_that_is_not_async_is_a_syntax_error(kernel: Frontend) -> None:
    kernel.execute("def f():\n    %time await asyncio.sleep(0)")
    assert kernel.execute("f()").ename == "SyntaxError"


def test_wrong_options_are_told_of(kernel: Frontend) -> None:
    assert kernel.execute("%timeit -z await asyncio.sleep(0)").content["ename"] == "UsageError"
    assert kernel.execute("%%time\nawait )(").ename == "SyntaxError"


@better_than_ipykernel
def test_capture_of_a_cell_that_awaits(kernel: Frontend) -> None:
    kernel.execute("%%capture held\nprint(await asyncio.sleep(0.001, 'slept'))\n_ = box.set('captured')")
    assert value(kernel, "held.stdout, box.get()") == "('slept\\n', 'captured')"


@better_than_ipykernel
def test_script_of_ipython_may_await(kernel: Frontend) -> None:
    (kernel.sandbox.path / "script.ipy").write_text(
        "import asyncio\nfrom_script = await asyncio.sleep(0.001, 'script')\n"
    )
    kernel.execute("%run script.ipy")
    assert value(kernel, "from_script") == "'script'"


@better_than_ipykernel
def test_run_cell_in_a_cell_may_await(kernel: Frontend) -> None:
    code = "result = get_ipython().run_cell('inner = await asyncio.sleep(0.001, 7)')\n(result.success, inner)"
    assert value(kernel, code) == "(True, 7)"


def test_autoawait_trio_runs_cells_in_trio(kernel: Frontend) -> None:
    need_module("trio")
    kernel.execute("%autoawait trio")
    code = """
        import trio
        seen = []
        async def child(n):
            await trio.sleep(0.001)
            seen.append(n)
        async with trio.open_nursery() as nursery:
            for n in range(3):
                nursery.start_soon(child, n)
        sorted(seen), trio.lowlevel.current_task() is not None
        """
    assert value(kernel, code) == "([0, 1, 2], True)"
    assert "trio" in kernel.execute("%autoawait").stdout


@pytest.mark.better_than_ipykernel("trio's cells lose what they set")
def test_trio_keeps_context_variables_and_warns_of_nothing(kernel: Frontend) -> None:
    need_module("trio")
    kernel.execute("%autoawait trio\nimport trio")
    result = kernel.execute("await trio.sleep(0.001)\n_ = box.set('trio')")
    assert (result.status, result.stderr) == ("ok", "")
    assert value(kernel, "box.get()") == "'trio'"


def test_cell_in_trio_can_be_interrupted(kernel: Frontend) -> None:
    need_module("trio")
    kernel.execute("%autoawait trio\nimport trio")
    for _ in range(3):
        msg_id = kernel.send_execute("print('begun')\nawait trio.sleep(600)")
        kernel.see_text("begun", msg_id)
        kernel.interrupt()
        assert kernel.result(msg_id).ename == "KeyboardInterrupt"
    assert value(kernel, "await trio.sleep(0, ) or 'alive'") == "'alive'"


def test_timed_cell_runs_in_trio_too(kernel: Frontend) -> None:
    need_module("trio")
    kernel.execute("%autoawait trio\nimport trio")
    assert "Wall time" in kernel.execute("%%time\nawait trio.sleep(0.001)").stdout


def test_asyncio_is_back_after_trio(kernel: Frontend) -> None:
    need_module("trio")
    kernel.execute("%autoawait trio")
    kernel.execute("%autoawait asyncio")
    assert value(kernel, "await asyncio.sleep(0.001, 'asyncio')") == "'asyncio'"


def test_trio_leaves_no_mark_for_libraries_that_ask_which_loop_runs(kernel: Frontend) -> None:
    need_module("trio")
    need_module("anyio")
    kernel.execute("%autoawait trio\nimport anyio\nawait anyio.sleep(0)")
    kernel.execute("%autoawait asyncio")
    assert value(kernel, "await anyio.sleep(0) or 'asyncio again'") == "'asyncio again'"
    assert value(kernel, "anyio.run(anyio.sleep, 0, backend='trio') or 'run'") == "'run'"


def test_library_that_is_not_installed_is_told_of(kernel: Frontend) -> None:
    result = kernel.execute("import sys\nsys.modules['curio'] = None\n%autoawait curio\nawait nothing()")
    assert result.status == "error"
    kernel.execute("%autoawait asyncio\ndel sys.modules['curio']")


def test_autoawait_can_be_turned_off_and_on(kernel: Frontend) -> None:
    kernel.execute("%autoawait False")
    assert kernel.execute("await asyncio.sleep(0)").ename == "SyntaxError"
    kernel.execute("%autoawait True")
    assert value(kernel, "await asyncio.sleep(0, 1)") == "1"
