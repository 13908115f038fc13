"""Fixtures of the client tests: directories of our own for every stock client, here and in its subprocesses."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox import KERNEL_NAME, Sandbox

DIRECTORIES = ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A temporary home, named in our own environment, so that clients in this process use it too."""
    sandbox = Sandbox()
    environment = sandbox.environment()
    for name in DIRECTORIES:
        monkeypatch.setenv(name, environment[name])
    yield sandbox
    sandbox.close()


@pytest.fixture
def kernel_name(sandbox: Sandbox) -> str:
    """The kernelspec under test, to be started by clients that live in the sandbox."""
    return KERNEL_NAME


@pytest.fixture
def jupyter(sandbox: Sandbox, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run `python -m MODULE ARGUMENTS` in `tmp_path`, as a user's shell would."""

    def run(module: str, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", module, *arguments]
        scripts = str(Path(sys.executable).parent)
        env = sandbox.environment({"PATH": os.pathsep.join([scripts, os.environ["PATH"]])})
        return subprocess.run(command, cwd=tmp_path, env=env, input=stdin, capture_output=True, text=True, timeout=90)

    return run
