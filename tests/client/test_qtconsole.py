"""qtconsole, without a screen: a real JupyterWidget on a kernel, told to run cells and asked what it shows."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from needs import need_module
from sandbox import KERNEL_NAME, Sandbox

need_module("qtconsole")
need_module("PyQt6")

SESSION = Path(__file__).with_name("qtconsole_session.py")


@pytest.fixture(scope="module")
def seen() -> dict[str, str]:
    """What the console showed after each step of the session, by the step's name."""
    sandbox = Sandbox()
    try:
        done = subprocess.run(
            [sys.executable, str(SESSION), KERNEL_NAME],
            env=sandbox.environment({"QT_QPA_PLATFORM": "offscreen", "QT_API": "pyqt6"}),
            capture_output=True,
            text=True,
            timeout=110,
        )
    finally:
        sandbox.close()
    assert done.returncode == 0, done.stderr + done.stdout
    result: dict[str, str] = json.loads(done.stdout)
    return result


def test_banner_and_the_first_prompt_are_shown(seen: dict[str, str]) -> None:
    assert "IPython" in seen["banner"]
    assert seen["banner"].endswith("In [1]: ")


def test_cell_prints_and_returns(seen: dict[str, str]) -> None:
    assert "printed\nOut[1]: 42\n" in seen["result"]


def test_traceback_is_shown(seen: dict[str, str]) -> None:
    assert "ZeroDivisionError: division by zero" in seen["error"]


def test_input_is_asked_for_and_answered(seen: dict[str, str]) -> None:
    assert "who? Ada" in seen["asked"]
    assert "Out[4]: 'hello Ada'" in seen["asked"]


def test_running_cell_is_interrupted(seen: dict[str, str]) -> None:
    assert "it runs\n" in seen["interrupted"]
    assert "KeyboardInterrupt" in seen["interrupted"]


def test_question_mark_shows_the_help(seen: dict[str, str]) -> None:
    """It is a payload of the reply, which the console shows."""
    assert "Signature: len(obj, /)\nDocstring: Return the number of items" in seen["paged"]


def test_exit_asks_the_console_to_close(seen: dict[str, str]) -> None:
    assert seen["left"] == "kept: False"
