"""Text that does not go through sys.stdout: subprocesses, C code, descriptors 1 and 2, forked and spawned children."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from frontend import DEADLINE_S, Frontend, process_gone


def said(kernel: Frontend, code: str, **fields: object) -> str:
    """What a cell put on stdout; the cell must succeed and leave stderr empty."""
    result = kernel.execute(code, **fields)
    assert result.status == "ok", result.content
    assert result.stderr == ""
    return result.stdout


def test_output_of_a_subprocess_reaches_the_cell(kernel: Frontend) -> None:
    code = "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'print(\"from the child\")'], check=True);"
    assert said(kernel, code) == "from the child\n"


def test_stderr_of_a_subprocess_reaches_the_cell(kernel: Frontend) -> None:
    result = kernel.execute("import subprocess\nsubprocess.run('echo oh no >&2', shell=True);")
    assert (result.stdout, result.stderr) == ("", "oh no\n")


def test_stdout_can_be_handed_to_a_subprocess(kernel: Frontend) -> None:
    """As `stdout=sys.stdout`; ipykernel's fileno() is the terminal of the server, where a user sees nothing."""
    code = "import subprocess, sys\nsubprocess.run(['echo', 'handed over'], stdout=sys.stdout, check=True).returncode"
    result = kernel.execute(code)
    assert result.result == {"text/plain": "0"}
    if kernel.kernel_info["implementation"] == "kernelet":
        assert result.stdout == "handed over\n"


def test_os_system_reaches_the_cell(kernel: Frontend) -> None:
    assert said(kernel, "import os\nos.system('echo from the shell');") == "from the shell\n"


def test_shell_escape_reaches_the_cell(kernel: Frontend) -> None:
    assert said(kernel, "!echo escaped").replace("\r\n", "\n") == "escaped\n"


def test_shell_escape_gives_a_list(kernel: Frontend) -> None:
    result = kernel.execute("lines = !printf 'a\\nb\\n'\nlist(lines)")
    assert result.result == {"text/plain": "['a', 'b']"}
    assert result.stdout == ""


def test_dunder_stdout_reaches_the_cell_or_the_log(kernel: Frontend) -> None:
    code = "import sys\nprint('underscored', file=sys.__stdout__, flush=True)"
    assert kernel.execute(code).stdout in ("underscored\n", "")


def test_descriptor_one_reaches_the_cell(kernel: Frontend) -> None:
    assert said(kernel, "import os\nos.write(1, b'raw\\n');") == "raw\n"


def test_descriptor_two_reaches_the_cell(kernel: Frontend) -> None:
    assert kernel.execute("import os\nos.write(2, b'raw\\n');").stderr == "raw\n"


@pytest.mark.better_than_ipykernel("prints wait for a flush, the descriptor does not")
def test_descriptor_and_prints_keep_their_order(kernel: Frontend) -> None:
    code = "import os\nfor n in range(50):\n    print('py', n)\n    os.write(1, b'fd %d\\n' % n)"
    assert said(kernel, code) == "".join(f"py {n}\nfd {n}\n" for n in range(50))


@pytest.mark.better_than_ipykernel("prints wait for a flush, the descriptor does not")
def test_subprocesses_and_prints_keep_their_order(kernel: Frontend) -> None:
    code = "import os\nfor n in range(5):\n    print('py', n)\n    os.system(f'echo sh {n}')"
    assert said(kernel, code) == "".join(f"py {n}\nsh {n}\n" for n in range(5))


def test_flushed_prints_and_subprocesses_keep_their_order(kernel: Frontend) -> None:
    code = "import os\nprint('before', flush=True)\nos.system('echo between')\nprint('after')"
    lines = said(kernel, code).splitlines()
    assert sorted(lines) == ["after", "before", "between"]
    if kernel.kernel_info["implementation"] == "kernelet":
        assert lines == ["before", "between", "after"]


def test_c_code_reaches_the_cell(kernel: Frontend) -> None:
    code = """
        import ctypes
        libc = ctypes.CDLL(None)
        libc.puts(b"put by C")
        libc.printf(b"%d bottles\\n", 99)
        libc.fflush(None);
        """
    assert said(kernel, code) == "put by C\n99 bottles\n"


@pytest.mark.better_than_ipykernel("it arrives at the end of the process")
def test_c_code_needs_no_fflush(kernel: Frontend) -> None:
    """C's own buffer is emptied at the end of the cell."""
    assert said(kernel, "import ctypes\nctypes.CDLL(None).puts(b'without_a_flush');") == "without_a_flush\n"
    assert said(kernel, "ctypes.CDLL(None).printf(b'nor a whole line');") == "nor a whole line"


PUT = "libc.puts(b'C')"
C_CODE_BEFORE = {
    "nothing": "",
    "text": PUT,
    "text and fflush": f"{PUT}; libc.fflush(None)",
    "text twice and fflush": f"{PUT}; libc.fflush(None); {PUT}; libc.fflush(None)",
}


@pytest.mark.better_than_ipykernel("it arrives at the end of the process")
@pytest.mark.parametrize("before", C_CODE_BEFORE.values(), ids=C_CODE_BEFORE)
def test_c_code_keeps_its_place_whatever_it_wrote_before(start_kernel: Callable[..., Frontend], before: str) -> None:
    """C's stdout was in use before we see it for the first time, at the end of a cell: glibc then held text back."""
    kernel = start_kernel()
    kernel.execute(f"import ctypes\nlibc = ctypes.CDLL(None)\n{before}")
    assert said(kernel, f"print('py')\n{PUT}\nprint('py');") == "py\nC\npy\n"


@pytest.mark.better_than_ipykernel("prints wait for a flush, the descriptor does not")
def test_c_code_and_prints_keep_their_order(kernel: Frontend) -> None:
    code = """
        import ctypes
        libc = ctypes.CDLL(None)
        for n in range(10):
            print("py", n)
            libc.printf(b"C %d\\n", n)
            libc.fflush(None)
        """
    assert said(kernel, code) == "".join(f"py {n}\nC {n}\n" for n in range(10))


def test_characters_cut_in_two_writes_are_joined(kernel: Frontend) -> None:
    code = "import os\nfor byte in '€uro'.encode():\n    os.write(1, bytes([byte]));"
    assert said(kernel, code) == "€uro"


def test_bytes_that_are_no_text_are_replaced(kernel: Frontend) -> None:
    assert said(kernel, "import os\nos.write(1, b'a\\xffb\\n');") == "a\ufffdb\n"


def test_a_megabyte_from_a_subprocess_arrives_whole(kernel: Frontend) -> None:
    code = "import subprocess\nsubprocess.run(['seq', '0', '149999'], check=True);"
    assert said(kernel, code) == "".join(f"{n}\n" for n in range(150_000))


def test_output_of_a_subprocess_is_seen_while_it_runs(kernel: Frontend) -> None:
    code = "import subprocess\nproc = subprocess.run('echo started; read line < knock', shell=True);"
    os.mkfifo(kernel.sandbox.path / "knock")
    msg_id = kernel.send_execute(code)
    kernel.see_text("started", msg_id)
    (kernel.sandbox.path / "knock").write_text("on wood\n")
    assert kernel.result(msg_id).stdout == "started\n"


def test_output_of_a_subprocess_that_outlives_its_cell_has_a_parent(kernel: Frontend) -> None:
    os.mkfifo(kernel.sandbox.path / "later")
    code = "import subprocess\nchild = subprocess.Popen('read line < later; echo finished', shell=True)"
    starter = kernel.execute(code)
    (kernel.sandbox.path / "later").write_text("now\n")
    message = kernel.take("iopub", lambda m: m["msg_type"] == "stream")
    assert message["content"] == {"name": "stdout", "text": "finished\n"}
    assert message["parent_header"]["msg_id"] == starter.request["msg_id"]
    kernel.execute("child.wait()")


@pytest.mark.better_than_ipykernel("the text pending at the fork is printed by parent and child")
def test_a_forked_child_prints_once(kernel: Frontend) -> None:
    code = """
        import os, warnings
        warnings.simplefilter("ignore", DeprecationWarning)
        print("before the fork")
        pid = os.fork()
        if pid == 0:
            print("in the child")
            os._exit(0)
        os.waitpid(pid, 0)
        print("after the fork")
        """
    assert said(kernel, code) == "before the fork\nin the child\nafter the fork\n"


@pytest.mark.better_than_ipykernel("the text pending at the fork is printed by parent and child")
def test_a_forked_child_flushes_what_has_no_newline(kernel: Frontend) -> None:
    code = """
        import os, sys, warnings
        warnings.simplefilter("ignore", DeprecationWarning)
        print("parent ", end="")
        pid = os.fork()
        if pid == 0:
            print("child ", end="", flush=True)
            sys.stderr.write("aside\\n")
            os._exit(0)
        os.waitpid(pid, 0)
        print("parent again")
        """
    result = kernel.execute(code)
    assert result.stdout == "parent child parent again\n"
    assert result.stderr == "aside\n"


@pytest.mark.better_than_ipykernel("a print is two writes, and children mix them")
def test_two_forked_children_do_not_mix_their_lines(kernel: Frontend) -> None:
    code = """
        import os, warnings
        warnings.simplefilter("ignore", DeprecationWarning)
        pids = []
        for name in "ab":
            pid = os.fork()
            if pid == 0:
                for n in range(200):
                    print(name * 50)
                os._exit(0)
            pids.append(pid)
        for pid in pids: os.waitpid(pid, 0);
        """
    lines = said(kernel, code).splitlines()
    assert sorted(lines) == ["a" * 50] * 200 + ["b" * 50] * 200


@pytest.mark.better_than_ipykernel("a print is two writes, and children mix them")
def test_children_of_multiprocessing_fork_print(kernel: Frontend) -> None:
    code = """
        import multiprocessing, warnings
        warnings.simplefilter("ignore", DeprecationWarning)
        def work(n):
            print("worker", n)
        forked = multiprocessing.get_context("fork")
        workers = [forked.Process(target=work, args=(n,)) for n in range(3)]
        for worker in workers: worker.start()
        for worker in workers: worker.join()
        print([worker.exitcode for worker in workers])
        """
    lines = said(kernel, code).splitlines()
    assert sorted(lines) == ["[0, 0, 0]", "worker 0", "worker 1", "worker 2"]


@pytest.mark.better_than_ipykernel("a print is two writes, and children mix them")
def test_a_fork_pool_returns_and_prints(kernel: Frontend) -> None:
    code = """
        import multiprocessing, warnings
        warnings.simplefilter("ignore", DeprecationWarning)
        def square(n):
            print("squaring", n)
            return n * n
        with multiprocessing.get_context("fork").Pool(2) as pool:
            squares = pool.map(square, range(4))
            pool.close()
            pool.join()
        squares
        """
    result = kernel.execute(code)
    assert result.result == {"text/plain": "[0, 1, 4, 9]"}
    assert sorted(result.stdout.splitlines()) == [f"squaring {n}" for n in range(4)]


def test_children_of_multiprocessing_spawn_print(kernel: Frontend) -> None:
    (kernel.sandbox.path / "spawned.py").write_text("def work(n):\n    print('worker', n)\n")
    code = """
        import multiprocessing, sys
        sys.path.insert(0, "")
        import spawned
        child = multiprocessing.get_context("spawn").Process(target=spawned.work, args=(7,))
        child.start()
        child.join()
        child.exitcode
        """
    result = kernel.execute(code)
    assert result.result == {"text/plain": "0"}
    assert result.stdout == "worker 7\n"


def test_closing_descriptor_one_does_not_kill_the_kernel(fresh_kernel: Frontend) -> None:
    fresh_kernel.execute("import os\nsaved = os.dup(1)\nos.close(1)")
    assert fresh_kernel.execute("print('alive')").stdout == "alive\n"
    fresh_kernel.execute("os.dup2(saved, 1)")
    assert fresh_kernel.execute("6 * 7").result == {"text/plain": "42"}


def test_descriptor_one_sent_to_a_file_and_back(kernel: Frontend) -> None:
    """As pytest's and others' fd-level capture does."""
    code = """
        import os, tempfile
        with tempfile.TemporaryFile() as file:
            saved = os.dup(1)
            os.dup2(file.fileno(), 1)
            os.system("echo to the file")
            os.dup2(saved, 1)
            os.close(saved)
            file.seek(0)
            print("read back:", file.read().decode())
        os.system("echo to the cell");
        """
    lines = said(kernel, code).split("\n")
    assert sorted(line for line in lines if line) == ["read back: to the file", "to the cell"]


def test_faulthandler_can_dump_to_stderr(kernel: Frontend) -> None:
    assert kernel.execute("import faulthandler\nfaulthandler.dump_traceback()").status == "ok"


@pytest.mark.better_than_ipykernel("it echoes the descriptors to its own log, too")
def test_nothing_of_a_cell_goes_to_the_kernels_own_log(fresh_kernel: Frontend) -> None:
    fresh_kernel.execute("import os\nprint('by print')\nos.system('echo by shell')\nos.write(2, b'by descriptor')")
    assert "by " not in fresh_kernel.log


# -- C code that holds the GIL: nothing in the kernel's own process can read meanwhile

FLOOD = """
import ctypes
write = ctypes.PyDLL(None).write  # unlike CDLL, it keeps the GIL
lines = b"".join(b"%07d\\n" % n for n in range(1 << 20))  # 8 MiB
"""
EIGHT_MIB = "".join(f"{n:07}\n" for n in range(1 << 20))


@pytest.mark.better_than_ipykernel("it hangs for ever above 64 KiB")
def test_c_code_that_holds_the_gil_may_write_megabytes(fresh_kernel: Frontend) -> None:
    """In the very cell that loads ctypes, and as the first output of the kernel."""
    result = fresh_kernel.execute(FLOOD + "write(1, lines, len(lines))")
    assert result.result == {"text/plain": str(len(EIGHT_MIB))}
    assert result.stdout == EIGHT_MIB


@pytest.mark.better_than_ipykernel("it hangs for ever above 64 KiB")
def test_floods_of_both_descriptors_keep_their_place_among_prints(kernel: Frontend) -> None:
    code = "print('first')\nwrite(1, lines, len(lines))\nprint('second')\nwrite(2, lines, len(lines))\nprint('third')"
    result = kernel.execute(FLOOD + code)
    assert result.stdout == f"first\n{EIGHT_MIB}second\nthird\n"
    assert result.stderr == EIGHT_MIB


@pytest.mark.better_than_ipykernel("it hangs for ever above 64 KiB")
def test_floods_of_many_cells_do_not_mix(kernel: Frontend) -> None:
    cells = [kernel.send_execute(FLOOD + f"print({n})\nwrite(1, lines, 3 << 20);") for n in range(4)]
    for n, cell in enumerate(cells):
        assert kernel.result(cell).stdout == f"{n}\n{EIGHT_MIB[: 3 << 20]}"


@pytest.mark.better_than_ipykernel("it hangs for ever above 64 KiB")
def test_characters_cut_by_a_flood_are_joined(kernel: Frontend) -> None:
    code = FLOOD + "text = 'x' + '€' * 1_000_000\ndata = text.encode()\nwrite(1, data, len(data));"
    assert kernel.execute(code).stdout == "x" + "€" * 1_000_000


def test_a_flood_does_not_add_a_child_that_user_code_would_wait_for(fresh_kernel: Frontend) -> None:
    code = """
        import os, ctypes
        def wait_for_all():
            while True:
                try: os.wait()
                except ChildProcessError: return "all gone"
        wait_for_all()
        """
    assert fresh_kernel.execute(code).result == {"text/plain": "'all gone'"}


def helpers_of(pid: int) -> list[int]:
    """The processes that take text out of the pipes of kernel `pid`."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                arguments = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:  # it ended
                continue
            if str(pid).encode() in arguments and any(a.endswith(b"spill_process.py") for a in arguments):
                found.append(int(entry.name))
    return found


@pytest.mark.better_than_ipykernel("it hangs for ever above 64 KiB")
@pytest.mark.parametrize("end", ["shutdown", "kill"])
def test_the_helper_that_takes_floods_ends_with_its_kernel(start_kernel: Callable[..., Frontend], end: str) -> None:
    kernel = start_kernel(kernel_name="kernelet")  # for a forked one its zygote does it
    assert helpers_of(kernel.pid) == []  # it costs nothing before it may be needed
    kernel.execute(FLOOD + "write(1, lines, 2 << 20);")
    (helper,) = helpers_of(kernel.pid)
    if end == "shutdown":
        kernel.shutdown()
        kernel.exit_status()
    else:
        kernel.kill()
    assert process_gone(helper, DEADLINE_S)
