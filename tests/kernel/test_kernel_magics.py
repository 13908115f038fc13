"""The magics that a kernel adds to IPython's: each does here what it does in ipykernel, or better."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cells import value
from frontend import Frontend
from needs import need_executable

Start = Callable[..., Frontend]
ANSI = re.compile(r"\x1b\[[0-9;]*m")


def payload(kernel: Frontend, code: str) -> dict[str, Any]:
    result = kernel.execute(code)
    assert result.status == "ok", result.content
    (one,) = result.content["payload"]
    return dict(one)


def edited(kernel: Frontend, code: str) -> tuple[str, Any]:
    """What a cell opens in the front end's editor: the file's text, and the line."""
    one = payload(kernel, code)
    assert one["source"] == "edit_magic"
    assert os.path.isabs(one["filename"])
    return Path(one["filename"]).read_text(), int(one["line_number"] or 0)


def test_edit_opens_a_file_at_a_line(kernel: Frontend) -> None:
    (kernel.sandbox.path / "here.py").write_text("first\nsecond\n")
    assert edited(kernel, "%edit -n 2 here.py") == ("first\nsecond\n", 2)
    assert payload(kernel, "%ed here.py")["filename"] == str((kernel.sandbox.path / "here.py").resolve())


def test_edit_opens_what_an_object_was_made_of(kernel: Frontend) -> None:
    (kernel.sandbox.path / "amodule.py").write_text("import os\n\ndef function():\n    return 1\n")
    kernel.execute("import sys; sys.path.insert(0, '')\nfrom amodule import function\ntext = 'some text'")
    assert edited(kernel, "%edit function") == ("import os\n\ndef function():\n    return 1\n", 3)
    assert edited(kernel, "%edit text")[0].strip() == "some text"


def test_edit_opens_history_and_an_empty_file(fresh_kernel: Frontend) -> None:
    fresh_kernel.execute("a = 1")
    fresh_kernel.execute("%pwd")
    assert edited(fresh_kernel, "%edit 1")[0].strip() == "a = 1"
    assert edited(fresh_kernel, "%edit -r 2")[0].strip() == "%pwd"
    assert edited(fresh_kernel, "%edit")[0] == ""


@pytest.mark.better_than_ipykernel("it forgets what was edited, and opens an empty file")
def test_edit_again_opens_what_was_opened_last(kernel: Frontend) -> None:
    (kernel.sandbox.path / "again.py").write_text("once\n")
    kernel.execute("%edit again.py")
    assert edited(kernel, "%edit -p")[0] == "once\n"


@pytest.mark.better_than_ipykernel("it prints that it cannot, and says ok")
def test_edit_of_a_macro_says_that_it_cannot(kernel: Frontend) -> None:
    kernel.execute("%macro -q steps 1")
    result = kernel.execute("%edit steps")
    assert (result.content["ename"], result.content.get("payload", [])) == ("UsageError", [])


def test_clear_clears(kernel: Frontend) -> None:
    result = kernel.execute("%clear")
    assert result.status == "ok"
    assert "clear_output" in result.types or "\x1b[2J" in result.stdout


@pytest.mark.parametrize("magic", ["%less", "%more"])
def test_pager_shows_a_file(kernel: Frontend, magic: str) -> None:
    (kernel.sandbox.path / "text.txt").write_text("a text\nof two lines\n")
    (kernel.sandbox.path / "code.py").write_text("x = 'coloured'\n")
    plain = payload(kernel, f"{magic} text.txt")
    assert (plain["source"], plain["start"]) == ("page", 0)
    assert plain["data"]["text/plain"] == "a text\nof two lines\n"
    code = payload(kernel, f"{magic} code.py")["data"]["text/plain"]
    assert ANSI.sub("", code).strip() == "x = 'coloured'"
    assert code != ANSI.sub("", code)


def test_pager_without_a_file_is_an_error(kernel: Frontend) -> None:
    assert kernel.execute("%less").content["ename"] == "UsageError"
    assert kernel.execute("%less no_such_file").content["ename"] == "FileNotFoundError"


def test_man_shows_a_page(kernel: Frontend) -> None:
    """With a `man` of the test's own: few machines have the pages."""
    need_executable("col")
    tool = kernel.sandbox.path / "man"
    tool.write_text('#!/bin/sh\nprintf "MANUAL of $1\\n"\n')
    tool.chmod(0o755)
    kernel.execute("import os\nbefore = os.environ['PATH']\nos.environ['PATH'] = os.getcwd() + ':' + before")
    one = payload(kernel, "%man something")
    kernel.execute("os.environ['PATH'] = before")
    assert (one["source"], one["data"]["text/plain"].strip()) == ("page", "MANUAL of something")


def test_connect_info_says_how_to_connect(kernel: Frontend) -> None:
    said = kernel.execute("%connect_info").stdout
    written = json.loads(said[: said.rindex("}") + 1])
    info = kernel.manager.get_connection_info()
    assert {name: written[name] for name in ("shell_port", "iopub_port", "ip", "transport")} == {
        name: info[name] for name in ("shell_port", "iopub_port", "ip", "transport")
    }
    assert written["key"] == info["key"].decode()
    # Its file is in the runtime directory: the name is enough.
    assert "--existing kernel-test.json" in said


def test_qtconsole_is_started_on_this_kernel(kernel: Frontend) -> None:
    """By a stand-in: what is started runs outside of the kernel."""
    package = kernel.sandbox.path / "qtconsole"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "qtconsoleapp.py").write_text(
        "import json, os, sys\n"
        "def main():\n"
        "    with open('started.tmp', 'w') as file: json.dump([sys.argv[1:], os.getsid(0) == os.getpid()], file)\n"
        "    os.replace('started.tmp', 'started')\n"
    )
    kernel.execute("import os, sys\nos.environ['PYTHONPATH'] = os.getcwd()\nsys.path.insert(0, os.getcwd())")
    result = kernel.execute("%qtconsole --style 'a b'")
    assert result.status == "ok", result.content
    code = "import time\nwhile not os.path.exists('started'): time.sleep(0.01)\nopen('started').read()"
    arguments, leads_a_session = json.loads(value(kernel, code)[1:-1])
    assert arguments == [
        "--existing",
        value(kernel, "get_ipython().config.IPKernelApp.connection_file")[1:-1],
        "--style",
        "a b",
    ]
    assert leads_a_session


@pytest.mark.better_than_ipykernel("it starts nothing, and says nothing")
def test_qtconsole_that_is_not_installed_is_told_of(fresh_kernel: Frontend) -> None:
    fresh_kernel.execute(
        "import importlib.util as util\nfind = util.find_spec\n"
        "util.find_spec = lambda name, *rest: None if name == 'qtconsole' else find(name, *rest)"
    )
    assert "not installed" in fresh_kernel.execute("%qtconsole").stderr


def test_autosave_tells_the_front_end(kernel: Frontend) -> None:
    result = kernel.execute("%autosave 30")
    assert result.displays[0]["data"] == {"application/javascript": "IPython.notebook.set_autosave_interval(30000)"}
    assert result.stdout == "Autosaving every 30 seconds\n"
    assert kernel.execute("%autosave 0").stdout == "Autosave disabled\n"
    assert kernel.execute("%autosave often").content["ename"] == "UsageError"


def test_subshell_tells_where_it_runs(kernel: Frontend) -> None:
    subshell = kernel.request("create_subshell_request", channel="control").content["subshell_id"]
    names = ["subshell id", "thread id", "main thread id", "pid", "thread count", "subshell list"]
    for sent_to in (None, subshell):
        said = kernel.execute("%subshell", subshell_id=sent_to).stdout
        told = dict(line.split(": ", 1) for line in said.splitlines())
        assert list(told) == names
        assert (told["subshell id"], told["subshell list"]) == (str(sent_to), str([subshell]))
        assert (told["thread id"] == told["main thread id"]) == (sent_to is None)
        assert told["pid"] == str(kernel.pid)
    kernel.request("delete_subshell_request", {"subshell_id": subshell}, channel="control")


# -- options -----------------------------------------------------------------------------------------------------------


def test_option_pylab_fills_the_namespace(start_kernel: Start) -> None:
    kernel = start_kernel(extra_arguments=["--pylab=inline"])
    assert value(kernel, "np.__name__, plt.__name__, plot.__name__, arange.__name__") == (
        "('numpy', 'matplotlib.pyplot', 'plot', 'arange')"
    )
    assert value(kernel, "plt.get_backend()").strip("'") in ("inline", "module://matplotlib_inline.backend_inline")
    kernel.leftovers()


def test_option_that_hides_no_names_shows_what_start_up_made(start_kernel: Start) -> None:
    options = ["--IPKernelApp.hide_initial_ns=False", "--IPKernelApp.exec_lines=made_at_start = 1"]
    kernel = start_kernel(extra_arguments=options)
    assert "made_at_start" in value(kernel, "%who_ls")


def test_code_and_module_of_the_command_line_are_run(start_kernel: Start, tmp_path: Path) -> None:
    (tmp_path / "a_script.py").write_text("from_file = __name__\n")
    kernel = start_kernel(extra_arguments=["--IPKernelApp.code_to_run=from_code = 2"])
    assert value(kernel, "from_code") == "2"
    kernel = start_kernel(extra_arguments=[f"--IPKernelApp.file_to_run={tmp_path / 'a_script.py'}"])
    assert value(kernel, "from_file") == "'__main__'"


def test_exec_files_are_run(start_kernel: Start, tmp_path: Path) -> None:
    (tmp_path / "first.py").write_text("from_exec_file = 3\n")
    kernel = start_kernel(extra_arguments=[f"--IPKernelApp.exec_files={tmp_path / 'first.py'}"])
    assert value(kernel, "from_exec_file") == "3"


@pytest.mark.better_than_ipykernel("it writes the stack to its own log, without the reason")
def test_crash_is_told_on_the_real_stderr(start_kernel: Start) -> None:
    """faulthandler, enabled by a notebook, writes where the launcher can read it."""
    kernel = start_kernel()
    kernel.execute("import faulthandler, sys\nfaulthandler.enable()\nfaulthandler.dump_traceback(file=sys.__stderr__)")
    kernel.send_execute("import ctypes\nctypes.string_at(0)")
    assert kernel.exit_status() < 0
    assert "Segmentation fault" in kernel.log
