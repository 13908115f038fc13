"""`!command`: live, whole and in order, on a terminal, interruptible with all that it started; its status is kept."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from frontend import Frontend
from sandbox import process_gone


def value(kernel: Frontend, expression: str) -> str:
    return str(kernel.execute(expression).result["text/plain"])  # type: ignore[index]


def test_output_comes_while_the_command_runs(kernel: Frontend, tmp_path: Path) -> None:
    go = tmp_path / "go"
    msg_id = kernel.send_execute(f"!echo first; until test -e {go}; do sleep 0.05; done; echo second")
    kernel.see_text("first", msg_id)
    go.touch()
    assert kernel.result(msg_id).stdout.split() == ["first", "second"]


def test_a_program_that_buffers_into_pipes_is_seen_at_once(kernel: Frontend, tmp_path: Path) -> None:
    go = tmp_path / "go"
    code = f"import os, time; print('begun')\\nwhile not os.path.exists('{go}'): time.sleep(0.05)"
    kernel.execute("import sys")
    msg_id = kernel.send_execute(f"!{{sys.executable}} -c $'{code}'")
    kernel.see_text("begun", msg_id)
    go.touch()
    kernel.result(msg_id)


def test_a_command_has_a_terminal_of_80_columns(kernel: Frontend) -> None:
    assert kernel.execute("!test -t 0 && test -t 1 && test -t 2 && stty size").stdout.split() == ["24", "80"]


def test_everything_arrives_and_in_order(kernel: Frontend) -> None:
    result = kernel.execute("print('before')\n!seq 100000\nprint('after')")
    assert result.stdout.split() == ["before", *map(str, range(1, 100001)), "after"]


@pytest.mark.better_than_ipykernel("the terminal makes \\r\\n of it")
def test_lines_end_as_the_command_ended_them(kernel: Frontend) -> None:
    assert kernel.execute(r"!printf 'one\ntwo\r\nthree'").stdout == "one\ntwo\r\nthree"


@pytest.mark.better_than_ipykernel("it decodes each piece by itself")
def test_a_character_in_two_pieces_is_one(kernel: Frontend) -> None:
    code = r"!printf '\303'; sleep 0.3; printf '\244 \342\202'; sleep 0.3; printf '\254\n'"
    assert kernel.execute(code).stdout == "ä €\n"


def test_bytes_that_are_no_text_are_marked(kernel: Frontend) -> None:
    assert kernel.execute(r"!printf 'a\377b\n\303'").stdout == "a\ufffdb\n\ufffd"


@pytest.mark.parametrize(
    ("command", "status"), [("true", 0), ("exit 3", 3), ("kill -9 $$", -9), ("sh -c 'kill -15 $$'; exit $?", -15)]
)
def test_the_status_is_kept(kernel: Frontend, command: str, status: int) -> None:
    kernel.execute(f"!{command}")
    assert value(kernel, "_exit_code") == str(status)


def test_variables_are_expanded_where_the_command_stands(kernel: Frontend) -> None:
    code = "word = 'global'\ndef f():\n    word = 'local'\n    !echo {word} $word\nf()\n!echo {word}"
    assert kernel.execute(code).stdout.split() == ["local", "local", "global"]


def test_output_can_be_taken_as_a_value(kernel: Frontend) -> None:
    kernel.execute("lines = !printf 'a\\nb\\n'")
    assert value(kernel, "list(lines)") == "['a', 'b']"
    assert kernel.execute("!!echo shown").result == {"text/plain": "['shown']"}


def test_output_can_be_captured(kernel: Frontend) -> None:
    assert kernel.execute("%%capture caught\n!echo kept").stdout == ""
    assert value(kernel, "caught.stdout.split()") == "['kept']"


def test_a_command_in_the_background_is_refused(kernel: Frontend) -> None:
    assert kernel.execute("!sleep 1000 &").ename == "OSError"


def test_a_shell_that_is_not_there_is_named(kernel: Frontend) -> None:
    kernel.execute("import os\nbefore = os.environ.get('SHELL')\nos.environ['SHELL'] = 'no-such-shell'")
    result = kernel.execute("!true")
    kernel.execute("os.environ.pop('SHELL')\nif before: os.environ['SHELL'] = before")
    assert result.ename == "OSError"
    assert "no-such-shell" in str(result.content["evalue"])


def test_a_command_leaves_no_descriptor_and_no_process(kernel: Frontend) -> None:
    count = "len(os.listdir('/proc/self/fd')), len(children())"
    kernel.execute("import os\ndef children():\n    return open('/proc/thread-self/children').read().split()")
    kernel.execute("!true")
    before = value(kernel, count)
    kernel.execute("for _ in range(5):\n    !true")
    assert value(kernel, count) == before


def test_an_interrupt_ends_all_that_a_command_started(kernel: Frontend) -> None:
    msg_id = kernel.send_execute("!sleep 1000 & echo pid $!; sleep 1000; echo not here")
    kernel.see_text("pid", msg_id)
    kernel.interrupt()
    result = kernel.result(msg_id)
    assert "not here" not in result.stdout
    assert process_gone(int(result.stdout.split()[1]))
    assert value(kernel, "_exit_code") == "-2"


def test_what_a_command_says_to_an_interrupt_is_shown(kernel: Frontend) -> None:
    msg_id = kernel.send_execute("!trap 'echo cleaned; exit 5' INT; echo on; while :; do sleep 0.05; done")
    kernel.see_text("on", msg_id)
    kernel.interrupt()
    assert "cleaned" in kernel.result(msg_id).stdout
    assert value(kernel, "_exit_code") == "5"


def test_a_command_that_ignores_an_interrupt_is_ended(kernel: Frontend) -> None:
    msg_id = kernel.send_execute("!trap '' INT HUP; echo $$ on; while :; do sleep 0.05; done")
    kernel.see_text("on", msg_id)
    kernel.interrupt()
    assert process_gone(int(kernel.result(msg_id).stdout.split()[0]))
    assert value(kernel, "_exit_code") == "-9"


def test_an_interrupt_reaches_a_command_in_a_subshell(kernel: Frontend) -> None:
    subshell_id = str(kernel.request("create_subshell_request", channel="control").content["subshell_id"])
    msg_id = kernel.send_execute("!echo on; exec sleep 1000", subshell_id=subshell_id)
    kernel.see_text("on", msg_id)
    kernel.interrupt()
    assert kernel.result(msg_id).stdout.split()[0] == "on"
    assert kernel.execute("1 + 1", subshell_id=subshell_id).result == {"text/plain": "2"}
    kernel.request("delete_subshell_request", {"subshell_id": subshell_id}, "control")


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="another machine: no /proc")
def test_a_command_ends_with_a_kernel_that_is_killed(fresh_kernel: Frontend) -> None:
    msg_id = fresh_kernel.send_execute("!echo $$ on; sleep 1000")
    fresh_kernel.see_text("on", msg_id)
    told = fresh_kernel.see(lambda m: m["msg_type"] == "stream" and m["parent_header"]["msg_id"] == msg_id)
    fresh_kernel.signal(signal.SIGKILL)
    fresh_kernel.exit_status()
    assert process_gone(int(told["content"]["text"].split()[0]))
