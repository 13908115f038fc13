"""What IPython is to its users in a cell: caches, tracebacks, hooks, transformers, display, the namespace."""

from __future__ import annotations

import re

import pytest

from frontend import Frontend

ANSI = re.compile(r"\x1b\[[0-9;]*m")


def value(kernel: Frontend, code: str) -> str:
    """The text of a cell's result; the cell must succeed."""
    result = kernel.execute(code)
    assert result.status == "ok", result.content
    assert result.result is not None
    return str(result.result["text/plain"])


def traceback(kernel: Frontend, code: str) -> str:
    """The traceback of a failing cell, without colours."""
    result = kernel.execute(code)
    assert result.error is not None
    assert result.content["traceback"] == result.error["traceback"]
    return ANSI.sub("", "\n".join(result.error["traceback"]))


def test_the_last_results_are_in_underscores(kernel: Frontend) -> None:
    count = kernel.execute("'one'").content["execution_count"]
    kernel.execute("'two'")
    kernel.execute("'three'")
    assert value(kernel, "_, __, ___") == "('three', 'two', 'one')"
    assert value(kernel, f"_{count}, Out[{count}], _oh is Out") == "('one', 'one', True)"


def test_the_last_inputs_are_in_underscores(kernel: Frontend) -> None:
    kernel.execute("first = 1")
    count = kernel.execute("second = 2").content["execution_count"]
    assert value(kernel, "_i, _ii") == "('second = 2', 'first = 1')"
    assert value(kernel, f"In[{count}], _i{count}") == "('second = 2', 'second = 2')"
    assert value(kernel, "In[-1]") == "'In[-1]'"


def test_none_and_silenced_results_are_not_cached(kernel: Frontend) -> None:
    kernel.execute("'kept'")
    count = kernel.execute("None").content["execution_count"]
    hidden = kernel.execute("'hidden';").content["execution_count"]
    assert value(kernel, f"_, {count} in Out, {hidden} in Out") == "('kept', False, False)"


def test_exit_code_of_a_shell_line_is_kept(kernel: Frontend) -> None:
    kernel.execute("!exit 3")
    assert value(kernel, "_exit_code") == "3"
    kernel.execute("!true")
    assert value(kernel, "_exit_code") == "0"


def test_the_namespace_is_that_of_main(kernel: Frontend) -> None:
    code = "import __main__\n__name__, __main__.__dict__ is get_ipython().user_ns, __main__.__dict__ is globals()"
    assert value(kernel, code) == "('__main__', True, True)"


def test_a_class_of_a_cell_can_be_pickled(kernel: Frontend) -> None:
    kernel.execute("import pickle\nclass Point:\n    def __init__(self, x): self.x = x\npoint = Point(3)")
    assert value(kernel, "pickle.loads(pickle.dumps(point)).x, Point.__module__") == "(3, '__main__')"


def test_the_source_of_a_cells_function_can_be_read(kernel: Frontend) -> None:
    kernel.execute("def documented():\n    return 'body'")
    expected = "def documented():\n    return 'body'\n"
    assert value(kernel, "import inspect\ninspect.getsource(documented)") == repr(expected)


def test_functions_know_their_file_and_the_file_its_lines(kernel: Frontend) -> None:
    code = "import linecache\ndef here(): pass\nlinecache.getline(here.__code__.co_filename, 2)"
    assert value(kernel, code) == repr("def here(): pass\n")


def test_traceback_names_the_cell_and_the_line(kernel: Frontend) -> None:
    count = kernel.execute("def inner(x):\n    return 1 / x").content["execution_count"]
    shown = traceback(kernel, "a = 1\ninner(0)")
    assert f"Cell In[{count + 1}], line 2" in shown
    assert f"Cell In[{count}], line 2, in inner(x)" in shown
    assert "----> 2 inner(0)" in shown
    assert shown.endswith("ZeroDivisionError: division by zero")


def test_traceback_in_an_awaiting_cell_names_the_cell(kernel: Frontend) -> None:
    shown = traceback(kernel, "import asyncio\nawait asyncio.sleep(0)\n1 / 0")
    assert "line 3" in shown
    assert "----> 3 1 / 0" in shown
    assert "kernelet" not in shown


def test_traceback_of_an_interrupt_shows_the_users_frames_only(kernel: Frontend) -> None:
    msg_id = kernel.send_execute("print('on')\nwhile True:\n    pass")
    kernel.see_text("on", msg_id)
    kernel.interrupt()
    error = kernel.result(msg_id).error
    assert error is not None
    assert "signum" not in ANSI.sub("", "".join(error["traceback"]))


def test_traceback_has_colours(kernel: Frontend) -> None:
    error = kernel.execute("1 / 0").error
    assert error is not None
    assert ANSI.search("".join(error["traceback"]))


@pytest.mark.parametrize(
    ("code", "ename", "line"),
    [
        ("x = 1\nif x\n    pass", "SyntaxError", "line 2"),
        ("def f():\nreturn 1", "IndentationError", "line 2"),
        ("print('open", "SyntaxError", "line 1"),
        ("x = 1\nawait = 2", "SyntaxError", "line 2"),
    ],
    ids=["colon", "indent", "string", "keyword"],
)
def test_syntax_error_is_located(kernel: Frontend, code: str, ename: str, line: str) -> None:
    count = kernel.execute("0").content["execution_count"] + 1
    result = kernel.execute(code)
    assert (result.ename, result.content["ename"]) == (ename, ename)
    shown = ANSI.sub("", "\n".join(result.content["traceback"]))
    assert f"Cell In[{count}], {line}" in shown
    assert "^" in shown


def test_chained_exceptions_are_both_shown(kernel: Frontend) -> None:
    shown = traceback(
        kernel, "try:\n    {}['key']\nexcept KeyError as error:\n    raise ValueError('outer') from error"
    )
    assert "KeyError: 'key'" in shown
    assert "direct cause" in shown
    assert "ValueError: outer" in shown


@pytest.mark.better_than_ipykernel("the group is printed; reply and iopub have no traceback")
def test_exception_groups_are_shown_with_their_members(kernel: Frontend) -> None:
    shown = traceback(kernel, "raise ExceptionGroup('several', [ValueError('first'), KeyError('second')])")
    assert "ExceptionGroup: several (2 sub-exceptions)" in shown
    assert "ValueError: first" in shown
    assert "KeyError: 'second'" in shown


def test_notes_of_an_exception_are_shown(kernel: Frontend) -> None:
    assert "read this" in traceback(kernel, "error = ValueError('x')\nerror.add_note('read this')\nraise error")


def test_deep_recursion_is_an_error_and_no_death(kernel: Frontend) -> None:
    assert kernel.execute("def down(): down()\ndown()").ename == "RecursionError"
    assert value(kernel, "'alive'") == "'alive'"


def test_an_error_without_text_is_shown(kernel: Frontend) -> None:
    result = kernel.execute("raise ValueError")
    assert (result.content["ename"], result.content["evalue"]) == ("ValueError", "")


def test_tb_shows_the_last_traceback_again(kernel: Frontend) -> None:
    kernel.execute("1 / 0")
    result = kernel.execute("%tb")
    assert "ZeroDivisionError" in result.stdout + result.stderr + str(result.of_type("error"))


def test_the_last_exception_is_kept_for_the_debugger(kernel: Frontend) -> None:
    kernel.execute("1 / 0")
    assert value(kernel, "import sys\ntype(sys.last_value).__name__, sys.last_traceback is not None") == (
        "('ZeroDivisionError', True)"
    )


def test_a_custom_exception_handler_is_called(kernel: Frontend) -> None:
    code = """
        def handler(shell, etype, evalue, tb, tb_offset=None):
            print("handled", etype.__name__)
        get_ipython().set_custom_exc((LookupError,), handler)
        """
    kernel.execute(code)
    assert kernel.execute("{}['x']").stdout == "handled KeyError\n"
    kernel.execute("get_ipython().set_custom_exc((), None)")
    assert kernel.execute("{}['x']").ename == "KeyError"


def test_a_replaced_showtraceback_is_used(kernel: Frontend) -> None:
    """As rich and sparkmagic do."""
    kernel.execute("shell = get_ipython()\nshell._showtraceback = lambda etype, evalue, stb: print('mine:', evalue)")
    assert kernel.execute("1 / 0").stdout == "mine: division by zero\n"
    kernel.execute("del shell._showtraceback")
    assert kernel.execute("1 / 0").ename == "ZeroDivisionError"


def test_a_replaced_run_cell_is_used(kernel: Frontend) -> None:
    """As VS Code, sympy and ipyparallel do."""
    code = """
        shell = get_ipython()
        ran = []
        theirs = shell.run_cell
        def run_cell(code, *args, **kwargs):
            ran.append(code)
            return theirs(code, *args, **kwargs)
        shell.run_cell = run_cell
        """
    kernel.execute(code)
    kernel.execute("'seen'")
    assert value(kernel, "del shell.run_cell\nran[0]") == "\"'seen'\""


@pytest.mark.parametrize("where", ["pre_execute", "pre_run_cell", "post_execute", "post_run_cell"])
def test_event_callbacks_run_around_each_cell(kernel: Frontend, where: str) -> None:
    kernel.execute(f"def hook(*args): print('{where}', len(args))\nget_ipython().events.register('{where}', hook)")
    arguments = 1 if where.endswith("run_cell") else 0
    assert f"{where} {arguments}" in kernel.execute("1").stdout
    kernel.execute(f"get_ipython().events.unregister('{where}', hook)")
    assert kernel.execute("1").stdout == ""


def test_input_transformers_change_the_cell(kernel: Frontend) -> None:
    kernel.execute(
        "def shout(lines): return [line.replace('LOUD', 'print') for line in lines]\n"
        "get_ipython().input_transformers_post.append(shout)"
    )
    assert kernel.execute("LOUD('hello')").stdout == "hello\n"
    kernel.execute("get_ipython().input_transformers_post.remove(shout)")


def test_ast_transformers_change_the_cell(kernel: Frontend) -> None:
    code = """
        import ast
        class Double(ast.NodeTransformer):
            def visit_Constant(self, node):
                return ast.copy_location(ast.Constant(node.value * 2), node) if isinstance(node.value, int) else node
        double = Double()
        get_ipython().ast_transformers.append(double)
        """
    kernel.execute(code)
    assert value(kernel, "21") == "42"
    kernel.execute("get_ipython().ast_transformers.remove(double)")


def test_every_expression_can_be_shown(kernel: Frontend) -> None:
    kernel.execute("%config InteractiveShell.ast_node_interactivity = 'all'")
    result = kernel.execute("'first'\n'second'")
    texts = [content["data"]["text/plain"] for content in result.of_type("execute_result")]
    kernel.execute("%config InteractiveShell.ast_node_interactivity = 'last_expr'")
    assert texts == ["'first'", "'second'"]


def test_an_object_displays_itself(kernel: Frontend) -> None:
    code = "class Shown:\n    def _ipython_display_(self): print('myself')\nShown()"
    result = kernel.execute(code)
    assert result.stdout == "myself\n"
    assert result.result is None


def test_a_formatter_for_a_foreign_type_is_used(kernel: Frontend) -> None:
    kernel.execute("formatter = get_ipython().display_formatter.formatters['text/html']")
    kernel.execute("formatter.for_type(complex, lambda z: f'<i>{z.real}</i>')")
    result = kernel.execute("3+4j")
    assert result.result == {"text/plain": "(3+4j)", "text/html": "<i>3.0</i>"}
    kernel.execute("formatter.pop(complex)")


def test_pretty_printing_wraps_long_results(kernel: Frontend) -> None:
    assert value(kernel, "list(range(100))").count("\n") > 10


def test_the_shell_knows_its_kernel(kernel: Frontend) -> None:
    assert value(kernel, "get_ipython().kernel.shell is get_ipython()") == "True"


def test_displayed_objects_of_ipython_arrive(kernel: Frontend) -> None:
    code = "from IPython.display import HTML, JSON, Latex, Markdown, SVG, display\n"
    code += "display(HTML('<b>x</b>'), JSON({'a': 1}), Latex('$x$'), Markdown('*x*'))"
    types = [next(iter(set(content["data"]) - {"text/plain"})) for content in kernel.execute(code).displays]
    assert types == ["text/html", "application/json", "text/latex", "text/markdown"]


def test_a_progress_bar_updates_in_place(kernel: Frontend) -> None:
    result = kernel.execute("from IPython.display import ProgressBar\nfor n in ProgressBar(3): pass")
    kinds = [m["msg_type"] for m in result.iopub if "display_data" in m["msg_type"]]
    assert kinds[0] == "display_data"
    assert set(kinds[1:]) == {"update_display_data"}


def test_reset_empties_the_namespace(fresh_kernel: Frontend) -> None:
    fresh_kernel.execute("kept = 1")
    fresh_kernel.execute("%reset -f")
    assert fresh_kernel.execute("kept").ename == "NameError"
    assert fresh_kernel.execute("1").content["execution_count"] == 4  # as in ipykernel: the session goes on
    assert fresh_kernel.execute("get_ipython() is not None and display(1)").status == "ok"


def test_run_cell_inside_a_cell_shows_its_output_there(kernel: Frontend) -> None:
    result = kernel.execute("answer = get_ipython().run_cell('print(6 * 7)\\n43')\nanswer.result")
    assert result.stdout == "42\n"
    assert [content["data"]["text/plain"] for content in result.of_type("execute_result")] == ["43", "43"]
