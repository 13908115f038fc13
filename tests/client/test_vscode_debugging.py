"""A VS Code debug session, message by message as its Jupyter extension sends them (see the script)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from frontend import KERNEL_NAME, Sandbox

SCRIPT = Path(__file__).parents[2] / "examples" / "debug_like_vscode.py"


def test_the_script_plays_a_session_to_its_end() -> None:
    sandbox = Sandbox()
    try:
        done = subprocess.run(
            [sys.executable, SCRIPT, KERNEL_NAME],
            env=sandbox.environment(),
            capture_output=True,
            text=True,
            timeout=110,
        )
    finally:
        sandbox.close()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "stopped in half at line 2: number = 8, result is not there yet" in done.stdout
    assert done.stdout.endswith("the kernel is still there: 42\n")
