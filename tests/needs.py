"""What a test needs from the machine: absent, the test is skipped by name; under `.ci/run` (KERNELET_CI) it fails."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest

OTHER_MACHINE = "another machine: "
"""How the reason of a skip starts that is right even under `.ci/run`: another Python, another operating system."""

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def in_ci() -> bool:
    """Tell whether `.ci/run` runs us: it promises that every tool is there."""
    return bool(os.environ.get("KERNELET_CI"))


def absent(thing: str) -> NoReturn:
    """Skip the test because `thing` is not here, or fail it where everything was promised to be here.

    May be called in a test, in a fixture or at the top of a test module.
    """
    reason = f"{thing} is not on this machine"
    if in_ci():
        pytest.fail(f"{reason}, and KERNELET_CI promises that it is", pytrace=False)
    pytest.skip(reason, allow_module_level=True)


def need_module(name: str) -> None:
    """Ask for an importable module, without importing it."""
    try:
        found = importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # the parent package of a dotted name is absent
        found = False
    if not found:
        absent(f"the Python module {name}")


def need_executable(name: str) -> str:
    """Return the path of a program on PATH."""
    path = shutil.which(name)
    if path is None:
        absent(f"the program {name}")
    return path


def need_tool(name: str) -> Path:
    """Return the folder of a package that cannot be installed beside ours: `make` puts it into the venv's `tools`."""
    path = Path(sys.prefix, "tools", name)
    if not path.is_dir():
        absent(f"{name} in the folder `tools` of the environment")
    return path


def need_chromium() -> str:
    """Return the path of a Chromium or Chrome."""
    for name in CHROMIUM_NAMES:
        if path := shutil.which(name):
            return path
    absent("Chromium")


def need_python(version: str) -> str:
    """Return the path of another Python, such as "3.13"; its absence is never a failure."""
    path = shutil.which(f"python{version}")
    # It is run, since pyenv puts names on PATH that stand for nothing.
    if path is None or subprocess.run([path, "-c", ""], capture_output=True).returncode != 0:
        pytest.skip(f"{OTHER_MACHINE}it has python{version}", allow_module_level=True)
    return path


def need_kernelspec(name: str) -> None:
    """Ask for a kernelspec that jupyter_client can start, its provisioner included."""
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel
    from jupyter_client.provisioning import KernelProvisionerFactory

    try:
        spec = KernelSpecManager().get_kernel_spec(name)
    except NoSuchKernel:
        absent(f"the kernelspec {name}")
    if not KernelProvisionerFactory.instance().is_provisioner_available(spec):
        absent(f"the provisioner of the kernelspec {name}")


def need_linux() -> None:
    """Ask for Linux; another system is never a failure."""
    if sys.platform != "linux":
        pytest.skip(f"{OTHER_MACHINE}it has Linux", allow_module_level=True)
