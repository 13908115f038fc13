"""ContextVars: one context for all cells, those that await and those that don't; a copy for each task."""

from __future__ import annotations

import pytest

from frontend import Frontend

AWAITS = "await asyncio.sleep(0)\n"


def value(kernel: Frontend, code: str) -> str:
    """The text of a cell's result; the cell must succeed."""
    result = kernel.execute(code)
    assert result.status == "ok", result.content
    assert result.result is not None
    return str(result.result["text/plain"])


@pytest.fixture(autouse=True)
def variable(kernel: Frontend) -> None:
    """A new variable `var` for every test."""
    kernel.execute("import asyncio, contextvars\nvar = contextvars.ContextVar('var', default='unset')")


@pytest.mark.parametrize("reader", ["", AWAITS], ids=["read plainly", "read awaiting"])
def test_a_value_set_in_a_plain_cell_stays(kernel: Frontend, reader: str) -> None:
    kernel.execute("var.set('plain');")
    assert value(kernel, reader + "var.get()") == "'plain'"
    assert value(kernel, "var.get()") == "'plain'"


@pytest.mark.better_than_ipykernel("a cell that awaits is a task with a copy")
@pytest.mark.parametrize("reader", ["", AWAITS], ids=["read plainly", "read awaiting"])
def test_a_value_set_in_an_awaiting_cell_stays(kernel: Frontend, reader: str) -> None:
    kernel.execute(AWAITS + "var.set('awaiting');")
    assert value(kernel, reader + "var.get()") == "'awaiting'"
    assert value(kernel, "var.get()") == "'awaiting'"


@pytest.mark.better_than_ipykernel("a cell that awaits is a task with a copy")
@pytest.mark.parametrize("setter", ["", AWAITS], ids=["set plainly", "set awaiting"])
@pytest.mark.parametrize("resetter", ["", AWAITS], ids=["reset plainly", "reset awaiting"])
def test_a_token_of_one_cell_resets_in_another(kernel: Frontend, setter: str, resetter: str) -> None:
    kernel.execute(setter + "token = var.set('for a while')")
    assert value(kernel, "var.get()") == "'for a while'"
    assert kernel.execute(resetter + "var.reset(token)").status == "ok"
    assert value(kernel, "var.get()") == "'unset'"


@pytest.mark.better_than_ipykernel("the failing cell is a task with a copy")
def test_a_value_set_in_a_failing_cell_stays(kernel: Frontend) -> None:
    kernel.execute(AWAITS + "var.set('before the error')\n1 / 0")
    assert value(kernel, "var.get()") == "'before the error'"


@pytest.mark.better_than_ipykernel("an await is not interrupted")
def test_a_value_set_in_an_interrupted_cell_stays(kernel: Frontend) -> None:
    msg_id = kernel.send_execute("var.set('before the interrupt')\nprint('waiting')\nawait asyncio.sleep(600)")
    kernel.see_text("waiting", msg_id)
    kernel.interrupt()
    assert kernel.result(msg_id).ename == "KeyboardInterrupt"
    assert value(kernel, "var.get()") == "'before the interrupt'"


def test_a_task_sees_a_copy(kernel: Frontend) -> None:
    code = """
        var.set("of the cell")
        async def change():
            seen = var.get()
            var.set("of the task")
            return seen
        """
    kernel.execute(code)
    assert value(kernel, "seen = await asyncio.create_task(change())\nseen") == "'of the cell'"
    assert value(kernel, "var.get()") == "'of the cell'"


def test_a_coroutine_awaited_directly_shares_the_cells_context(kernel: Frontend) -> None:
    assert value(kernel, "async def change(): var.set('inside')\nawait change()\nvar.get()") == "'inside'"


def test_user_expressions_and_completion_see_the_value(kernel: Frontend) -> None:
    kernel.execute("var.set('seen by all');")
    result = kernel.execute("", silent=True, user_expressions={"v": "var.get()"})
    assert result.content["user_expressions"]["v"]["data"]["text/plain"] == "'seen by all'"


def test_a_decimal_context_stays(kernel: Frontend) -> None:
    """The context of `decimal` is a ContextVar in the standard library."""
    kernel.execute("import decimal\ndecimal.getcontext().prec = 7")
    assert value(kernel, "decimal.Decimal(1) / 3") == "Decimal('0.3333333')"


@pytest.mark.better_than_ipykernel("a cell that awaits is a task with a copy")
def test_a_decimal_context_made_while_awaiting_stays(kernel: Frontend) -> None:
    kernel.execute("import decimal\n" + AWAITS + "decimal.setcontext(decimal.Context(prec=5))")
    assert value(kernel, "decimal.Decimal(1) / 3") == "Decimal('0.33333')"


def test_copy_context_runs_user_code(kernel: Frontend) -> None:
    kernel.execute("var.set('outer')\ncontext = contextvars.copy_context()")
    assert value(kernel, "context.run(var.set, 'inner')\nvar.get(), context[var]") == "('outer', 'inner')"
