"""euporie-console, a terminal front end of its own kind, in a pseudo-terminal."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from jupyter_client.kernelspec import KernelSpecManager

from needs import need_module, need_tool
from sandbox import DEADLINE_S, KERNEL_NAME, Sandbox

need_module("pexpect")

import pexpect  # noqa: E402


def test_euporie_shows_output_result_and_traceback(sandbox: Sandbox, tmp_path: Path) -> None:
    # euporie has an environment of its own: a kernelspec that says `python` would mean the Python there.
    spec = KernelSpecManager().get_kernel_spec(KERNEL_NAME)
    folder = tmp_path / "kernels" / KERNEL_NAME
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text(json.dumps({**spec.to_dict(), "argv": [sys.executable, *spec.argv[1:]]}))
    env = sandbox.environment({"JUPYTER_PATH": str(tmp_path), "HOME": str(tmp_path), "TERM": "xterm-256color"})
    program = need_tool("euporie") / "bin" / "euporie-console"
    console = pexpect.spawn(
        str(program),
        [f"--kernel-name={KERNEL_NAME}"],
        env={**env, "PROMPT_TOOLKIT_NO_CPR": "1"},
        encoding="utf-8",
        timeout=2 * DEADLINE_S,
        dimensions=(40, 120),
    )
    try:
        console.expect(r"In \[1")
        console.send("print('pri' + 'nted'); 6 * 7\r")
        console.expect("printed")
        console.expect(r"Out\[1\]: .*42")
        console.expect(r"In \[2")
        console.send("1 / 0\r")
        console.expect("ZeroDivisionError")
        console.expect("division by zero")
    finally:
        console.close(force=True)
