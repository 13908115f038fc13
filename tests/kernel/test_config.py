"""Configuration: profiles, start-up files, config files, and options of the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from frontend import Frontend, Sandbox

Start = Callable[..., Frontend]


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A home with a default profile, for the test to write into; named before `start_kernel`, so that it goes last."""
    sandbox = Sandbox()
    (sandbox.ipython / "profile_default" / "startup").mkdir(parents=True)
    yield sandbox
    sandbox.close()


def value(kernel: Frontend, code: str) -> str:
    """The text of a cell's result; the cell must succeed."""
    result = kernel.execute(code)
    assert result.status == "ok", result.content
    assert result.result is not None
    return str(result.result["text/plain"])


def drop_greetings(kernel: Frontend) -> None:
    """Take what start-up said: it belongs to no cell, for there was none."""
    said = [message for box in kernel.leftovers().values() for message in box]
    assert {message["msg_type"] for message in said} <= {"stream", "error", "execute_result"}, said
    assert not any(message["parent_header"] for message in said), said


def test_startup_files_run_in_order_of_their_names(sandbox: Sandbox, start_kernel: Start) -> None:
    startup = sandbox.ipython / "profile_default" / "startup"
    (startup / "10-first.py").write_text("steps = ['python']\nasync_ready = True\n")
    (startup / "20-second.ipy").write_text("steps.append('ipython')\n%alias_magic later pwd\n")
    (startup / "README").write_text("this is no code\n")
    kernel = start_kernel(sandbox=sandbox)
    assert value(kernel, "steps, async_ready") == "(['python', 'ipython'], True)"
    assert kernel.execute("%later").result == kernel.execute("%pwd").result
    drop_greetings(kernel)


def test_names_of_startup_files_are_not_the_users(sandbox: Sandbox, start_kernel: Start) -> None:
    (sandbox.ipython / "profile_default" / "startup" / "names.py").write_text("hidden = 1\n")
    kernel = start_kernel(sandbox=sandbox)
    assert value(kernel, "%who_ls") == "[]"
    assert value(kernel, "hidden") == "1"


def test_broken_startup_file_does_not_keep_the_kernel_from_starting(sandbox: Sandbox, start_kernel: Start) -> None:
    (sandbox.ipython / "profile_default" / "startup" / "broken.py").write_text("before = 1\n1 / 0\n")
    kernel = start_kernel(sandbox=sandbox)
    assert value(kernel, "before") == "1"
    drop_greetings(kernel)


def test_startup_file_may_use_the_loop(sandbox: Sandbox, start_kernel: Start) -> None:
    code = "import asyncio\nasync def answer(): return 42\nready = asyncio.ensure_future(answer())\n"
    (sandbox.ipython / "profile_default" / "startup" / "tasks.ipy").write_text(code)
    kernel = start_kernel(sandbox=sandbox)
    if value(kernel, "'ready' in globals()") == "True":
        assert value(kernel, "await ready") == "42"
    drop_greetings(kernel)


def test_ipython_config_is_read(sandbox: Sandbox, start_kernel: Start) -> None:
    config = "c.InteractiveShell.ast_node_interactivity = 'all'\nc.InteractiveShellApp.exec_lines = ['from_line = 1']\n"
    (sandbox.ipython / "profile_default" / "ipython_config.py").write_text(config)
    kernel = start_kernel(sandbox=sandbox)
    texts = [content["data"]["text/plain"] for content in kernel.execute("1\n2").of_type("execute_result")]
    assert texts == ["1", "2"]
    assert value(kernel, "from_line") == "1"


def test_ipython_kernel_config_is_read(sandbox: Sandbox, start_kernel: Start) -> None:
    config = "c.InteractiveShell.cache_size = 33\nc.IPKernelApp.exec_lines = ['from_kernel_config = 2']\n"
    (sandbox.ipython / "profile_default" / "ipython_kernel_config.py").write_text(config)
    kernel = start_kernel(sandbox=sandbox)
    assert value(kernel, "get_ipython().cache_size, from_kernel_config") == "(33, 2)"


def test_command_line_beats_the_config_file(sandbox: Sandbox, start_kernel: Start) -> None:
    config = "c.InteractiveShell.cache_size = 33\n"
    (sandbox.ipython / "profile_default" / "ipython_kernel_config.py").write_text(config)
    kernel = start_kernel(sandbox=sandbox, extra_arguments=["--InteractiveShell.cache_size=44"])
    assert value(kernel, "get_ipython().cache_size") == "44"


def test_broken_config_file_does_not_keep_the_kernel_from_starting(sandbox: Sandbox, start_kernel: Start) -> None:
    (sandbox.ipython / "profile_default" / "ipython_config.py").write_text("this is not Python\n")
    kernel = start_kernel(sandbox=sandbox)
    assert value(kernel, "6 * 7") == "42"
    assert "ipython_config.py" in kernel.log
    drop_greetings(kernel)


def test_another_profile_can_be_chosen(sandbox: Sandbox, start_kernel: Start) -> None:
    startup = sandbox.ipython / "profile_special" / "startup"
    startup.mkdir(parents=True)
    (startup / "special.py").write_text("profile = 'special'\n")
    kernel = start_kernel(sandbox=sandbox, extra_arguments=["--profile=special"])
    assert value(kernel, "profile") == "'special'"
    assert "profile_special" in value(kernel, "get_ipython().profile_dir.location")
    kernel.execute("1")
    assert (sandbox.ipython / "profile_special" / "history.sqlite").exists()


def test_profile_directory_can_be_anywhere(sandbox: Sandbox, start_kernel: Start) -> None:
    elsewhere = sandbox.path / "elsewhere"
    (elsewhere / "startup").mkdir(parents=True)
    (elsewhere / "startup" / "here.py").write_text("place = 'elsewhere'\n")
    kernel = start_kernel(sandbox=sandbox, extra_arguments=[f"--profile-dir={elsewhere}"])
    assert value(kernel, "place") == "'elsewhere'"


def test_ipython_directory_can_be_given(sandbox: Sandbox, start_kernel: Start) -> None:
    startup = sandbox.path / "other" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "here.py").write_text("place = 'other'\n")
    kernel = start_kernel(sandbox=sandbox, extra_arguments=[f"--ipython-dir={sandbox.path / 'other'}"])
    assert value(kernel, "place") == "'other'"


@pytest.mark.parametrize("prefix", ["IPKernelApp", "InteractiveShellApp"])
def test_lines_of_the_command_line_run(start_kernel: Start, prefix: str) -> None:
    kernel = start_kernel(extra_arguments=[f"--{prefix}.exec_lines=line = 'ran'", f"--{prefix}.exec_lines=%pwd"])
    assert value(kernel, "line") == "'ran'"
    drop_greetings(kernel)


def test_files_of_the_command_line_run(sandbox: Sandbox, start_kernel: Start) -> None:
    path = sandbox.path / "to_run.py"
    path.write_text("of_the_file = 'ran'\n")
    kernel = start_kernel(sandbox=sandbox, extra_arguments=[f"--IPKernelApp.exec_files={path}"])
    assert value(kernel, "of_the_file") == "'ran'"


def test_code_of_the_command_line_runs(start_kernel: Start) -> None:
    kernel = start_kernel(extra_arguments=["-c", "of_the_option = 'ran'"])
    assert value(kernel, "of_the_option") == "'ran'"


@pytest.mark.parametrize("option", ["--ext", "--IPKernelApp.extensions", "--IPKernelApp.extra_extensions"])
def test_extensions_are_loaded(sandbox: Sandbox, start_kernel: Start, option: str) -> None:
    (sandbox.path / "mine.py").write_text("def load_ipython_extension(ip):\n    ip.push({'extension': 'loaded'})\n")
    kernel = start_kernel(sandbox=sandbox, extra_arguments=[f"{option}=mine"], env={"PYTHONPATH": str(sandbox.path)})
    assert value(kernel, "extension") == "'loaded'"


def test_extension_that_cannot_be_loaded_does_not_keep_the_kernel_from_starting(start_kernel: Start) -> None:
    kernel = start_kernel(extra_arguments=["--ext=no_such_extension"])
    assert value(kernel, "6 * 7") == "42"
    drop_greetings(kernel)


@pytest.mark.parametrize(
    ("option", "code", "expected"),
    [
        ("--InteractiveShell.ast_node_interactivity=all", "get_ipython().ast_node_interactivity", "'all'"),
        ("--Completer.use_jedi=False", "get_ipython().Completer.use_jedi", "False"),
        ("--IPCompleter.greedy=True", "get_ipython().Completer.greedy", "True"),
        ("--ZMQInteractiveShell.cache_size=55", "get_ipython().cache_size", "55"),
        ("--cache-size=66", "get_ipython().cache_size", "66"),
        ("--no-automagic", "get_ipython().automagic", "False"),
        ("--pdb", "get_ipython().call_pdb", "True"),
        ("--HistoryManager.hist_file=:memory:", "get_ipython().history_manager.hist_file", "':memory:'"),
        ("--InteractiveShell.xmode=Plain", "get_ipython().InteractiveTB.mode", "'Plain'"),
    ],
)
def test_options_reach_the_shell(start_kernel: Start, option: str, code: str, expected: str) -> None:
    assert value(start_kernel(extra_arguments=[option]), code) == expected


@pytest.mark.parametrize(
    "option",
    [
        "--NoSuchClass.trait=1",
        "--InteractiveShell.no_such_trait=1",
        pytest.param("--no-such-flag", marks=pytest.mark.better_than_ipykernel("it prints its usage and ends")),
        pytest.param("--no-such-option=3", marks=pytest.mark.better_than_ipykernel("it prints its usage and ends")),
        "--debug",
        "--quiet",
        "--log-level=INFO",
        "--IPKernelApp.parent_handle=0",
        "--Session.username=somebody",
        "--IPKernelApp.exec_lines=1 / 0",
        "--IPKernelApp.exec_files=/no/such/file.py",
    ],
)
def test_no_option_keeps_the_kernel_from_starting(start_kernel: Start, option: str) -> None:
    kernel = start_kernel(extra_arguments=[option])
    assert value(kernel, "6 * 7") == "42"
    drop_greetings(kernel)


def test_unknown_option_is_warned_of(start_kernel: Start) -> None:
    kernel = start_kernel(extra_arguments=["--InteractiveShell.no_such_trait=1"])
    assert value(kernel, "6 * 7") == "42"
    assert "no_such_trait" in kernel.log
    drop_greetings(kernel)


def test_python_startup_runs(sandbox: Sandbox, start_kernel: Start) -> None:
    path = sandbox.path / "pythonrc.py"
    path.write_text("of_pythonstartup = 'ran'\n")
    kernel = start_kernel(sandbox=sandbox, env={"PYTHONSTARTUP": str(path)})
    assert value(kernel, "of_pythonstartup") == "'ran'"


def test_ipython_directory_that_cannot_be_written_is_no_obstacle(sandbox: Sandbox, start_kernel: Start) -> None:
    file = sandbox.path / "a-file"
    file.write_text("")
    kernel = start_kernel(sandbox=sandbox, env={"IPYTHONDIR": str(file / "below")})
    assert value(kernel, "6 * 7") == "42"
    drop_greetings(kernel)
