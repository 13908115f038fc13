"""The end of child processes: all descendants are found, asked to end, and killed when they will not."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator

import pytest

from kernelet.runtime.children import descendants

DEADLINE_S = 30
# A tree of three: each says its pid once it is ready, and lives until its input ends.
TREE = """
import os, signal, subprocess, sys
depth, stubborn = int(sys.argv[1]), sys.argv[2] == "stubborn"
if stubborn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = depth and subprocess.Popen([sys.executable, "-c", {source!r}, str(depth - 1), sys.argv[2]])
child or print("ready", flush=True)
sys.stdin.read()
"""
TREE = TREE.replace("{source!r}", "sys.orig_argv[2]")
# What a kernel does at its end. The grandchildren are made and ended by it: end_children reaches every descendant.
ENDER = f"""
import json, os, subprocess, sys, time
from kernelet.runtime.children import descendants, end_children
process = subprocess.Popen([sys.executable, "-c", {TREE!r}, "1", sys.argv[1]], stdin=subprocess.PIPE,
                           stdout=subprocess.PIPE)
process.stdout.readline()
before = descendants(os.getpid())
started = time.monotonic()
end_children(float(sys.argv[2]))
elapsed = time.monotonic() - started
status = process.wait()
end_children(0)
print(json.dumps([before, status, elapsed]))
"""


@pytest.fixture
def tree() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", TREE, "2", "gentle"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process


def end(kind: str, grace_s: float) -> tuple[list[int], int, float]:
    done = subprocess.run(
        [sys.executable, "-c", ENDER, kind, str(grace_s)], stdout=subprocess.PIPE, timeout=DEADLINE_S, check=True
    )
    before, status, elapsed = json.loads(done.stdout)
    return before, status, elapsed


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie that nobody waited for does not)."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def wait_for_end(pid: int) -> None:
    """Wait until a killed process has ended: kill() returns before, and a grandchild's end nobody waits for."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        select.select([fd], [], [], DEADLINE_S)
    finally:
        os.close(fd)


def test_all_descendants_are_found_parents_first(tree: subprocess.Popen[str]) -> None:
    found = descendants(tree.pid)
    assert len(found) == 2
    assert descendants(found[0]) == [found[1]]
    assert tree.pid in descendants(os.getpid())


def test_a_process_without_children_has_none(tree: subprocess.Popen[str]) -> None:
    assert descendants(descendants(tree.pid)[-1]) == []


def test_a_process_with_an_odd_name_is_found() -> None:
    script = "import ctypes, sys; ctypes.CDLL(None).prctl(15, b') Z 1 ('); print(flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert process.pid in descendants(os.getpid())


def test_a_zombie_does_not_count() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert process.pid not in descendants(os.getpid())
    process.wait()


def test_without_children_there_is_nothing_to_end() -> None:
    script = "from kernelet.runtime.children import end_children; end_children(100)"
    subprocess.run([sys.executable, "-c", script], timeout=DEADLINE_S, check=True)


def test_without_children_nobody_looks_at_all_processes() -> None:
    script = """
        from kernelet.runtime import children
        children._processes = lambda: 1 / 0
        children.end_children(100)
        """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], timeout=DEADLINE_S, check=True)


def test_children_that_end_when_asked_are_not_killed_or_waited_for() -> None:
    pids, status, elapsed = end("gentle", grace_s=DEADLINE_S)
    assert len(pids) == 2
    assert status == -signal.SIGTERM
    assert elapsed < DEADLINE_S
    assert not any(map(alive, pids))


def test_children_that_will_not_end_are_killed_after_the_grace() -> None:
    pids, status, elapsed = end("stubborn", grace_s=0.1)
    assert len(pids) == 2
    assert status == -signal.SIGKILL
    assert elapsed >= 0.1
    for pid in pids:
        wait_for_end(pid)
    assert not any(map(alive, pids))
