"""A person at a terminal: `jupyter console` in a pseudo-terminal."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator

import pytest

from needs import need_module
from sandbox import DEADLINE_S, Sandbox, process_gone

need_module("jupyter_console")
need_module("pexpect")

import pexpect  # noqa: E402

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\x1b[=>]")


class Console:
    """`jupyter console` and what a person types into it."""

    def __init__(self, kernel_name: str, sandbox: Sandbox, *options: str) -> None:
        # A dumb terminal of prompt_toolkit, which would otherwise ask the terminal where its cursor is.
        env = sandbox.environment({"TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1", "NO_COLOR": "1"})
        arguments = ["-m", "jupyter_console", "--kernel", kernel_name, *options]
        self.child: pexpect.spawn[str] = pexpect.spawn(
            sys.executable, arguments, env=env, encoding="utf-8", timeout=DEADLINE_S, dimensions=(50, 200)
        )
        self.number = 0
        self.wait_prompt()

    def wait_prompt(self) -> str:
        """Wait for the next `In [n]:`; what was shown before it, without escape sequences."""
        self.number += 1
        self.child.expect(rf"In \[(?:\x1b\[[0-9;]*m)*{self.number}(?:\x1b\[[0-9;]*m)*\]: ")
        return ESCAPES.sub("", self.child.before or "")

    def type(self, *lines: str) -> None:
        """Type `lines`, each with Enter."""
        for line in lines:
            self.child.send(line + "\r")

    def run(self, *lines: str) -> str:
        """Type `lines` and wait for the next prompt; what was shown."""
        self.type(*lines)
        return self.wait_prompt()

    def expect(self, text: str) -> None:
        """Wait until `text` is shown."""
        self.child.expect_exact(text)


@pytest.fixture
def console(kernel_name: str, sandbox: Sandbox) -> Iterator[Console]:
    console = Console(kernel_name, sandbox)
    yield console
    console.child.close(force=True)


@pytest.fixture
def asked_console(kernel_name: str, sandbox: Sandbox) -> Iterator[Console]:
    """A console that shows prompts of cells on busy machines as well; two empty lines end what is typed.

    Having asked whether a line is complete, the console takes the idle status of that question for the end of the cell
    that it sent next, if it reads it late enough; then it waits for the reply and never looks for a prompt.
    """
    console = Console(kernel_name, sandbox, "--ZMQTerminalInteractiveShell.use_kernel_is_complete=False")
    yield console
    console.child.close(force=True)


def test_console_evaluates_and_leaves_at_exit(console: Console) -> None:
    assert re.search(r"Out\[1\]: 2\b", console.run("1+1"))
    pid = int(re.search(r"pid=(\d+);", console.run("import os; print(f'pid={os.getpid()};')"))[1])
    console.type("exit")
    console.child.expect(pexpect.EOF)
    assert process_gone(pid), "the console left, its kernel did not"


def test_console_asks_for_more_lines_until_a_block_is_complete(console: Console) -> None:
    shown = console.run("for n in range(2):", "print('square', n * 11)", "")
    assert "...:" in shown
    assert "square 0" in shown
    assert "square 11" in shown


def test_console_shows_output_while_the_cell_runs_and_interrupts_it(console: Console) -> None:
    console.type("import time; print('be' + 'gun')  or time.sleep(600)")
    console.expect("begun")
    console.child.sendintr()
    assert "KeyboardInterrupt" in console.wait_prompt()
    assert "Out[2]: 'alive'" in console.run("'ali' + 've'")


def test_console_answers_input(asked_console: Console) -> None:
    console = asked_console
    console.type("print('hello ' + input('your ' + 'name? '))", "", "")
    console.expect("your name? ")
    assert "hello Ada" in console.run("Ada")


def test_console_shows_a_traceback(console: Console) -> None:
    shown = console.run("1 / 0")
    assert "ZeroDivisionError: division by zero" in shown
    assert "Traceback" in shown


def test_console_debugs_where_it_is_told_and_after_an_error(asked_console: Console) -> None:
    """`breakpoint()`, `%debug` and `%pdb`, each at its own prompt."""
    console = asked_console
    console.run("half = lambda number: number / 2", "", "")
    console.type("breakpoint(); half(8)", "", "")
    console.expect("ipdb>")
    console.type("p 6 * 7")
    console.expect("42")
    console.run("c")
    assert "TypeError" in console.run("half('eight')", "", "")
    console.type("%debug", "", "")
    console.expect("ipdb>")
    console.type("p number * 2")
    console.expect("'eighteight'")
    console.run("q")
    console.run("%pdb on", "", "")
    console.type("half([])", "", "")
    console.expect("ipdb>")
    console.type("p len(number) + 70")
    console.expect("70")
    assert "Out[7]: 'alive'" in console.run("q") + console.run("'ali' + 've'", "", "")
