"""IPython's magics work in a cell."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from frontend import Frontend, Sandbox
from needs import need_module

ANSI = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A home that outlives a kernel; named before `start_kernel` by its tests, so that it goes after the kernels."""
    sandbox = Sandbox()
    yield sandbox
    sandbox.close()


def said(kernel: Frontend, code: str) -> str:
    """What a cell printed, without colours; the cell must succeed."""
    result = kernel.execute(code)
    assert result.status == "ok", result.content
    return ANSI.sub("", result.stdout)


def page(kernel: Frontend, code: str) -> str:
    """The text that a cell sent to the pager, without colours."""
    payload = kernel.execute(code).content["payload"]
    assert [part["source"] for part in payload] == ["page"]
    assert payload[0]["start"] == 0
    return ANSI.sub("", payload[0]["data"]["text/plain"])


def test_lsmagic_lists_them(kernel: Frontend) -> None:
    result = kernel.execute("%lsmagic")
    assert result.result is not None
    assert "%timeit" in result.result["text/plain"] or "timeit" in str(result.result)


def test_timeit_measures(kernel: Frontend) -> None:
    assert "per loop" in said(kernel, "%timeit -n 2 -r 2 sum(range(10))")
    assert "per loop" in said(kernel, "%%timeit -n 2 -r 2 x = 1\nx + 1")
    assert said(kernel, "%timeit -n 1 -r 1 -q pass") == ""


def test_time_measures_and_keeps_the_result(kernel: Frontend) -> None:
    assert "Wall time" in said(kernel, "%time timed = 1 + 1")
    result = kernel.execute("%%time\nx = 20\nx + 22")
    assert "Wall time" in result.stdout
    assert result.result == {"text/plain": "42"}
    assert kernel.execute("timed, x").result == {"text/plain": "(2, 20)"}


def test_prun_shows_a_profile(kernel: Frontend) -> None:
    assert "function calls" in page(kernel, "%prun sum(range(100))")


def test_who_lists_names(fresh_kernel: Frontend) -> None:
    fresh_kernel.execute("apple = 1\npear = 'x'")
    assert said(fresh_kernel, "%who").split() == ["apple", "pear"]
    assert fresh_kernel.execute("%who_ls str").result == {"text/plain": "['pear']"}
    assert "apple" in said(fresh_kernel, "%whos")


def test_pwd_and_cd_move_the_kernel(kernel: Frontend) -> None:
    here = kernel.execute("%pwd").result["text/plain"]
    (kernel.sandbox.path / "below").mkdir()
    assert said(kernel, "%cd below").strip().endswith("below")
    assert kernel.execute("import os\nos.path.basename(os.getcwd())").result == {"text/plain": "'below'"}
    kernel.execute("%cd -q ..")
    assert kernel.execute("%pwd").result["text/plain"] == here


def test_automagic_needs_no_percent_sign(kernel: Frontend) -> None:
    assert kernel.execute("pwd").result == kernel.execute("%pwd").result


def test_env_reads_and_sets_the_environment(kernel: Frontend) -> None:
    assert said(kernel, "%env FRUIT=apple") == "env: FRUIT=apple\n"
    assert kernel.execute("%env FRUIT").result == {"text/plain": "'apple'"}
    assert said(kernel, "!echo $FRUIT").strip() == "apple"


def test_run_runs_a_file_in_the_namespace(kernel: Frontend) -> None:
    path = kernel.sandbox.path / "script.py"
    path.write_text("import sys\nprint('arguments', sys.argv[1:], __name__)\nfrom_script = 5\n")
    assert said(kernel, "%run script.py a b") == "arguments ['a', 'b'] __main__\n"
    assert kernel.execute("from_script").result == {"text/plain": "5"}


def test_run_shows_the_traceback_of_the_file(kernel: Frontend) -> None:
    (kernel.sandbox.path / "broken.py").write_text("x = 1\n1 / 0\n")
    result = kernel.execute("%run broken.py")
    assert result.ename == "ZeroDivisionError"
    assert "broken.py" in ANSI.sub("", "".join(result.error["traceback"]))


def test_writefile_and_less_show_a_file(kernel: Frontend) -> None:
    assert "Writing written.txt" in said(kernel, "%%writefile written.txt\nfirst line\nsecond line")
    assert (kernel.sandbox.path / "written.txt").read_text() == "first line\nsecond line\n"
    assert page(kernel, "%less written.txt") == "first line\nsecond line\n"


def test_question_mark_shows_help_in_the_pager(kernel: Frontend) -> None:
    kernel.execute("def told(x, y=2):\n    'Tell a story.'\n    return x")
    for code in ("told?", "?told", "%pinfo told"):
        shown = page(kernel, code)
        assert "told(x, y=2)" in shown
        assert "Tell a story." in shown
    assert "return x" in page(kernel, "told??")


def test_question_mark_on_nothing_says_so(kernel: Frontend) -> None:
    result = kernel.execute("no_such_thing?")
    assert "not found" in result.stdout + str(result.content["payload"])


def test_wildcard_lists_names(kernel: Frontend) -> None:
    kernel.execute("zebra_one = zebra_two = 1")
    result = kernel.execute("zebra*?")
    assert "zebra_one" in result.stdout + str(result.content["payload"])


def test_pdoc_and_psource_work(kernel: Frontend) -> None:
    kernel.execute("def sourced():\n    'Documented.'\n    return 'the source'")
    assert "Documented." in page(kernel, "%pdoc sourced")
    assert "the source" in page(kernel, "%psource sourced")


def test_quickref_is_a_page(kernel: Frontend) -> None:
    assert "IPython" in page(kernel, "%quickref")


def test_config_lists_and_sets(kernel: Frontend) -> None:
    assert "InteractiveShell" in said(kernel, "%config")
    kernel.execute("%config InteractiveShell.cache_size = 77")
    assert kernel.execute("get_ipython().cache_size").result == {"text/plain": "77"}
    kernel.execute("%config Completer.use_jedi = False")
    assert kernel.execute("get_ipython().Completer.use_jedi").result == {"text/plain": "False"}


def test_autoreload_sees_a_changed_module(kernel: Frontend) -> None:
    module = kernel.sandbox.path / "changing.py"
    module.write_text("def answer(): return 1\n")
    kernel.execute("import sys\nsys.path.insert(0, '')\nsys.dont_write_bytecode = True")
    kernel.execute("%load_ext autoreload\n%autoreload 2\nimport changing")
    assert kernel.execute("changing.answer()").result == {"text/plain": "1"}
    module.write_text("def answer(): return 42\n")
    os.utime(module, (2_000_000_000, 2_000_000_000))
    assert kernel.execute("changing.answer()").result == {"text/plain": "42"}
    kernel.execute("%autoreload 0")


def test_reload_and_unload_of_an_extension(kernel: Frontend) -> None:
    extension = "def load_ipython_extension(ip): print('loaded')\ndef unload_ipython_extension(ip): print('unloaded')\n"
    (kernel.sandbox.path / "an_extension.py").write_text(extension)
    kernel.execute("import sys; sys.path.insert(0, '')")
    assert said(kernel, "%load_ext an_extension") == "loaded\n"
    assert "already loaded" in said(kernel, "%load_ext an_extension")
    assert said(kernel, "%reload_ext an_extension") == "unloaded\nloaded\n"
    assert said(kernel, "%unload_ext an_extension") == "unloaded\n"


def test_bash_cell_runs(kernel: Frontend) -> None:
    result = kernel.execute('%%bash\nname=world\necho "hello $name"\necho oops >&2')
    assert result.stdout == "hello world\n"
    assert result.stderr == "oops\n"


def test_script_cell_shows_its_output_while_it_runs(kernel: Frontend) -> None:
    os.mkfifo(kernel.sandbox.path / "knock")
    msg_id = kernel.send_execute("%%sh\necho started\nread line < knock\necho $line")
    kernel.see_text("started", msg_id)
    (kernel.sandbox.path / "knock").write_text("who is there\n")
    assert kernel.result(msg_id).stdout == "started\nwho is there\n"


def test_script_cell_keeps_its_output_in_a_variable(kernel: Frontend) -> None:
    assert said(kernel, "%%bash --out held\necho in the variable") == ""
    assert kernel.execute("held").result == {"text/plain": repr("in the variable\n")}


def test_failing_bash_cell_is_an_error(kernel: Frontend) -> None:
    assert kernel.execute("%%bash\nexit 7").ename == "CalledProcessError"


def test_script_cell_can_be_interrupted(kernel: Frontend) -> None:
    msg_id = kernel.send_execute("%%sh\necho started\nsleep 600")
    kernel.see_text("started", msg_id)
    kernel.interrupt()
    result = kernel.result(msg_id)
    told = (result.stdout + result.stderr + str(result.content)).lower()
    assert "interrupted" in told or "sigint" in told  # whichever of the script and the magic ends first


@pytest.mark.parametrize(
    ("magic", "mimetype"),
    [("html", "text/html"), ("markdown", "text/markdown"), ("latex", "text/latex"), ("svg", "image/svg+xml")],
)
def test_cell_in_another_language_is_displayed(kernel: Frontend, magic: str, mimetype: str) -> None:
    text = '<svg xmlns="http://www.w3.org/2000/svg"/>' if magic == "svg" else "some text"
    (content,) = kernel.execute(f"%%{magic}\n{text}").displays
    assert content["data"][mimetype].strip() == text


def test_system_commands_and_variables(kernel: Frontend) -> None:
    assert said(kernel, "word = 'from python'\n!echo {word} $word").strip() == "from python from python"
    result = kernel.execute("%sx echo listed")
    assert result.result == {"text/plain": "['listed']"}


def test_own_magics_can_be_registered(kernel: Frontend) -> None:
    code = """
        from IPython.core.magic import register_cell_magic, register_line_cell_magic, register_line_magic
        @register_line_magic
        def upper(line): return line.upper()
        @register_cell_magic
        def count(line, cell): print(len(cell.splitlines()), line)
        del upper, count
        """
    kernel.execute(code)
    assert kernel.execute("%upper quiet").result == {"text/plain": "'QUIET'"}
    assert kernel.execute("x = %upper quiet\nx").result == {"text/plain": "'QUIET'"}
    assert said(kernel, "%%count lines\none\ntwo") == "2 lines\n"
    assert kernel.execute("get_ipython().run_line_magic('upper', 'a')").result == {"text/plain": "'A'"}


def test_unknown_magic_is_a_usage_error_without_traceback(kernel: Frontend) -> None:
    result = kernel.execute("%no_such_magic")
    assert "UsageError" in result.stderr + str(result.content)
    assert kernel.execute("1").status == "ok"


def test_pdb_can_be_turned_on_and_off(kernel: Frontend) -> None:
    assert "ON" in said(kernel, "%pdb on")
    assert "OFF" in said(kernel, "%pdb off")
    assert kernel.execute("1 / 0").ename == "ZeroDivisionError"


@pytest.mark.parametrize(
    ("mode", "shown"), [("Minimal", "ZeroDivisionError"), ("Plain", "Traceback"), ("Verbose", "local")]
)
def test_xmode_changes_the_traceback(kernel: Frontend, mode: str, shown: str) -> None:
    kernel.execute(f"%xmode {mode}")
    result = kernel.execute("local = 0\n1 / local")
    kernel.execute("%xmode Context")
    assert shown in ANSI.sub("", "\n".join(result.content["traceback"]))


def test_history_magic_prints_the_session(fresh_kernel: Frontend) -> None:
    fresh_kernel.execute("apple = 1")
    fresh_kernel.execute("pear = 2")
    assert said(fresh_kernel, "%history -n 1-2") == "   1: apple = 1\n   2: pear = 2\n"


def test_recall_rerun_and_macro_use_the_history(fresh_kernel: Frontend) -> None:
    fresh_kernel.execute("print('once more')")
    fresh_kernel.execute("%macro again 1")
    assert "once more" in said(fresh_kernel, "again")
    assert "once more" in said(fresh_kernel, "%rerun 1")


def test_store_outlives_the_kernel(sandbox: Sandbox, start_kernel: Callable[..., Frontend]) -> None:
    first = start_kernel(sandbox=sandbox)
    first.execute("stored = [1, 2]")
    assert "Stored" in said(first, "%store stored")
    first.shutdown()
    first.exit_status()
    second = start_kernel(sandbox=sandbox)
    second.execute("%store -r stored")
    assert second.execute("stored").result == {"text/plain": "[1, 2]"}


def test_logging_magic_writes_a_file(fresh_kernel: Frontend) -> None:
    assert said(fresh_kernel, "%logstart -o log.py") != ""
    fresh_kernel.execute("'logged'")
    fresh_kernel.execute("%logstop")
    assert "'logged'" in Path(fresh_kernel.sandbox.path / "log.py").read_text()


def test_notebook_magic_exports_the_session(fresh_kernel: Frontend) -> None:
    need_module("nbformat")
    fresh_kernel.execute("exported = 1\n'x'")
    fresh_kernel.execute("%notebook session.ipynb")
    assert "exported = 1" in (fresh_kernel.sandbox.path / "session.ipynb").read_text()


def test_background_jobs_run(kernel: Frontend) -> None:
    code = "%%script --bg --out child cat\nfrom the background"
    assert kernel.execute(code).status == "ok"
    assert "from the background" in said(kernel, "print(await child.read() if hasattr(child, 'read') else child)")
