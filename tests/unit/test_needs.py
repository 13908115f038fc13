"""Under `.ci/run` nothing goes untested unseen: a skip fails, unless its test belongs to another machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
SUITE = """
import needs, pytest

def test_of_another_machine(): pytest.skip("another machine: it has Windows")
def test_of_another_python(): needs.need_python("3.99")
def test_of_an_absent_program(): needs.need_executable("no-such-program")
def test_skipped_by_hand(): pytest.skip("no reason")
@pytest.mark.skipif(True, reason="whatever")
def test_skipped_by_mark(): pass
@pytest.mark.xfail(strict=True)
def test_known_to_fail(): assert False
def test_with_all_it_needs(): needs.need_module("json.decoder"); needs.need_executable("sh")
"""


def run(folder: Path, suite: str, **env: str) -> str:
    """Return the last line of pytest's report on `suite`."""
    for name in ("conftest.py", "needs.py"):
        shutil.copy(TESTS / name, folder)
    (folder / "test_suite.py").write_text(suite, encoding="utf-8")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("KERNELET_", "PYTEST_"))}
    command = [sys.executable, "-m", "pytest", "-q", "--color=no", "-p", "no:cacheprovider", "--rootdir", str(folder)]
    done = subprocess.run(command, cwd=folder, env=kept | env, capture_output=True, text=True, timeout=60)
    return done.stdout.splitlines()[-1].partition(" in ")[0]


def test_a_skip_is_a_skip_on_a_machine_that_lacks_something(tmp_path: Path) -> None:
    assert run(tmp_path, SUITE) == "1 passed, 5 skipped, 1 xfailed"


def test_a_skip_is_a_failure_under_ci(tmp_path: Path) -> None:
    assert run(tmp_path, SUITE, KERNELET_CI="1") == "2 failed, 1 passed, 2 skipped, 1 xfailed, 1 error"


@pytest.mark.parametrize("ci, report", [({}, "1 skipped"), ({"KERNELET_CI": "1"}, "1 error")])
@pytest.mark.parametrize(
    "line", ["import needs; needs.need_module('no_such.module')", "import pytest; pytest.importorskip('no_such')"]
)
def test_a_whole_module_skipped_is_no_exception(tmp_path: Path, line: str, ci: dict[str, str], report: str) -> None:
    assert run(tmp_path, line, **ci) == report
