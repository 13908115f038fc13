"""Kernels of other languages: the example of thirty lines, one that uses all of `LanguageKernel`, and ipykernel's."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from frontend import DEADLINE_S, KERNEL_NAME, Frontend, Sandbox
from needs import need_module

pytestmark = pytest.mark.skipif(KERNEL_NAME != "kernelet", reason="these kernels are made with kernelet")

EXAMPLES = Path(__file__).parents[2] / "examples"
Start = Callable[..., Frontend]


@pytest.fixture(scope="module")
def start_file() -> Iterator[Start]:
    """Start kernels from a Python file, through a kernelspec and jupyter_client."""
    started: list[tuple[Frontend, Sandbox]] = []

    def start(path: Path) -> Frontend:
        sandbox = Sandbox()
        spec = sandbox.path / "data" / "kernels" / "wrapped"
        spec.mkdir(parents=True)
        argv = [sys.executable, str(path), "-f", "{connection_file}"]
        (spec / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "Wrapped", "language": "echo"}))
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("JUPYTER_PATH", str(sandbox.path / "data"))
            started.append((Frontend(kernel_name="wrapped", sandbox=sandbox), sandbox))
        return started[-1][0]

    yield start
    for kernel, sandbox in started:
        kernel.kill()
        sandbox.close()


@pytest.fixture(scope="module")
def echo_kernel(start_file: Start) -> Frontend:
    return start_file(EXAMPLES / "echo_kernel.py")


@pytest.fixture
def echo(echo_kernel: Frontend) -> Iterator[Frontend]:
    yield echo_kernel
    echo_kernel.assert_quiet()


def test_example_has_about_thirty_lines() -> None:
    lines = (EXAMPLES / "echo_kernel.py").read_text().partition('"""\n\nfrom')[2].splitlines()
    assert len([line for line in lines if line.strip()]) <= 30


def test_example_says_what_it_is(echo: Frontend) -> None:
    info = echo.kernel_info
    assert (info["implementation"], info["language_info"]["name"], info["protocol_version"]) == ("echo", "echo", "5.5")
    assert info["language_info"]["file_extension"] == ".echo"
    assert {"banner", "help_links", "supported_features"} <= set(info)


def test_example_prints_displays_and_counts(echo: Frontend) -> None:
    first = echo.execute("hello there")
    assert (first.status, first.stdout, first.types) == (
        "ok",
        "hello there\n",
        ["busy", "execute_input", "stream", "idle"],
    )
    second = echo.execute("shout loud")
    assert second.result == {"text/plain": "LOUD", "text/html": "<b>LOUD</b>"}
    assert second.content["execution_count"] == first.content["execution_count"] + 1
    assert echo.execute("silence", silent=True).content["execution_count"] == second.content["execution_count"]


def test_example_shows_what_a_subprocess_writes(echo: Frontend) -> None:
    result = echo.execute("run echo from the shell; echo oops >&2")
    assert (result.stdout, result.stderr) == ("from the shell\n", "oops\n")
    assert echo.execute("run exit 3").ename == "CalledProcessError"


def test_example_asks(echo: Frontend) -> None:
    result = echo.execute("ask what is it?", answers=["42"])
    assert result.stdout == "the answer is 42\n"
    assert echo.execute("ask nobody", allow_stdin=False).ename == "EOFError"


def test_example_completes_and_remembers(echo: Frontend) -> None:
    assert echo.request("complete_request", {"code": "sh", "cursor_pos": 2}).content["matches"] == ["shout"]
    assert echo.request("is_complete_request", {"code": "x"}).content["status"] == "unknown"
    assert not echo.request("inspect_request", {"code": "x", "cursor_pos": 0}).content["found"]
    echo.execute("remember this")
    rows = echo.request("history_request", {"hist_access_type": "tail", "n": 1}).content["history"]
    assert rows[0][2] == "remember this"
    assert echo.request("comm_info_request").content["comms"] == {}


def test_example_can_be_interrupted(echo: Frontend) -> None:
    msg_id = echo.send_execute("run echo begun; sleep 600")
    echo.see_text("begun", msg_id)
    echo.interrupt()
    assert echo.result(msg_id).ename == "KeyboardInterrupt"
    assert echo.execute("alive").stdout == "alive\n"


def test_failing_cell_aborts_those_behind_it(echo: Frontend, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    ids = [echo.send_execute(code) for code in (f"run until test -e {gate}; do sleep 0.01; done; exit 1", "never")]
    echo.request("kernel_info_request")  # on the same channel, and answered meanwhile: both have arrived
    gate.touch()
    results = [echo.result(one) for one in ids]
    assert [one.status for one in results] == ["error", "aborted"]


def test_comm_that_nobody_speaks_over_is_closed(echo: Frontend) -> None:
    msg_id = echo.send("comm_open", {"comm_id": "abc", "target_name": "widget", "data": {}})
    told = echo.until_idle(msg_id)
    assert [one["content"]["comm_id"] for one in told if one["msg_type"] == "comm_close"] == ["abc"]


WHOLE = """
    import os, threading, time
    from kernelet import LanguageKernel

    class Broken(Exception):
        pass

    class Whole(LanguageKernel):
        info = {"language_info": {"name": "whole"}, "banner": "all of it"}
        def start(self):
            print("started")
            self.saved = os.environ["SAVED"]
        def stop(self):
            with open(self.saved, "w") as file:
                file.write("stopped")
        def run(self, code):
            match code.split():
                case ["break"]:
                    raise Broken("it broke")
                case ["explain"]:
                    raise ValueError("unexplained")
                case ["show"]:
                    print("before")
                    self.display({"text/plain": "first"}, display_id="one")
                    self.display({"text/plain": "second"}, display_id="one", update=True)
                    self.clear_output(wait=True)
                    self.page("a page")
                case ["wait"]:
                    print("waiting")
                    while True: time.sleep(0.01)
                case _:
                    return code
        def explain(self, error):
            if isinstance(error, ValueError):
                1 / 0
            return "Explained", "why", ["line one", "line two"]
        def describe(self, code, cursor, detail):
            return f"{code} at {cursor}" if detail == 0 else {"text/html": "<p>more</p>"}
        def completeness(self, code):
            return ("incomplete", "  ") if code.endswith(":") else ("complete", "")

    Whole.main()
    """


@pytest.fixture(scope="module")
def whole_kernel(start_file: Start, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Frontend]:
    path = tmp_path_factory.mktemp("whole") / "whole.py"
    path.write_text(dedent(WHOLE))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SAVED", str(path.with_suffix(".saved")))
        kernel = start_file(path)
        kernel.execute("a cell")  # `start` has run by then
        kernel.leftovers()  # "started", which belongs to no cell
        yield kernel
        kernel.shutdown()
        assert kernel.exit_status() == 0
    assert path.with_suffix(".saved").read_text() == "stopped"


@pytest.fixture
def whole(whole_kernel: Frontend) -> Iterator[Frontend]:
    yield whole_kernel
    whole_kernel.assert_quiet()


def test_result_is_a_repr_and_info_is_filled_in(whole: Frontend) -> None:
    assert whole.execute("a text").result == {"text/plain": "'a text'"}
    assert (whole.kernel_info["banner"], whole.kernel_info["implementation"]) == ("all of it", "whole")


def test_error_is_explained_by_the_language(whole: Frontend) -> None:
    result = whole.execute("break")
    assert result.error == {"ename": "Explained", "evalue": "why", "traceback": ["line one", "line two"]}
    assert (result.content["status"], result.content["ename"]) == ("error", "Explained")


def test_error_without_an_explanation_is_shown_all_the_same(whole: Frontend) -> None:
    assert whole.execute("explain").ename == "ValueError"


def test_displays_keep_their_place(whole: Frontend) -> None:
    result = whole.execute("show")
    kinds = ["stream", "display_data", "update_display_data", "clear_output"]
    assert result.types == ["busy", "execute_input", *kinds, "idle"]
    assert result.content["payload"] == [{"source": "page", "data": {"text/plain": "a page"}, "start": 0}]


def test_questions_are_answered_by_the_language(whole: Frontend) -> None:
    ask = whole.request
    assert ask("inspect_request", {"code": "x", "cursor_pos": 1}).content["data"] == {"text/plain": "x at 1"}
    assert ask("inspect_request", {"code": "x", "detail_level": 1}).content["data"] == {"text/html": "<p>more</p>"}
    assert ask("is_complete_request", {"code": "if:"}).content == {"status": "incomplete", "indent": "  "}
    assert ask("is_complete_request", {"code": "x"}).content == {"status": "complete"}


def test_questions_while_a_cell_runs_have_no_answer_and_disturb_nothing(whole: Frontend) -> None:
    msg_id = whole.send_execute("wait")
    whole.see_text("waiting", msg_id)
    assert not whole.request("inspect_request", {"code": "x", "cursor_pos": 1}).content["found"]
    assert whole.request("complete_request", {"code": "x", "cursor_pos": 1}).content["matches"] == []
    whole.interrupt()
    assert whole.result(msg_id).content["ename"] == "Explained"


def test_time_limit_of_a_cell_holds(whole: Frontend) -> None:
    msg_id = whole.send_execute("wait", metadata={"timeout": 0.2})
    assert whole.result(msg_id).status == "error"


IPYKERNELS = """
    from ipykernel.kernelapp import IPKernelApp
    from ipykernel.kernelbase import Kernel

    class Toy(Kernel):
        implementation, implementation_version, banner = "toy", "1.0", "a toy"
        language_info = {"name": "toy", "mimetype": "text/plain", "file_extension": ".toy"}
        def do_execute(self, code, silent, store_history=True, user_expressions=None, allow_stdin=False):
            import sys
            text = f"{code} {'kernelet' in sys.modules}"
            self.send_response(self.iopub_socket, "stream", {"name": "stdout", "text": text})
            return {"status": "ok", "execution_count": self.execution_count, "payload": [], "user_expressions": {}}

    IPKernelApp.launch_instance(kernel_class=Toy)
    """


def test_kernel_made_with_ipykernel_is_left_alone(start_file: Start, tmp_path: Path) -> None:
    """bash_kernel, metakernel and their kin run on the real ipykernel in processes of their own."""
    need_module("ipykernel")
    path = tmp_path / "toy.py"
    path.write_text(dedent(IPYKERNELS))
    kernel = start_file(path)
    assert kernel.kernel_info["implementation"] == "toy"
    assert kernel.execute("said by a toy").stdout == "said by a toy False"
    kernel.shutdown()
    kernel.exit_status()


@pytest.mark.parametrize("argv", [["-f", "no_such_file.json"], ["-f"]])
def test_command_line_that_cannot_be_used_is_told_of(argv: list[str], tmp_path: Path) -> None:
    import subprocess

    command: list[Any] = [sys.executable, EXAMPLES / "echo_kernel.py", *argv]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=os.environ, timeout=DEADLINE_S)
    assert (done.returncode, done.stderr[:6]) == (2, "Echo: ")
