"""`kernelet run`: a script from the shell."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import needs

needs.need_module("pydantic_settings")

DEADLINE_S = 90


def run(*arguments: str, code: str = "", cwd: Path, **more: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "kernelet", "run", *arguments],
        input=code, capture_output=True, text=True, cwd=cwd, timeout=DEADLINE_S, check=False, **more,  # type: ignore[call-overload]
    )  # fmt: skip


def test_a_script_has_its_arguments_its_folder_and_a_shell(tmp_path: Path) -> None:
    (tmp_path / "neighbour.py").write_text("word = 'found'\n")
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, neighbour\nprint(sys.argv, neighbour.word)\nprint('warn', file=sys.stderr)\n!echo shell\n6 * 7\n"
    )
    done = run("script.py", "a", "b", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "['script.py', 'a', 'b'] found\nshell\n42\n")
    assert done.stderr == "warn\n"


def test_a_plot_becomes_a_file_without_show(tmp_path: Path) -> None:
    needs.need_module("matplotlib")
    done = run("--plots", "plots", "-", code="import matplotlib.pyplot as plt\nplt.plot([1, 2]);", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "plots" / "plot-1.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "code, status, words",
    [
        ("1 / 0", 1, "ZeroDivisionError"),
        ("import sys; sys.exit(3)", 3, ""),
        ("import sys; sys.exit('told')", 1, "told\n"),
        ("exit()", 0, ""),
        ("import os; os._exit(7)", 7, "exit status 7"),
        ("import ctypes; ctypes.string_at(0)", 128 + signal.SIGSEGV, "signal 11"),
    ],
)
def test_the_exit_status_says_how_it_ended(tmp_path: Path, code: str, status: int, words: str) -> None:
    done = run("-", code=code, cwd=tmp_path)
    assert done.returncode == status
    assert words in done.stderr
    assert "%tb" not in done.stderr


def test_a_timeout_has_the_status_of_timeout(tmp_path: Path) -> None:
    done = run("--timeout", "1", "-", code="while True: pass", cwd=tmp_path)
    assert done.returncode == 124
    assert "exceeded 1 s" in done.stderr


def test_output_comes_as_it_is_printed_and_control_c_interrupts(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("import time\nprint('started')\ntime.sleep(1000)\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "kernelet", "run", str(script)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path, start_new_session=True,
    )  # fmt: skip
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=DEADLINE_S)
    assert (process.returncode, "KeyboardInterrupt" in errors) == (130, True)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    done = run("absent.py", cwd=tmp_path)
    assert (done.returncode, done.stderr.splitlines()[0][:27]) == (2, "kernelet run: absent.py: [E")


def test_input_reads_stdin_and_ends_with_it(tmp_path: Path) -> None:
    (tmp_path / "asks.py").write_text(
        "from getpass import getpass\nprint(input('name? '), getpass('word? '))\nprint([input()])\ninput()"
    )
    done = run("asks.py", code="Ada\nsecret\r\nno end", cwd=tmp_path)
    assert done.stdout == "name? word? Ada secret\n['no end']\n"
    assert (done.returncode, "EOFError" in done.stderr) == (1, True)
    with (tmp_path / "asks.py").open() as file:  # a file, not a pipe
        done = subprocess.run(
            [sys.executable, "-m", "kernelet", "run", "-", "x"],
            input=None, stdin=file, capture_output=True, text=True, cwd=tmp_path, timeout=DEADLINE_S, check=False,
        )  # fmt: skip
    assert (done.returncode, "EOFError" in done.stderr) == (1, True)


def test_a_script_reads_what_is_piped_into_it(tmp_path: Path) -> None:
    (tmp_path / "sums.py").write_text("import sys\nfirst = input()\nprint(first, sum(int(n) for n in sys.stdin))\n")
    numbers = "".join(f"{n}\n" for n in range(50_000))
    done = run("sums.py", code=f"sum\n{numbers}", cwd=tmp_path)
    assert (done.stdout, done.stderr) == (f"sum {sum(range(50_000))}\n", "")


def test_a_person_at_a_terminal_is_asked(tmp_path: Path) -> None:
    (tmp_path / "asks.py").write_text(
        "from getpass import getpass\nprint('first')\nname = input('name? ')\nprint(name, getpass('word? '))\n"
    )
    ours, theirs = os.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "kernelet", "run", "asks.py"],
        stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path,
    ) as process:  # fmt: skip
        os.close(theirs)
        os.write(ours, b"Ada\nsecret\n")
        shown, said = process.communicate(timeout=DEADLINE_S)
    os.close(ours)
    assert (process.returncode, shown, said.strip()) == (0, "first\nname? word? Ada secret\n", "")


def test_a_script_knows_its_file_and_is_the_first_cell(tmp_path: Path) -> None:
    (tmp_path / "here.py").write_text("#!/usr/bin/env python\nif __name__ == '__main__':\n    print(__file__)\n1 / 0\n")
    done = run("here.py", cwd=tmp_path)
    assert done.stdout == "here.py\n"
    assert "Cell In[1], line 4" in done.stderr


@pytest.mark.parametrize(
    "data", ["\ufeffprint('é')".encode(), "# -*- coding: latin-1 -*-\nprint('é')\r\n".encode("latin-1")]
)
def test_a_script_is_decoded_as_python_does_it(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "bytes.py").write_bytes(data)
    done = run("bytes.py", cwd=tmp_path, env={**os.environ, "PYTHONIOENCODING": "utf-8"}, encoding="utf-8")
    assert (done.returncode, done.stdout) == (0, "é\n")


def test_a_reader_that_has_enough_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "much.py").write_text("for n in range(100_000): print(n)\n")
    with subprocess.Popen(
        [sys.executable, "-m", "kernelet", "run", "much.py"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "0\n"
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(DEADLINE_S) == 128 + signal.SIGPIPE


@pytest.mark.parametrize(
    "arguments, env, words",
    [
        (["book.ipynb"], {}, "kernelet run: book.ipynb: a notebook is no script"),
        (["bytes.py"], {}, "kernelet run: bytes.py: invalid or missing encoding declaration"),
        (["-"], {"KERNELET_PORT": "y"}, "kernelet run: port: Input should be a valid integer"),
        (["--timeout", "-1", "-"], {}, "kernelet run: The timeout is -1 s; it must be over 0"),
        (["s.py", "--verbose"], {}, "options of the script go behind --: kernelet run s.py -- --verbose"),
    ],
)
def test_a_bad_start_is_refused_in_a_line(
    tmp_path: Path, arguments: list[str], env: dict[str, str], words: str
) -> None:
    (tmp_path / "book.ipynb").write_text("{}")
    (tmp_path / "bytes.py").write_bytes(b"print('h\xe9')")
    done = run(*arguments, cwd=tmp_path, env={**os.environ, **env})
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert words in done.stderr.splitlines()[-1]


def test_an_isolated_script_has_no_network(tmp_path: Path) -> None:
    from kernelet.launch.confined import Confinement, ConfinementError

    try:
        Confinement.from_config({}, "net").probe()
    except ConfinementError as error:
        needs.absent(f"isolation ({error})")
    code = "import socket\nsocket.create_connection(('192.0.2.1', 80), 5)"
    done = run("--isolation", "net", "-", code=code, cwd=tmp_path)
    assert (done.returncode, "Network is unreachable" in done.stderr) == (1, True)
