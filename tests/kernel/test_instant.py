"""Kernels forked from a zygote: born as if they had been spawned, and leaving nothing behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from frontend import DEADLINE_S, Frontend, process_gone
from needs import OTHER_MACHINE, need_executable, need_kernelspec, need_linux, need_module

need_linux()
need_kernelspec("kernelet-instant")

from kernelet.launch.forked import ForkedProcess  # noqa: E402  # Linux only
from kernelet.launch.zygotes import Zygotes  # noqa: E402  # Linux only

NAME = "kernelet-instant"
COUNT = int(os.environ.get("KERNELET_SOAK_KERNELS", "30"))
"""How many kernels the test of what is left behind starts."""

BORN = """
import json, os, resource, signal, sys, threading
mask = os.umask(0); os.umask(mask)
print(json.dumps({
    "ppid": os.getppid(), "cwd": os.getcwd(), "umask": mask, "mine": os.environ.get("MINE"),
    "argv": [argument for argument in sys.argv[1:] if not argument.endswith(".json")],
    "leads": os.getpid() == os.getsid(0) == os.getpgrp(), "path": sys.path, "gc": __import__("gc").isenabled(),
    "main": sys.modules["__main__"].__dict__ is globals(), "stdin": os.read(0, 1) == b"",
    "hup": int(signal.getsignal(signal.SIGHUP)), "term": int(signal.getsignal(signal.SIGTERM)),
    "flags": sys.flags[:], "blocked": len(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
    "nofile": resource.getrlimit(resource.RLIMIT_NOFILE), "tty": os.isatty(1), "executable": sys.executable,
    "python": sorted(n for n in os.environ if n.startswith("PYTHON")), "backend": os.environ["MPLBACKEND"],
    "columns": os.environ.get("COLUMNS"), "excepthook": sys.excepthook.__module__,
    # But for those whose modules a zygote may have, and what lies ready for them.
    "hooks": sum(type(one).__name__ not in ("OnImport", "Alarm") for one in sys.meta_path),
    "fds": sorted({kind_of(fd) for fd in os.listdir("/proc/self/fd")} - {"memfd"}),
}, default=str))
"""
KINDS = """
def kind_of(fd):
    import os
    try:
        link = os.readlink(f"/proc/self/fd/{fd}")
    except OSError:  # the one that listed them
        return ""
    return "stdin" if fd == "0" else os.path.basename(link).partition(":")[0]
"""


@pytest.fixture(scope="module", autouse=True)
def zygotes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A runtime folder of these tests' own; its zygotes end with them."""
    runtime = tmp_path_factory.mktemp("runtime")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_RUNTIME_DIR", str(runtime))
        patch.delenv("KERNELET_PRELOAD", raising=False)
        yield runtime / "kernelet-zygotes"
        Zygotes(runtime / "kernelet-zygotes").end()


Start = Callable[..., Frontend]


@pytest.fixture
def start(start_kernel: Start) -> Start:
    def start_instant(kernel_name: str = NAME, **arguments: Any) -> Frontend:
        return start_kernel(kernel_name=kernel_name, **arguments)

    return start_instant


def value(kernel: Frontend, expression: str) -> Any:
    return json.loads(kernel.execute(f"import json; print(json.dumps({expression}))").stdout)


def parent(kernel: Frontend) -> int:
    return int(value(kernel, "__import__('os').getppid()"))


def how(kernel: Frontend) -> tuple[str, str]:
    provisioner: Any = kernel.manager.provisioner
    return provisioner.born_by, provisioner.spawn_reason


def test_a_kernel_is_forked_by_a_zygote_that_the_next_one_shares(start: Start) -> None:
    first, second = start(), start()
    assert how(first) == how(second) == ("fork", "")
    assert parent(first) == parent(second) != os.getpid()
    assert isinstance(first.process, ForkedProcess)


def test_it_is_born_with_what_a_spawned_kernel_has(start: Start, tmp_path: Path) -> None:
    shown = []
    for name in (NAME, "kernelet"):
        kernel = start(name, cwd=tmp_path, env={"MINE": "yes"}, extra_arguments=["--InteractiveShell.cache_size=9"])
        kernel.execute(KINDS)
        shown.append(json.loads(kernel.execute(BORN).stdout))
        shown[-1].pop("ppid")
        assert value(kernel, "get_ipython().cache_size") == 9
    assert shown[0] == shown[1]
    assert shown[0]["leads"]


def test_random_numbers_and_secrets_differ_between_kernels(start: Start) -> None:
    need_module("numpy")
    env = {"KERNELET_PRELOAD": "numpy.random, multiprocessing"}
    draws = []
    for _ in range(2):
        kernel = start(env=env)
        assert value(kernel, "[name in __import__('sys').modules for name in ('numpy', 'pandas')]") == [True, False]
        kernel.execute("import multiprocessing, random, numpy, uuid")
        draws.append(value(kernel, "[random.random(), numpy.random.random(), str(uuid.uuid4())]"))
        draws[-1].append(value(kernel, "list(multiprocessing.current_process().authkey)"))
        draws[-1].append(kernel.kernel_info and kernel.arrived[0][1]["header"]["session"])
    assert not [pair for pair in zip(*draws, strict=True) if pair[0] == pair[1]]


def test_an_interrupt_reaches_the_cell_and_its_children(start: Start) -> None:
    kernel = start()
    msg_id = kernel.send_execute("import subprocess; subprocess.run(['sleep', '600'])")
    child = wait_for_child(kernel.pid)
    kernel.interrupt()
    assert kernel.result(msg_id).ename == "KeyboardInterrupt"
    assert process_gone(child)


def wait_for_child(pid: int) -> int:
    """Return the first child of a process, once it has one that runs `sleep`."""
    end = time.monotonic() + DEADLINE_S
    while time.monotonic() < end:
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in map(int, (task / "children").read_text().split()):
                if Path(f"/proc/{child}/comm").read_text().strip() == "sleep":
                    return child
        time.sleep(0.01)
    raise TimeoutError("no child")


@pytest.mark.parametrize(
    "code, status", [("import os; os._exit(7)", 7), ("import os; os.kill(os.getpid(), 9)", -9), ("exit()", 0)]
)
def test_the_exit_code_is_the_processes(start: Start, code: str, status: int) -> None:
    kernel = start()
    kernel.client.execute(code)
    assert kernel.exit_status() == status


def test_a_shutdown_while_ipython_is_set_up_ends_it_in_order(start: Start) -> None:
    """Its history was closed by one thread while another read it: a segmentation fault, one time in five."""
    for _ in range(8):
        kernel = start()
        kernel.shutdown()
        assert kernel.exit_status() == 0


def test_terminate_and_kill_end_it_as_jupyter_expects(start: Start) -> None:
    kernel = start()
    kernel.process.terminate()
    assert kernel.exit_status() == -signal.SIGTERM


def test_a_restart_gives_a_new_kernel_on_the_same_connection(start: Start) -> None:
    kernel = start()
    old = kernel.pid
    kernel.execute("x = 1")
    kernel.restart()
    assert how(kernel)[0] == "fork"
    assert kernel.pid != old
    assert kernel.execute("x").ename == "NameError"


def test_a_folder_that_is_not_there_is_the_error_that_spawning_gives() -> None:
    from jupyter_client.manager import KernelManager

    for name in ("kernelet", NAME):
        with pytest.raises(FileNotFoundError) as error:
            KernelManager(kernel_name=name).start_kernel(cwd="/no/such/folder")
        assert error.value.filename == "/no/such/folder"


FLOOD = """
import ctypes
write = ctypes.PyDLL(None).write  # it keeps the GIL
lines = b"".join(b"%07d\\n" % n for n in range(1 << 20))  # 8 MiB
print("before")
write(1, lines, len(lines))
write(2, lines, len(lines))
print("after")
"""
LINES = "".join(f"{n:07}\n" for n in range(1 << 20))


def test_floods_of_c_code_are_taken_by_the_zygote_and_no_process_of_their_own(start: Start) -> None:
    kernels = [start(), start()]
    flooding = [kernel.send_execute(FLOOD) for kernel in kernels]
    for kernel, cell in zip(kernels, flooding, strict=True):
        result = kernel.result(cell)
        assert result.stdout == f"before\n{LINES}after\n"
        assert result.stderr == LINES
        assert value(kernel, "__import__('psutil').Process().children(recursive=True)") == []


def test_what_user_code_does_to_its_pipes_is_no_harm_to_the_next_kernel(start: Start) -> None:
    code = (
        KINDS
        + """
import fcntl, os
spools = [int(fd) for fd in os.listdir("/proc/self/fd") if kind_of(fd) == "memfd"]
for fd in spools:
    fcntl.lockf(fd, fcntl.LOCK_EX)
os.write(1, b"x" * 700_000)
os.dup2(os.open(os.devnull, os.O_RDWR), 2)
len(spools)
"""
    )
    first = start()
    assert first.execute(code).result == {"text/plain": "2"}
    assert start().execute(FLOOD).stdout == f"before\n{LINES}after\n"
    assert value(first, "6 * 7") == 42


def test_objects_of_the_zygote_are_not_counted(start: Start) -> None:
    kernel = start()
    counted = value(kernel, "__import__('sys').getrefcount(__import__('json').loads)")
    assert (counted == value(kernel, "__import__('sys').getrefcount(None)")) == (sys.version_info >= (3, 12))


def test_limits_of_the_kernelspec_or_the_call_hold_from_the_first_line() -> None:
    from jupyter_client.manager import start_new_kernel

    manager, client = start_new_kernel(kernel_name=NAME, limits={"nofile": 123})
    try:
        reply = client.execute(
            "", user_expressions={"n": "__import__('resource').getrlimit(__import__('resource').RLIMIT_NOFILE)[0]"},
            reply=True, timeout=DEADLINE_S,
        )  # fmt: skip
        assert reply["content"]["user_expressions"]["n"]["data"]["text/plain"] == "123"
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


CLIENT = """
import os, sys
from jupyter_client.manager import KernelManager
manager = KernelManager(kernel_name="kernelet-instant")
manager.start_kernel()
client = manager.blocking_client()
client.start_channels()
client.wait_for_ready(timeout=60)
print(manager.provisioner.born_by, manager.provisioner.pid, os.getuid(), flush=True)
sys.stdin.read()
os._exit(0)
"""

END = "import pathlib, sys; from kernelet.launch.zygotes import Zygotes; Zygotes(pathlib.Path(sys.argv[1])).end()"


def test_it_ends_with_the_client_that_started_it() -> None:
    client = subprocess.Popen(
        [sys.executable, "-c", CLIENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ.copy()
    )
    assert client.stdout is not None
    assert client.stdin is not None
    how_born, pid, _ = client.stdout.readline().split()
    assert how_born == "fork"
    client.kill()
    client.wait(DEADLINE_S)
    client.stdin.close()
    client.stdout.close()
    assert process_gone(int(pid))


def test_kernels_outlive_a_killed_zygote_and_the_next_kernel_gets_another(start: Start) -> None:
    first = start()
    zygote = parent(first)
    os.kill(zygote, signal.SIGKILL)
    assert process_gone(zygote)
    assert first.execute("print('alive')").stdout == "alive\n"
    assert first.process.poll() is None
    second = start()
    assert how(second) == ("fork", "")
    assert parent(second) not in (zygote, 1)


def test_a_preload_that_starts_a_thread_is_spawned_with_the_reason(
    start: Start, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "threaded.py").write_text(
        "import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()"
    )
    kernel = start(env={"PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}", "KERNELET_PRELOAD": "threaded"})
    born, reason = how(kernel)
    assert born == "spawn"
    assert "preloading threaded starts threads" in reason
    assert reason in caplog.text


def test_a_preload_that_is_not_installed_is_left_out(start: Start) -> None:
    assert how(start(env={"KERNELET_PRELOAD": "no_such_module_anywhere"})) == ("fork", "")


def test_after_an_upgrade_kernels_come_from_a_new_zygote(start: Start, tmp_path: Path) -> None:
    site = tmp_path / "site-packages"
    site.mkdir()
    env = {"PYTHONPATH": f"{site}:{os.environ.get('PYTHONPATH', '')}"}
    old = parent(start(env=env))
    (site / "upgraded.py").write_text("version = 2")
    kernel = start(env=env)
    assert parent(kernel) != old
    assert value(kernel, "__import__('upgraded').version") == 2


def test_a_notebook_that_forks_threads_and_plots_does_what_it_does_on_a_spawned_kernel(start: Start) -> None:
    for module in ("numpy", "matplotlib"):
        need_module(module)
    kernel = start(env={"KERNELET_PRELOAD": "numpy,matplotlib.pyplot"})
    assert kernel.execute(
        "import os, sys\n"
        "pid = os.fork()\n"
        "if not pid:\n"
        "    print('child'); sys.stdout.flush(); os._exit(0)\n"
        "os.waitpid(pid, 0); print('parent')"
    ).stdout == "child\nparent\n"  # fmt: skip
    assert kernel.execute(
        "import multiprocessing as mp\n"
        "with mp.get_context('fork').Pool(2) as pool:\n"
        "    print(pool.map(abs, [-1, -2]))\n"
        "with mp.get_context('spawn').Pool(1) as pool:\n"
        "    print(pool.map(abs, [-3]))"
    ).stdout == "[1, 2]\n[3]\n"  # fmt: skip
    assert kernel.execute(
        "import numpy, threading\n"
        "a = numpy.ones((300, 300)); out = []\n"
        "threads = [threading.Thread(target=lambda: out.append((a @ a)[0, 0])) for _ in range(4)]\n"
        "[t.start() for t in threads]; [t.join() for t in threads]; print(out)"
    ).stdout.count("300.0") == 4  # fmt: skip
    result = kernel.execute("import matplotlib.pyplot as plt\nplt.plot([1, 2]);")
    assert [output["data"].keys() >= {"image/png"} for output in result.displays] == [True]


def leftovers(zygote: int, folder: Path) -> dict[str, Any]:
    return {
        "children": Path(f"/proc/{zygote}/task/{zygote}/children").read_text().split(),
        "fds": len(os.listdir(f"/proc/{zygote}/fd")),
        "files": sorted(path.name for path in folder.iterdir()),
        "ours": len(os.listdir("/proc/self/fd")),
    }


def memory_kb(pid: int) -> int:
    rows = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
    return int(rows["Private_Dirty"].split()[0])


def test_kernels_leave_no_process_descriptor_file_or_memory_behind(start: Start, zygotes: Path) -> None:
    from jupyter_client.manager import KernelManager

    zygote = parent(start())

    def round_of(count: int) -> list[int]:
        managers = [KernelManager(kernel_name=NAME) for _ in range(count)]
        for manager in managers:
            manager.start_kernel()
        for manager in managers:
            manager.shutdown_kernel(now=True)
            manager.context.destroy(linger=0)
        return [manager.provisioner is None for manager in managers]

    round_of(3)
    before, memory = leftovers(zygote, zygotes), memory_kb(zygote)
    for _ in range(COUNT // 10):
        round_of(10)
    end = time.monotonic() + DEADLINE_S
    while leftovers(zygote, zygotes) != before and time.monotonic() < end:
        time.sleep(0.05)  # the zygote closes what it had for the last one when it has told its end
    assert leftovers(zygote, zygotes) == before
    assert memory_kb(zygote) - memory < 1024


def test_two_users_never_share_a_zygote(start: Start, zygotes: Path, tmp_path: Path) -> None:
    if os.geteuid():
        pytest.skip(f"{OTHER_MACHINE}its user may become another")
    # A stranger who may read what root keeps to itself, and nothing more: this Python may lie in root's home.
    read = "dac_read_search"
    stranger = [need_executable("setpriv"), "--reuid=54321", "--regid=54321", "--clear-groups", f"--inh-caps=+{read}",
                f"--ambient-caps=+{read}", sys.executable, "-c"]  # fmt: skip
    start()
    home = Path(tempfile.mkdtemp(prefix="knl-"))
    try:
        os.chown(home, 54321, 54321)
        env = {**os.environ, "HOME": str(home), "IPYTHONDIR": str(home / "ipython")}
        env["JUPYTER_RUNTIME_DIR"] = str(home / "runtime")
        done = subprocess.run(
            [*stranger, CLIENT], env=env, cwd="/", capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=90
        )
        assert done.returncode == 0, done.stderr
        how_born, _, uid = done.stdout.split()
        assert (how_born, uid) == ("fork", "54321"), done.stderr
        folder = home / "runtime/kernelet-zygotes"
        assert {path.stat().st_uid for path in (folder, *folder.iterdir())} == {54321}
        assert not {path.name for path in folder.iterdir()} & {path.name for path in zygotes.iterdir()}
        with pytest.MonkeyPatch.context() as patch:  # another user's folder is no place to ask, not even for root
            patch.setenv("JUPYTER_RUNTIME_DIR", str(home / "runtime"))
            born, reason = how(start())
            assert (born, "belongs to user 54321" in reason) == ("spawn", True)
        subprocess.run([*stranger, END, str(folder)], env=env, cwd="/", check=True, timeout=90)
    finally:
        shutil.rmtree(home)
