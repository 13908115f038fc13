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
        ("import os; os._exit(7)", 7, "exit status 7"),
        ("import ctypes; ctypes.string_at(0)", 128 + signal.SIGSEGV, "signal 11"),
    ],
)
def test_the_exit_status_says_how_it_ended(tmp_path: Path, code: str, status: int, words: str) -> None:
    done = run("-", code=code, cwd=tmp_path)
    assert done.returncode == status
    assert words in done.stderr


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


def test_an_isolated_script_has_no_network(tmp_path: Path) -> None:
    from kernelet.launch.confined import Confinement, ConfinementError

    try:
        Confinement.from_config({}, "net").probe()
    except ConfinementError as error:
        needs.absent(f"isolation ({error})")
    code = "import socket\nsocket.create_connection(('192.0.2.1', 80), 5)"
    done = run("--isolation", "net", "-", code=code, cwd=tmp_path)
    assert (done.returncode, "Network is unreachable" in done.stderr) == (1, True)
