"""What sys.stdout and sys.stderr of a cell do: order, batching, visibility, odd characters, bounds, redirection."""

from __future__ import annotations

import hashlib
import itertools
import os
from pathlib import Path

import pytest

from frontend import Frontend, Result


def in_order(result: Result) -> list[tuple[str, str]]:
    """Streams of a cell as (name, text), neighbours of one name joined."""
    said = [(content["name"], content["text"]) for content in result.of_type("stream")]
    grouped = itertools.groupby(said, key=lambda part: part[0])
    return [(name, "".join(text for _, text in parts)) for name, parts in grouped]


def gate(kernel: Frontend, name: str) -> Path:
    """A pipe that a cell waits on, until the test writes to it: `open('name').read()`."""
    path = kernel.sandbox.path / name
    os.mkfifo(path)
    return path


@pytest.mark.better_than_ipykernel("it has two buffers")
def test_stdout_and_stderr_keep_their_order(kernel: Frontend) -> None:
    code = "import sys\nfor n in range(20):\n    print('out', n)\n    print('err', n, file=sys.stderr)"
    assert in_order(kernel.execute(code)) == [
        (f"std{name}", f"{name} {n}\n") for n in range(20) for name in ("out", "err")
    ]


@pytest.mark.better_than_ipykernel("it has two buffers")
def test_display_and_text_keep_their_order(kernel: Frontend) -> None:
    result = kernel.execute("import sys\nfor n in range(5):\n    print(n)\n    display(n)\n    sys.stderr.write('e')")
    assert result.types[2:-1] == ["stream", "display_data", "stream"] * 5


def test_text_is_before_the_result_that_follows_it(kernel: Frontend) -> None:
    result = kernel.execute("print('first')\n'second'")
    assert result.types[2:-1] == ["stream", "execute_result"]


def test_text_is_before_the_error_that_follows_it(kernel: Frontend) -> None:
    result = kernel.execute("print('first')\n1 / 0")
    assert result.types[2:-1] == ["stream", "error"]


def test_thousands_of_prints_are_a_handful_of_messages(kernel: Frontend) -> None:
    result = kernel.execute("for n in range(3000):\n    print(n)")
    assert result.stdout == "".join(f"{n}\n" for n in range(3000))
    assert len(result.of_type("stream")) <= 20


def test_partial_line_is_seen_before_the_cell_ends(kernel: Frontend) -> None:
    door = gate(kernel, "door")
    msg_id = kernel.send_execute("print('x', end='')\nopen('door').read()\nprint('y')")
    kernel.see_text("x", msg_id)
    door.write_text("go on")
    assert kernel.result(msg_id).stdout == "xy\n"


def test_stderr_is_seen_before_the_cell_ends(kernel: Frontend) -> None:
    door = gate(kernel, "other-door")
    msg_id = kernel.send_execute("import sys\nsys.stderr.write('wait')\nopen('other-door').read();")
    kernel.see_text("wait", msg_id)
    door.write_text("go on")
    assert kernel.result(msg_id).stderr == "wait"


def test_text_is_seen_while_a_cell_awaits(kernel: Frontend) -> None:
    door = gate(kernel, "third-door")
    code = "import asyncio\nprint('x', end='')\nawait asyncio.to_thread(lambda: open('third-door').read())\nprint('y')"
    msg_id = kernel.send_execute(code)
    kernel.see_text("x", msg_id)
    door.write_text("go on")
    assert kernel.result(msg_id).stdout == "xy\n"


@pytest.mark.better_than_ipykernel("the whole text is lost")
def test_lone_surrogates_arrive_as_replacement_characters(kernel: Frontend) -> None:
    result = kernel.execute(r"print('a\ud800b'); print('after')")
    assert result.stdout == "a\ufffdb\nafter\n"
    assert result.stderr == ""


@pytest.mark.better_than_ipykernel("the whole text is lost")
def test_surrogate_pair_arrives_as_its_character(kernel: Frontend) -> None:
    assert kernel.execute(r"print('[\ud83d\ude00]')").stdout == "[\U0001f600]\n"


@pytest.mark.parametrize(
    "text",
    ["naïve €", "日本語", "\U0001f468\u200d\U0001f469", "a\x00b\x1b[31mred\x1b[0m", "50 %\r100 %"],
    ids=["accents", "wide", "joined", "controls", "carriage return"],
)
def test_any_text_arrives_as_it_is(kernel: Frontend, text: str) -> None:
    assert kernel.execute(f"print({text!r})").stdout == text + "\n"


@pytest.mark.timeout(180)
def test_a_hundred_megabytes_arrive_whole_and_in_order_in_bounded_memory(fresh_kernel: Frontend) -> None:
    code = """
        line = "x" * 91
        for n in range(1_000_000):
            print(f"{n:08}{line}")
        """
    result = fresh_kernel.execute(code, deadline_s=120)
    got = hashlib.sha256()
    for content in result.of_type("stream"):
        got.update(content["text"].encode())
    expected = hashlib.sha256()
    for n in range(1_000_000):
        expected.update(f"{n:08}{'x' * 91}\n".encode())
    assert got.hexdigest() == expected.hexdigest()
    status = Path(f"/proc/{fresh_kernel.pid}/status").read_text()
    peak_kib = int(status.split("VmHWM:")[1].split()[0])
    assert peak_kib < 600 * 1024


def test_one_huge_string_arrives_whole(kernel: Frontend) -> None:
    assert kernel.execute("print('é' * 10_000_000)").stdout == "é" * 10_000_000 + "\n"


def test_stdout_is_a_text_stream(kernel: Frontend) -> None:
    code = """
        import io, sys
        for stream, name in ((sys.stdout, "stdout"), (sys.stderr, "stderr")):
            assert isinstance(stream, io.TextIOBase), type(stream).__mro__
            assert stream.encoding.lower() == "utf-8"
            assert stream.writable() and not stream.readable() and not stream.seekable()
            assert stream.isatty() is False
            assert isinstance(stream.fileno(), int)
            assert stream.name in (name, f"<{name}>"), stream.name
            assert stream.closed is False
            assert isinstance(stream.errors, str | None)
            assert stream.write("") == 0
        """
    assert kernel.execute(code).content.get("traceback", []) == []


def test_write_returns_the_number_of_characters(kernel: Frontend) -> None:
    result = kernel.execute(r"import sys; counts = [sys.stdout.write('€\U0001f600\n'), sys.stderr.write('')]; counts")
    assert result.result == {"text/plain": "[3, 0]"}
    assert result.stdout == "€\U0001f600\n"


@pytest.mark.parametrize("value", ["b'bytes'", "None", "3"])
def test_write_refuses_what_is_not_text(kernel: Frontend, value: str) -> None:
    assert kernel.execute(f"import sys; sys.stdout.write({value})").ename == "TypeError"


def test_reading_from_stdout_is_refused(kernel: Frontend) -> None:
    assert kernel.execute("import sys; sys.stdout.read()").ename == "UnsupportedOperation"


def test_writelines_and_flush_work(kernel: Frontend) -> None:
    code = "import sys\nsys.stdout.writelines(['a', 'b\\n'])\nsys.stdout.flush()\nprint('c', flush=True)"
    assert kernel.execute(code).stdout == "ab\nc\n"


def test_bytes_written_to_the_buffer_arrive(kernel: Frontend) -> None:
    """ipykernel has no `buffer`; who has one must make it work."""
    code = """
        import sys
        if hasattr(sys.stdout, "buffer"):
            sys.stdout.write("a")
            sys.stdout.buffer.write("b€".encode())
            sys.stdout.buffer.flush()
            sys.stdout.write("c")
        else:
            print("ab€c", end="")
        """
    assert kernel.execute(code).stdout == "ab€c"


def test_redirect_stdout_keeps_the_text(kernel: Frontend) -> None:
    code = """
        import contextlib, io
        held = io.StringIO()
        with contextlib.redirect_stdout(held), contextlib.redirect_stderr(held):
            print("kept")
            print("kept too", file=__import__("sys").stderr)
        print(repr(held.getvalue()))
        """
    result = kernel.execute(code)
    assert result.stdout == "'kept\\nkept too\\n'\n"
    assert result.stderr == ""


def test_capture_magic_captures_everything(kernel: Frontend) -> None:
    code = "%%capture held\nimport sys\nprint('out')\nprint('err', file=sys.stderr)\ndisplay('shown')\n'value'"
    assert kernel.execute(code).types == ["busy", "execute_input", "idle"]
    result = kernel.execute("(held.stdout, held.stderr, len(held.outputs))")
    assert result.result == {"text/plain": "('out\\n', 'err\\n', 2)"}
    assert kernel.execute("print('free again')").stdout == "free again\n"


@pytest.mark.better_than_ipykernel("what a later cell says through the replacement goes to the cell before it")
def test_replaced_stdout_is_used_and_the_old_one_comes_back(kernel: Frontend) -> None:
    code = """
        import sys
        class Upper:
            def __init__(self, under): self.under = under
            def write(self, text): return self.under.write(text.upper())
            def flush(self): self.under.flush()
        ours, sys.stdout = sys.stdout, Upper(sys.stdout)
        print("loud")
        """
    assert kernel.execute(code).stdout == "LOUD\n"
    assert kernel.execute("print('still loud')").stdout == "STILL LOUD\n"
    assert kernel.execute("sys.stdout = ours\nprint('quiet')").stdout == "quiet\n"


@pytest.mark.better_than_ipykernel("no reply ever")
def test_cell_is_answered_though_stdout_is_none(fresh_kernel: Frontend) -> None:
    """IPython itself cannot run a cell then; the request must still be answered."""
    assert fresh_kernel.execute("import sys\nours, sys.stdout = sys.stdout, None\nprint('nowhere')").status == "ok"
    assert fresh_kernel.execute("sys.stdout = ours\nprint('back')").status in ("ok", "error")


@pytest.mark.better_than_ipykernel("nothing is ever printed again")
def test_closing_stdout_does_not_silence_the_kernel(kernel: Frontend) -> None:
    kernel.execute("import sys; sys.stdout.close()")
    assert kernel.execute("print('still here')").stdout == "still here\n"


def test_logging_and_warnings_go_to_stderr(kernel: Frontend) -> None:
    code = """
        import logging, warnings
        logging.getLogger("mine").warning("logged")
        handler = logging.StreamHandler()
        logger = logging.getLogger("other")
        logger.propagate = False
        logger.addHandler(handler)
        logger.error("handled")
        warnings.warn("careful")
        """
    result = kernel.execute(code)
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert lines[:2] == ["logged", "handled"]
    assert "UserWarning: careful" in lines[2]
    assert kernel.execute("logger.error('in the next cell')").stderr == "in the next cell\n"


def test_print_from_many_threads_loses_and_mixes_nothing(kernel: Frontend) -> None:
    code = """
        import threading
        def speak(name):
            for n in range(200):
                print(f"{name}:{n}\\n", end="")
        threads = [threading.Thread(target=speak, args=(name,)) for name in "abcdefgh"]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        """
    lines = kernel.execute(code).stdout.splitlines()
    for name in "abcdefgh":
        assert [line for line in lines if line.startswith(name)] == [f"{name}:{n}" for n in range(200)]
    assert len(lines) == 8 * 200


def test_output_of_a_thread_reaches_the_running_cell(kernel: Frontend) -> None:
    code = (
        "import threading\nworker = threading.Thread(target=print, args=('threaded',))\nworker.start()\nworker.join()"
    )
    assert kernel.execute(code).stdout == "threaded\n"


def test_output_of_a_thread_pool_reaches_the_running_cell(kernel: Frontend) -> None:
    code = """
        from concurrent.futures import ThreadPoolExecutor
        with ThreadPoolExecutor() as pool:
            pool.submit(print, "pooled").result()
        """
    assert kernel.execute(code).stdout == "pooled\n"


def test_output_of_a_thread_after_idle_belongs_to_its_cell(kernel: Frontend) -> None:
    door = gate(kernel, "thread-door")
    code = """
        import threading
        def late():
            open("thread-door").read()
            print("late")
        worker = threading.Thread(target=late)
        worker.start()
        """
    starter = kernel.execute(code)
    door.write_text("go on")
    message = kernel.take("iopub", lambda m: m["msg_type"] == "stream")
    assert message["content"] == {"name": "stdout", "text": "late\n"}
    assert message["parent_header"]["msg_id"] == starter.request["msg_id"]
    kernel.execute("worker.join()")


def test_output_of_a_task_after_idle_belongs_to_its_cell(kernel: Frontend) -> None:
    code = """
        import asyncio
        go = asyncio.Event()
        async def late():
            await go.wait()
            print("late")
            return 1
        task = asyncio.create_task(late())
        await asyncio.sleep(0)
        """
    starter = kernel.execute(code)
    assert kernel.execute("go.set()\nawait task").result == {"text/plain": "1"}
    message = kernel.take("iopub", lambda m: m["msg_type"] == "stream")
    assert message["content"] == {"name": "stdout", "text": "late\n"}
    assert message["parent_header"]["msg_id"] == starter.request["msg_id"]


def test_output_of_a_callback_between_cells_belongs_to_its_cell(kernel: Frontend) -> None:
    starter = kernel.execute("import asyncio\nasyncio.get_running_loop().call_later(0.01, print, 'called')")
    if "called" in starter.stdout:
        return
    message = kernel.take("iopub", lambda m: m["msg_type"] == "stream")
    assert message["content"] == {"name": "stdout", "text": "called\n"}
    assert message["parent_header"]["msg_id"] == starter.request["msg_id"]
