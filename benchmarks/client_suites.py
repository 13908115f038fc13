"""Run the public test suites of Jupyter's clients twice: on ipykernel, and with kernelet as `python3`.

    make client-suites                       all of SUITES: about ten minutes
    python benchmarks/client_suites.py nbclient

The suites are taken from the package index as source, into build/suites, with an environment of their own: their
plugins are not ours. A test that fails on kernelet and not on ipykernel fails the run, unless it is in EXPECTED.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import sysconfig
import tarfile
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

SUITES = {
    "nbclient": ["flaky", "nbconvert", "pytest-asyncio", "pytest-timeout", "testpath", "xmltodict"],
    "jupyter_client": ["pytest-asyncio", "pytest-jupyter[client]", "pytest-timeout"],
}
"""Name of a distribution whose source holds its tests, and what these need besides our own test packages."""

EXPECTED: dict[str, str] = {}
"""Tests that may fail on kernelet alone, each with the reason. None so far."""

LIMIT_S = 900
BUILD = Path(__file__).resolve().parent.parent / "build" / "suites"


def environment() -> Path:
    """Make the suites' own environment on top of this one, and return its Python."""
    python = BUILD / "venv" / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(BUILD / "venv")], check=True)
        inside = f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages/ours.pth"
        (BUILD / "venv" / inside).write_text(sysconfig.get_path("purelib") + "\n")
    return python


def source(name: str) -> Path:
    """Fetch the source of the version that is installed here, and return its folder."""
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    version = subprocess.run(
        [sys.executable, "-c", f"from importlib.metadata import version; print(version({name!r}))"],
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    folder = BUILD / f"{name}-{version}"
    if not folder.exists():
        options = ["--no-binary", name, "--no-deps", "--no-build-isolation", "--dest", str(BUILD)]
        subprocess.run([*pip, "download", *options, f"{name}=={version}"], check=True)
        with tarfile.open(BUILD / f"{name}-{version}.tar.gz") as archive:
            archive.extractall(BUILD, filter="data")
    return folder


def kernelet_as_python3() -> dict[str, str]:
    """Write a kernelspec `python3` that starts kernelet; the environment in which it is found first."""
    folder = BUILD / "path" / "kernels" / "python3"
    folder.mkdir(parents=True, exist_ok=True)
    argv = [sys.executable, "-m", "kernelet", "-f", "{connection_file}"]
    spec = {"argv": argv, "display_name": "Python 3 (ipykernel)", "language": "python", "metadata": {"debugger": True}}
    (folder / "kernel.json").write_text(json.dumps(spec))
    return {"JUPYTER_PATH": str(folder.parents[1])}


def run(python: Path, folder: Path, label: str, extra: dict[str, str]) -> dict[str, str]:
    """Run the suite in `folder`; the outcome of every test by its name."""
    results = BUILD / f"{folder.name}-{label}.xml"
    results.unlink(missing_ok=True)
    path = os.pathsep.join([str(python.parent), str(Path(sys.executable).parent), os.environ["PATH"]])
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:dash", f"--junitxml={results}", "-o", "timeout=120"]
    options += ["-o", "asyncio_default_fixture_loop_scope=function"]
    with open(results.with_suffix(".log"), "wb") as log:
        subprocess.run(
            [str(python), "-m", "pytest", "tests", *options],
            cwd=folder, env={**os.environ, **extra, "PATH": path}, stdout=log, stderr=log, timeout=LIMIT_S, check=False,
        )  # fmt: skip
    outcomes = {}
    for case in ET.parse(results).iter("testcase"):
        kinds = {child.tag for child in case} & {"failure", "error", "skipped"}
        outcomes[f"{case.get('classname')}::{case.get('name')}"] = min(kinds, default="passed")
    return outcomes


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("suites", nargs="*", help=f"of {', '.join(SUITES)}; all if none is named")
    names = parser.parse_args().suites or list(SUITES)
    BUILD.mkdir(parents=True, exist_ok=True)
    python, ours, unexpected = environment(), kernelet_as_python3(), 0
    print("| suite | kernel | passed | failed | skipped |\n|---|---|---|---|---|")
    for name in names:
        needed = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *SUITES[name]]
        subprocess.run(needed, check=True)
        folder = source(name)
        both = {label: run(python, folder, label, env) for label, env in (("ipykernel", {}), ("kernelet", ours))}
        for label, outcomes in both.items():
            count = Counter(outcomes.values())
            failed = count["failure"] + count["error"]
            print(f"| {folder.name} | {label} | {count['passed']} | {failed} | {count['skipped']} |", flush=True)
            if not count["passed"]:
                unexpected += 1
                print(f"  nothing passed: see {BUILD / f'{folder.name}-{label}.log'}")
        for test, outcome in both["kernelet"].items():
            if outcome in ("failure", "error") and both["ipykernel"].get(test) not in ("failure", "error"):
                reason = EXPECTED.get(test)
                unexpected += reason is None
                print(f"  on kernelet only: {test}: {reason or 'NOT EXPECTED'}")
    return 1 if unexpected else 0


if __name__ == "__main__":
    sys.exit(main())
