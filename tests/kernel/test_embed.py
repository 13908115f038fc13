"""A kernel inside a program: embed_kernel, and a kernel in a thread; the program is as it was when the kernel ends."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from jupyter_client.blocking.client import BlockingKernelClient

from frontend import DEADLINE_S, KERNEL_NAME, Frontend, Sandbox

pytestmark = pytest.mark.skipif(KERNEL_NAME != "kernelet", reason="the program embeds kernelet")


class Program:
    """A Python program that embeds a kernel, and a client of that. The program names its file as `connection_file`."""

    def __init__(self, code: str, sandbox: Sandbox) -> None:
        self.file = sandbox.path / "embedded.json"
        script = sandbox.path / "program.py"
        script.write_text(f"connection_file = {str(self.file)!r}\n" + dedent(code))
        self.process = subprocess.Popen(
            [sys.executable, "-Werror", str(script)],
            env=sandbox.environment(),
            cwd=sandbox.path,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    @contextlib.contextmanager
    def client(self) -> Iterator[BlockingKernelClient]:
        """Read the line `ready` that the program prints, and connect. It prints it when the file is there."""
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n", self.process.communicate(timeout=DEADLINE_S)
        client = BlockingKernelClient(connection_file=str(self.file))
        client.load_connection_file()
        client.start_channels(hb=False)
        try:
            client.wait_for_ready(timeout=DEADLINE_S)
            yield client
        finally:
            client.stop_channels()

    def end(self) -> str:
        """Wait for the program's own end, which must be a good one, and return what it printed."""
        out, err = self.process.communicate(timeout=DEADLINE_S)
        assert (self.process.returncode, err) == (0, "")
        return str(out)


@pytest.fixture
def program() -> Iterator[Callable[[str], Program]]:
    sandbox = Sandbox()
    started: list[Program] = []

    def start(code: str) -> Program:
        started.append(Program(code, sandbox))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
        one.process.communicate()
    sandbox.close()


def run(client: BlockingKernelClient, code: str, **fields: Any) -> tuple[str, str]:
    """Run a cell; return its text, with that of its result, and the status or the error's name."""
    said: list[str] = []

    def hear(message: dict[str, Any]) -> None:
        content = message["content"]
        if message["msg_type"] == "stream":
            said.append(content["text"])
        elif message["msg_type"] == "execute_result":
            said.append(content["data"]["text/plain"])

    reply = client.execute_interactive(dedent(code), timeout=DEADLINE_S, output_hook=hear, **fields)["content"]
    return "".join(said), reply.get("ename", reply["status"])


# It binds first, and says so: `embed_kernel` does both at once, and a file says that it may be connected to.
EMBED = """
    import threading, time, os
    def tell():
        while not os.path.exists(connection_file):
            time.sleep(0.005)
        print("ready", flush=True)
    threading.Thread(target=tell).start()
    import kernelet
    """


def test_cells_run_in_the_module_that_embeds_and_the_program_goes_on(program: Callable[[str], Program]) -> None:
    one = program(
        dedent(EMBED) + "x = 41\nkernelet.embed_kernel(connection_file=connection_file)\nprint('after', x, y)"
    )
    with one.client() as client:
        assert run(client, "x += 1\ny = 'from a cell'\nx, __name__") == ("(42, '__main__')", "ok")
        assert run(client, "def f(): return x\nprint(f())") == ("42\n", "ok")
        assert run(client, "await __import__('asyncio').sleep(0.001)\n1 / 0") == ("", "ZeroDivisionError")
        client.execute("exit")
        assert one.end() == "after 42 from a cell\n"
    assert not one.file.exists()


def test_function_that_embeds_lends_its_names(program: Callable[[str], Program]) -> None:
    code = """
        outer = 'global'
        def function():
            inner = 'local'
            kernelet.embed_kernel(connection_file=connection_file)
            print('after', inner)
        function()
        """
    one = program(dedent(EMBED) + dedent(code))
    with one.client() as client:
        assert run(client, "inner, outer") == ("('local', 'global')", "ok")
        assert run(client, "inner = 'changed'\ninner") == ("'changed'", "ok")
        client.shutdown()
        assert one.end() == "after local\n"


def test_program_is_never_forked_by_its_guest(program: Callable[[str], Program]) -> None:
    one = program(dedent(EMBED) + "kernelet.embed_kernel(connection_file=connection_file)\nprint('after')")
    with one.client() as client:
        for magic in ("%branch", "%checkpoint"):
            text, _ = run(
                client, f"try:\n    get_ipython().run_line_magic({magic[1:]!r}, '')\nexcept Exception as e: print(e)"
            )
            assert "lives in another program" in text
        client.shutdown()
        assert one.end() == "after\n"


def test_namespace_may_be_given(program: Callable[[str], Program]) -> None:
    code = """
        import types
        names = {'given': 1}
        kernelet.embed_kernel(types.ModuleType('a_module'), names, connection_file=connection_file)
        print('after', names['given'], names['made'])
        """
    one = program(dedent(EMBED) + dedent(code))
    with one.client() as client:
        assert run(client, "given += 1\nmade = given * 2\nget_ipython().user_module.__name__") == ("'a_module'", "ok")
        client.shutdown()
        assert one.end() == "after 2 4\n"


STATE = """
    import asyncio, builtins, concurrent.futures, faulthandler, getpass, os, signal, subprocess, sys, threading
    def state():
        return [
            sys.stdout, sys.stderr, sys.displayhook, sys.excepthook, sys.breakpointhook, sys.path[:], sys.meta_path[:],
            sys.modules['__main__'], sorted(name for name in sys.modules if name.startswith('ipykernel')),
            dict(os.environ), input, hasattr(builtins, 'get_ipython'), getpass.getpass, faulthandler.enable,
            threading.excepthook, threading.Thread.start, concurrent.futures.ThreadPoolExecutor.submit,
            [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGURG)], signal.set_wakeup_fd(-1),
        ]
    """


def test_process_is_as_it_was_when_the_kernel_ends(program: Callable[[str], Program]) -> None:
    code = """
        child = subprocess.Popen([sys.executable, '-c', 'input()'], stdin=subprocess.PIPE)
        import atexit
        atexit.register(print, 'the end')
        before = state()
        kernelet.embed_kernel(connection_file=connection_file)
        print([number for number, (old, new) in enumerate(zip(before, state())) if old != new])
        print('threads', sorted(one.name for one in threading.enumerate()))
        print('child', child.poll())
        child.communicate(b'now\\n')
        """
    one = program(dedent(EMBED) + dedent(STATE) + dedent(code))
    with one.client() as client:
        assert run(client, "import ipykernel.comm, ipykernel.kernelapp\nget_ipython().kernel.comm_manager")[1] == "ok"
        client.shutdown()
        assert one.end() == "[]\nthreads ['MainThread']\nchild None\nthe end\n"


def test_kernel_may_be_embedded_again(program: Callable[[str], Program]) -> None:
    code = """
        for number in range(3):
            threading.Thread(target=tell).start() if number else None
            kernelet.embed_kernel(connection_file=connection_file)
        """
    one = program(dedent(EMBED) + dedent(code))
    for number in range(3):
        with one.client() as client:
            assert run(client, "number, _ih") == (f"({number}, ['', 'number, _ih'])", "ok")
            client.shutdown()
            client.get_control_msg(timeout=DEADLINE_S)
    assert one.end() == ""


def test_kernel_may_be_embedded_inside_a_running_loop(program: Callable[[str], Program]) -> None:
    code = """
        import asyncio
        async def main():
            kernelet.embed_kernel(connection_file=connection_file)
            await asyncio.sleep(0.001)
            print('still', asyncio.get_running_loop() is loop)
        loop = asyncio.new_event_loop()
        loop.run_until_complete(main())
        loop.close()
        """
    one = program(dedent(EMBED) + dedent(code))
    with one.client() as client:
        assert run(client, "import asyncio\nasyncio.run(asyncio.sleep(0.001, 'nested'))") == ("'nested'", "ok")
        assert run(client, "await asyncio.sleep(0.001, 'awaited')") == ("'awaited'", "ok")
        client.shutdown()
        assert one.end() == "still True\n"


def test_kernel_may_be_embedded_in_ipython(program: Callable[[str], Program]) -> None:
    code = """
        from IPython.core.interactiveshell import InteractiveShell
        from IPython.terminal.ipapp import TerminalIPythonApp
        app = TerminalIPythonApp.instance()
        shell = InteractiveShell.instance()
        kernelet.embed_kernel(connection_file=connection_file)
        from IPython import get_ipython
        print(get_ipython() is shell, TerminalIPythonApp.instance() is app)
        """
    one = program(dedent(EMBED) + dedent(code))
    with one.client() as client:
        assert run(client, "type(get_ipython()).__name__") == ("'ZMQInteractiveShell'", "ok")
        client.shutdown()
        assert one.end() == "True True\n"


@pytest.mark.parametrize("how", ["signal", "request"])
@pytest.mark.parametrize(
    "code", ["import time\nprint('in')\nwhile True: time.sleep(0.01)", "print('in')\nawait forever"]
)
def test_interrupt_ends_a_cell_and_not_the_program(program: Callable[[str], Program], how: str, code: str) -> None:
    one = program(dedent(EMBED) + "kernelet.embed_kernel(connection_file=connection_file)\nprint('after')")
    with one.client() as client:
        run(client, "import asyncio\nforever = asyncio.get_event_loop().create_future()")
        client.execute(code)
        wait_for_text(client, "in")
        if how == "signal":
            one.process.send_signal(signal.SIGINT)
        else:
            client.session.send(client.control_channel.socket, client.session.msg("interrupt_request", {}))
        assert client.get_shell_msg(timeout=DEADLINE_S)["content"]["ename"] == "KeyboardInterrupt"
        client.shutdown()
        assert one.end() == "after\n"


def wait_for_text(client: BlockingKernelClient, text: str) -> None:
    while True:
        message = client.get_iopub_msg(timeout=DEADLINE_S)
        if message["msg_type"] == "stream" and text in message["content"]["text"]:
            return


def test_embedding_in_a_kernel_is_refused(fresh_kernel: Frontend) -> None:
    for code in (
        "import kernelet\nkernelet.embed_kernel()",
        "from ipykernel.embed import embed_kernel\nembed_kernel()",
    ):
        result = fresh_kernel.execute(code)
        assert (result.ename, "kernel already" in result.error["evalue"]) == ("RuntimeError", True)
    assert fresh_kernel.execute("1").status == "ok"


THREAD = """
    import sys, threading, time
    import kernelet
    names = {'given': 1}
    kernel = kernelet.EmbeddedKernel(local_ns=names, connection_file=connection_file).start()
    assert kernel.connection_file == connection_file
    print("ready", flush=True)
    """


def test_kernel_runs_in_a_thread_beside_the_program(program: Callable[[str], Program]) -> None:
    code = """
        print(sys.stdin.readline().strip(), names['given'])
        kernel.stop()
        print('after', sorted(one.name for one in threading.enumerate()))
        """
    one = program(dedent(THREAD) + dedent(code))
    with one.client() as client:
        assert run(client, "import asyncio, threading as t\nt.current_thread() is t.main_thread()") == ("False", "ok")
        assert run(client, "given = 7\nprint('said by a cell')") == ("said by a cell\n", "ok")
        assert run(client, "await asyncio.sleep(0.001, 3)") == (
            "3",
            "ok",
        )
        one.process.stdin.write("asked\n")  # type: ignore[union-attr]
        assert one.end() == "asked 7\nafter ['MainThread']\n"


@pytest.mark.parametrize(
    "code",
    [
        "import time\nprint('in')\nwhile True: time.sleep(0.01)",
        "print('in')\nawait forever",
        "print('in')\ninput()",
        "print('in')\nwhile True: print('.', end='')",
    ],
)
def test_interrupt_request_reaches_a_cell_in_a_thread(program: Callable[[str], Program], code: str) -> None:
    one = program(dedent(THREAD) + "sys.stdin.readline()\nkernel.stop()\nprint('not interrupted')")
    with one.client() as client:
        run(client, "import asyncio\nforever = asyncio.get_event_loop().create_future()")
        client.execute(code, allow_stdin=True)
        wait_for_text(client, "in")
        if "input" in code:
            client.get_stdin_msg(timeout=DEADLINE_S)
        client.session.send(client.control_channel.socket, client.session.msg("interrupt_request", {}))
        assert client.get_shell_msg(timeout=DEADLINE_S)["content"]["ename"] == "KeyboardInterrupt"
        assert run(client, "1 + 1") == ("2", "ok")
        one.process.stdin.write("\n")  # type: ignore[union-attr]
        assert one.end() == "not interrupted\n"


def test_control_c_is_the_programs_own(program: Callable[[str], Program]) -> None:
    code = """
        try:
            sys.stdin.readline()
        except KeyboardInterrupt:
            print('the program was interrupted')
        kernel.stop()
        """
    # Tests that run in the background of a shell have SIGINT ignored, and hand that on.
    taken = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
    one = program(taken + dedent(THREAD) + dedent(code))
    with one.client() as client:
        assert run(client, "1") == ("1", "ok")
        one.process.send_signal(signal.SIGINT)
        assert one.end() == "the program was interrupted\n"


def test_cell_in_a_thread_may_ask_for_input(program: Callable[[str], Program]) -> None:
    one = program(dedent(THREAD) + "print(input())\nkernel.stop()")
    with one.client() as client:
        client.execute("answer = input('what? ')\nprint(answer)", allow_stdin=True)
        assert client.get_stdin_msg(timeout=DEADLINE_S)["content"]["prompt"] == "what? "
        client.input("this")
        wait_for_text(client, "this")
        client.get_shell_msg(timeout=DEADLINE_S)
        one.process.stdin.write("of the program\n")  # type: ignore[union-attr]
        assert one.end() == "of the program\n"


def test_stop_ends_a_busy_cell(program: Callable[[str], Program]) -> None:
    one = program(dedent(THREAD) + "sys.stdin.readline()\nkernel.stop()\nprint('stopped')")
    with one.client() as client:
        client.execute("print('in')\nwhile True: pass")
        wait_for_text(client, "in")
        one.process.stdin.write("\n")  # type: ignore[union-attr]
        assert one.end() == "stopped\n"


def test_program_may_end_while_its_kernel_runs(program: Callable[[str], Program]) -> None:
    one = program(dedent(THREAD) + "sys.stdin.readline()\nprint('the end')")
    with one.client() as client:
        assert run(client, "1") == ("1", "ok")
        one.process.stdin.write("\n")  # type: ignore[union-attr]
        assert one.end() == "the end\n"


def test_second_kernel_at_the_same_time_is_refused(program: Callable[[str], Program]) -> None:
    code = """
        try:
            kernelet.EmbeddedKernel().run()
        except RuntimeError as error:
            print(error)
        kernel.stop()
        kernelet.EmbeddedKernel().start().stop()
        print('one after the other')
        """
    one = program(dedent(THREAD) + dedent(code))
    out, err = one.process.communicate(timeout=DEADLINE_S)
    assert out == "ready\nthis process is a kernel already, or runs one\none after the other\n"
    assert [line.partition(":")[0] for line in err.splitlines()] == ["kernelet", "kernelet"]


def test_connection_file_that_cannot_be_used_is_a_value_error(tmp_path: Path) -> None:
    import kernelet

    broken = tmp_path / "broken.json"
    broken.write_text("{")
    with pytest.raises(ValueError, match="not JSON"):
        kernelet.embed_kernel(connection_file=broken)


def test_public_names_are_listed_and_others_refused() -> None:
    import kernelet

    assert {"EmbeddedKernel", "embed_kernel"} <= set(dir(kernelet))
    with pytest.raises(AttributeError, match="no_such_name"):
        kernelet.no_such_name  # noqa: B018
