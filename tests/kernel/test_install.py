"""`kernelet install` as people type it, and the kernels that the specs it writes start."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from jupyter_client.kernelspec import KernelSpecManager

from frontend import Frontend, Sandbox

ROOT = Path(__file__).parents[2]
SPECS = Path("share/jupyter/kernels")
LOGOS = {"logo-32x32.png", "logo-64x64.png", "logo-svg.svg"}


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    sandbox = Sandbox()
    yield sandbox
    sandbox.close()


def run(sandbox: Sandbox, *command: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, env=sandbox.environment(env), cwd=sandbox.path, capture_output=True, text=True, timeout=60
    )


def install(sandbox: Sandbox, *arguments: str, python: str = sys.executable, **env: str) -> str:
    """Run the command and return the folder that it says it made."""
    done = run(sandbox, python, "-m", "kernelet", "install", *arguments, **env)
    assert (done.returncode, done.stdout.count("\n")) == (0, 1), done.stdout + done.stderr
    return done.stdout.removesuffix("\n").partition(" in ")[2]


def listed(sandbox: Sandbox, **env: str) -> dict[str, str]:
    """Return what `jupyter kernelspec list` shows: name -> folder."""
    done = run(sandbox, sys.executable, "-m", "jupyter_client.kernelspecapp", "list", "--json", **env)
    assert done.returncode == 0, done.stderr
    return {name: spec["resource_dir"] for name, spec in json.loads(done.stdout)["kernelspecs"].items()}


def test_the_package_brings_a_kernelspec_that_is_listed(sandbox: Sandbox) -> None:
    assert listed(sandbox)["kernelet"] == str(Path(sys.prefix, SPECS, "kernelet"))


def test_user_installs_where_the_user_keeps_jupyter_data(sandbox: Sandbox) -> None:
    directory = install(sandbox, "--user", "--name", "mine")
    assert directory == str(sandbox.path / "data/kernels/mine")
    assert listed(sandbox)["mine"] == directory


def test_prefix_is_found_through_jupyter_path(sandbox: Sandbox) -> None:
    directory = install(sandbox, "--prefix", str(sandbox.path), "--name", "mine", "--display-name", "My own")
    assert listed(sandbox, JUPYTER_PATH=str(sandbox.path / "share/jupyter"))["mine"] == directory
    spec = json.loads(Path(directory, "kernel.json").read_text(encoding="utf-8"))
    assert spec["display_name"] == "My own"
    assert {path.name for path in Path(directory).iterdir()} == {"kernel.json", *LOGOS}


def test_sys_prefix_is_that_of_the_python_that_runs(sandbox: Sandbox) -> None:
    other = sandbox.path / "other"
    venv.create(other, symlinks=os.name != "nt")
    python = str(other / Path(sys.executable).relative_to(sys.prefix).parent / "python")
    packages = os.pathsep.join(sys.path)
    directory = install(sandbox, "--sys-prefix", python=python, PYTHONPATH=packages)
    assert directory == str(other / SPECS / "kernelet")
    assert json.loads(Path(directory, "kernel.json").read_text(encoding="utf-8"))["argv"][0] == python


def test_the_script_and_the_module_are_the_same(sandbox: Sandbox) -> None:
    script = os.path.join(sysconfig.get_path("scripts"), "kernelet")
    done = run(sandbox, script, "install", "--user")
    assert done.stdout == f"Installed the kernelspec kernelet in {sandbox.path}/data/kernels/kernelet\n"


def test_an_installed_spec_starts_a_kernel_as_asked(sandbox: Sandbox, start_kernel: Callable[..., Frontend]) -> None:
    startup = sandbox.ipython / "profile_maths" / "startup"
    startup.mkdir(parents=True)
    (startup / "00-tau.py").write_text("tau = 6.283", encoding="utf-8")
    directory = install(
        sandbox,
        *("--prefix", str(sandbox.path), "--name", "mine", "--profile", "maths", "--frozen-modules"),
        *("--env", "GREETING", "hello world", "--env", "EMPTY", ""),
    )
    manager = KernelSpecManager(kernel_dirs=[os.path.dirname(directory)], ensure_native_kernel=False)
    kernel = start_kernel(kernel_name="mine", kernel_spec_manager=manager, sandbox=sandbox)
    cell = (
        "import os, sys; print(os.environ['GREETING'], repr(os.environ['EMPTY']), tau, sys._xoptions, sys.executable)"
    )
    result = kernel.execute(cell)
    assert result.stdout == f"hello world '' 6.283 {{'frozen_modules': 'on'}} {sys.executable}\n"


@pytest.mark.parametrize(
    "arguments, complaint",
    [
        (["--name", "my kernel"], "not a kernel name: 'my kernel' (Jupyter allows "),
        (["--name", ".."], "not a kernel name: '..' (Jupyter allows "),
        (["--env", "GREETING"], "argument --env: expected 2 arguments"),
        (["--env", "A=B", "c"], "not an environment variable: 'A=B' with the value 'c'"),
        (["--prefix", os.devnull], f"cannot write {os.devnull}/share/jupyter/kernels/kernelet: Not a directory"),
        (["--user", "--prefix", "x"], "argument --prefix: not allowed with argument --user"),
        (["--nonsense"], "unrecognized arguments: --nonsense"),
    ],
)
def test_bad_input_is_one_line_and_status_2(sandbox: Sandbox, arguments: list[str], complaint: str) -> None:
    done = run(sandbox, sys.executable, "-m", "kernelet", "install", *arguments)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    assert done.stderr.startswith(f"kernelet install: {complaint}")
    assert not (sandbox.path / "data").exists()


def test_the_wheel_carries_the_kernelspec_the_logos_and_the_alias(sandbox: Sandbox) -> None:
    dist = sandbox.path / "dist"
    built = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(dist)],
        cwd=ROOT, capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    [wheel] = dist.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        version = wheel.name.split("-")[1]
        data = f"kernelet-{version}.data/data/{SPECS.as_posix()}/kernelet"
        assert {f"{data}/{name}" for name in {"kernel.json", *LOGOS}} <= names
        assert {"kernel.py", "kernelet/__main__.py"} <= names
        archive.extractall(sandbox.path / "installed")
    directory = install(
        sandbox, "--prefix", str(sandbox.path), PYTHONPATH=str(sandbox.path / "installed"), PYTHONSAFEPATH="1"
    )
    assert {path.name for path in Path(directory).iterdir()} == {"kernel.json", *LOGOS}
