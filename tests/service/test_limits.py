"""What happens to code that goes beyond a limit, by the wrapper that spawned kernels get."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

import needs
from kernelet.launch.confined import Confinement, ConfinementError
from kernelet.service.backends.processes import kill_tree
from kernelet.service.result import ExecutionResult
from service_tools import Sync


def need_isolation(level: str) -> None:
    try:
        Confinement.from_config({}, level).probe()
    except ConfinementError as error:
        needs.absent(f"isolation ({error})")


def run(code: str, isolation: str | None = None, **limits: int) -> subprocess.CompletedProcess[str]:
    command = Confinement.from_config(limits, isolation).command([sys.executable, "-c", code])
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_memory_beyond_the_limit_is_a_memory_error_and_python_goes_on() -> None:
    code = """
try:
    bytearray(1 << 30)
except MemoryError:
    print("refused", len(bytearray(1 << 20)))
"""
    assert run(code, memory_mb=400).stdout == "refused 1048576\n"


def test_a_reservation_of_addresses_is_not_memory() -> None:
    """As torch and CUDA make them: RLIMIT_AS would refuse it."""
    assert run("import mmap; mmap.mmap(-1, 8 << 30, prot=mmap.PROT_READ); print('fine')", memory_mb=400).stdout


def test_a_file_beyond_the_limit_is_an_os_error(tmp_path: Path) -> None:
    code = f"""
with open({str(tmp_path / "big")!r}, "wb", buffering=0) as file:
    try:
        while True:
            file.write(bytes(1 << 20))
    except OSError as error:
        print(error.strerror, file.tell() >> 20)
"""
    assert run(code, fsize_mb=3).stdout == "File too large 3\n"


def test_processor_time_beyond_the_limit_ends_the_process() -> None:
    assert run("while True: pass", cpu_seconds=1).returncode == -signal.SIGXCPU


def test_a_lower_limit_of_outside_stays() -> None:
    inner = Confinement.from_config({"nofile": 5000}, None).command(
        [sys.executable, "-c", "import resource; print(resource.getrlimit(resource.RLIMIT_NOFILE))"]
    )
    outer = Confinement.from_config({"nofile": 200}, None).command(inner)
    assert subprocess.run(outer, capture_output=True, text=True, check=True).stdout == "(200, 200)\n"


FORKS = """
import os, signal
children = []
try:
    while len(children) < 200:
        child = os.fork()
        if not child:
            signal.pause()
            os._exit(0)
        children.append(child)
except BlockingIOError:
    print("refused")
finally:
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
"""


NOBODY = """
import ctypes, os
from kernelet.launch.confined import Confinement
if os.getuid() == 0:  # Linux never counts root's processes
    os.setgid(65534)
    os.setuid(65534)
    ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # PR_SET_DUMPABLE: else the id maps stay root's
Confinement.from_config({"nproc": 40}, "net").apply("/")
"""


def test_processes_beyond_the_limit_are_refused_in_a_namespace_of_ones_own() -> None:
    need_isolation("net")
    done = subprocess.run(
        [sys.executable, "-c", NOBODY + FORKS], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "refused\n", done.stderr


# Seven generations would be 128 processes: a bomb that would harm no machine if the limit did not hold.
BOMB = """
import signal
try:
    for _ in range(7): os.fork()
except BlockingIOError:
    pass
os.write(1, b".")
signal.pause()
"""


def test_a_fork_bomb_in_a_namespace_of_its_own_stays_within_the_limit_and_is_put_out() -> None:
    need_isolation("net")
    command = [sys.executable, "-c", NOBODY + BOMB]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as bomb:
        assert bomb.stdout is not None
        try:
            deadline, said, alive = time.monotonic() + 30, 0, {bomb.pid}
            os.set_blocking(bomb.stdout.fileno(), False)
            while said < len(alive) and time.monotonic() < deadline:
                said += len(bomb.stdout.read() or b"")
                alive = {one for one in psutil.pids() if _session(one) == bomb.pid}
                time.sleep(0.01)
            assert 2 < said == len(alive) <= 40
        finally:
            kill_tree(bomb.pid, "of-no-kernel")
    assert not [one for one in alive if _session(one) == bomb.pid]


def _session(pid: int) -> int | None:
    """Return the session of a living process."""
    try:
        return None if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE else os.getsid(pid)
    except (psutil.NoSuchProcess, ProcessLookupError):
        return None


def test_numeric_libraries_start_as_many_threads_as_allowed() -> None:
    assert run("import os; print(os.environ['OPENBLAS_NUM_THREADS'])", threads=2).stdout == "2\n"


@pytest.mark.parametrize("isolation", [None, "full"])
def test_limits_hold_with_and_without_isolation(isolation: str | None) -> None:
    if isolation:
        need_isolation(isolation)
    code = "import resource; print(resource.getrlimit(resource.RLIMIT_FSIZE)[0] >> 20)"
    assert run(code, isolation, fsize_mb=7).stdout == "7\n"


# In sessions of the service, where the watchdog adds up what a whole tree uses.

CHILDREN = """
import subprocess, sys
children = [subprocess.Popen([sys.executable, "-c", {child!r}]) for _ in range({count})]
import time; time.sleep(1000)
"""


def over_the_limit(start_engine: Callable[..., Sync], child: str, count: int, **limits: int) -> ExecutionResult:
    sync = start_engine(**limits)
    session = sync.session()
    sync(session.run("kept = 1"))
    result = sync(session.run(CHILDREN.format(child=child, count=count)))
    after = sync(session.run("6 * 7"))
    assert (after.status, after.results[0].data["text/plain"]) == ("ok", "42")
    tree = psutil.Process(session.life.pid).children(recursive=True)
    assert tree == []
    return result


def test_processes_that_take_too_much_memory_together_are_killed_together(start_engine: Callable[..., Sync]) -> None:
    """Each stays within its own limit."""
    child = "import time; data = bytearray(150 << 20); data[::4096] = b'x' * len(data[::4096]); time.sleep(1000)"
    result = over_the_limit(start_engine, child, 4, memory_mb=400)
    assert (result.status, result.cause, result.state_lost) == ("exit", "oom", True)
    assert "more memory than is allowed" in (result.notice or "")


def test_too_many_processes_are_killed_together(start_engine: Callable[..., Sync]) -> None:
    result = over_the_limit(start_engine, "import time; time.sleep(1000)", 40, nproc=20)
    assert (result.status, result.cause, result.state_lost) == ("exit", "nproc", True)
    assert "more processes than are allowed" in (result.notice or "")
