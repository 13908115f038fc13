"""What the watchdog thinks of what it sees. What it does is in tests/service/test_limits.py."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from kernelet.service.watchdog import Usage, judge, usages

MB = 1 << 20


@pytest.mark.parametrize(
    "usage, verdict",
    [
        (Usage(1, 90 * MB), None),
        (Usage(1, 91 * MB), ("interrupt", "oom")),
        (Usage(1, 101 * MB), ("kill", "oom")),
        (Usage(10, 0), None),
        (Usage(11, 0), ("kill", "nproc")),
    ],
)
def test_close_to_the_limit_is_interrupted_and_over_it_is_killed(usage: Usage, verdict: object) -> None:
    assert judge(usage, memory_mb=100, nproc=10) == verdict
    assert judge(usage, memory_mb=0, nproc=0) is None


def test_a_tree_is_counted_with_its_grandchildren() -> None:
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'print(1, flush=True); input()'])"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"1\n"
        found = usages({child.pid: 0, 2**22 + 1: 0})
        exact = usages({child.pid: 1})
        child.communicate(b"\n")
    assert found[child.pid].processes == exact[child.pid].processes == 2
    assert found[2**22 + 1] == Usage(0, 0)
    # Counted once, the pages that both have are less than counted twice.
    assert 0 < exact[child.pid].memory_bytes < found[child.pid].memory_bytes
    assert os.getpid() not in found
