"""The kernels that are compared: how each is started, and which of them this interpreter can start."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks import provisioned

REFERENCE = "ipykernel"
"""The kernel whose numbers are 1.00 in every ratio."""

OURS = "kernelet"
INSTANT = "kernelet-instant"
FLOOR = "floor"


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel by its command line. `{python}`, `{here}` and `{connection_file}` are filled in."""

    label: str
    module: str
    """What has to be importable for it to start; empty if nothing."""
    distributions: tuple[str, ...]
    """The distributions whose versions are told; the first is what `peers.py` installs."""
    arguments: tuple[str, ...]
    default: bool = True
    """Whether it runs when no kernels are named."""
    interrupted_by: str = "signal"
    """The `interrupt_mode` of its kernelspec."""
    only: frozenset[str] | None = None
    """The metrics that it is measured on, where all the others would be those of another kernel."""
    provisioned: bool = False
    """Whether it is forked from a zygote, by kernelet's provisioner (provisioned.py)."""

    def argv(self, python: str, connection_file: str) -> list[str]:
        places = {
            "{python}": python,
            "{here}": str(Path(__file__).resolve().parent),
            "{connection_file}": connection_file,
        }
        filled = []
        for argument in self.arguments:
            for place, value in places.items():
                argument = argument.replace(place, value)
            filled.append(argument)
        return filled


def _module(
    label: str,
    module: str,
    *distributions: str,
    tail: tuple[str, ...] = (),
    default: bool = True,
    interrupted_by: str = "signal",
) -> Kernel:
    arguments = ("{python}", "-m", module, *(tail or ("-f", "{connection_file}")))
    return Kernel(label, module, distributions or (label,), arguments, default, interrupted_by)


KERNELS = {
    kernel.label: kernel
    for kernel in (
        _module(OURS, "kernelet"),
        Kernel(
            INSTANT,
            "kernelet",
            (OURS,),
            ("{python}", "-m", "kernelet", "-f", "{connection_file}"),
            only=frozenset({"start", "fleet", "idle", "execute", "interrupt_busy", "shutdown"}),
            provisioned=True,
        ),
        _module(REFERENCE, "ipykernel_launcher", "ipykernel"),
        _module("ipymini", "ipymini", "ipymini", "kernmini"),
        _module(
            "async-kernel",
            "async_kernel",
            tail=("start", "--connection_file={connection_file}", "--name=async"),
            interrupted_by="message",
        ),
        _module("xeus-python", "xpython_launcher", "xeus-python", "xeus-python-shell"),
        _module(
            "xeus-python-raw",
            "xpython_launcher",
            "xeus-python",
            tail=("-f", "{connection_file}", "--raw"),
            default=False,
        ),
        Kernel(FLOOR, "zmq", ("pyzmq",), ("{python}", "{here}/floor_server.py", "-f", "{connection_file}")),
    )
}
"""By label. `floor` is no kernel: it answers the same messages and runs nothing (floor_server.py)."""

COMMANDS = {
    "python -c pass": ("{python}", "-c", "pass"),
    "import zmq": ("{python}", "-c", "import zmq"),
    "IPython shell, one cell": (
        "{python}",
        "-c",
        "from IPython.core.interactiveshell import InteractiveShell as S; S.instance().run_cell('pass')",
    ),
}
"""The floors under every start: commands run to their end, first to last part of the next."""

_RUN_CELL = """
import time
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
shell.history_manager.db_cache_size = {held}
for _ in range(100): shell.run_cell("pass", store_history={store}, silent={silent})
begin = time.perf_counter()
for _ in range(500): shell.run_cell("pass", store_history={store}, silent={silent})
print((time.perf_counter() - begin) / 500 * 1e6)
"""
IN_PROCESS = {
    "run_cell('pass'), a commit per cell": _RUN_CELL.format(held=0, store=True, silent=False),
    "run_cell('pass'), history held back": _RUN_CELL.format(held=10_000, store=True, silent=False),
    "run_cell('pass'), silent": _RUN_CELL.format(held=10_000, store=False, silent=True),
}
"""The floor under every execute: what IPython takes for it alone. Scripts that print microseconds."""


def floors(names: list[str]) -> list[str]:
    """Name the commands that are the floors under these metrics."""
    return [*(COMMANDS if "start" in names else ()), *(IN_PROCESS if "execute" in names else ())]


_PROBE = """
import importlib.metadata as m, importlib.util as u, json, platform, sys
modules, names = json.load(sys.stdin)
def version(name):
    try:
        return m.version(name)
    except m.PackageNotFoundError:
        return None
print(json.dumps({
    "python": platform.python_implementation() + " " + platform.python_version(),
    "modules": {name: u.find_spec(name) is not None for name in modules},
    "versions": {name: version(name) for name in names},
}))
"""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """What one interpreter has installed."""

    path: str
    version: str
    modules: dict[str, bool]
    versions: dict[str, str | None]

    def missing(self, kernel: Kernel) -> str:
        """Say why a kernel cannot be started; empty if it can."""
        if not self.modules[kernel.module]:
            return f"{kernel.distributions[0]} is not installed"
        return provisioned.missing() if kernel.provisioned else ""

    def version_of(self, kernel: Kernel) -> str:
        return ", ".join(f"{name} {self.versions[name]}" for name in kernel.distributions if self.versions[name])


def look_into(python: str) -> Interpreter:
    """Ask an interpreter which kernels it has."""
    modules = sorted({kernel.module for kernel in KERNELS.values()})
    names = sorted({name for kernel in KERNELS.values() for name in kernel.distributions} | {"ipython", "orjson"})
    answer = subprocess.run(
        [python, "-c", _PROBE],
        input=json.dumps([modules, names]),
        cwd=Path(sys.prefix),  # not here: what lies in the working directory is not installed
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    told = json.loads(answer.stdout)
    return Interpreter(python, told["python"], told["modules"], told["versions"])
