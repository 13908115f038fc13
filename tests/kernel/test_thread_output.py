"""Whose output a thread's is: the policies auto, origin, latest and none, pools, and what sets a parent explicitly.

The first cell starts a thread that waits; the second one lets it go on and is still running when it prints.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator

import pytest

from frontend import DEADLINE_S, KERNEL_NAME, Frontend

LIBRARY = '''
import queue, threading

class Worker:
    """As a library does it: a thread of its own, which is handed work."""
    def __init__(self):
        self.jobs = queue.SimpleQueue()
        self.thread = threading.Thread(target=self.loop, daemon=True)
        self.thread.start()
    def loop(self):
        while (job := self.jobs.get()) is not None:
            text, done = job
            print(text)
            done.set()
    def say(self, text):
        done = threading.Event()
        self.jobs.put((text, done))
        done.wait()

def start(thread):
    thread.start()
    return thread
'''


@pytest.fixture(scope="module")
def policies() -> Iterator[Callable[[str], Frontend]]:
    """One kernel for each policy."""
    kernels: dict[str, Frontend] = {}

    def kernel_with(policy: str) -> Frontend:
        if policy not in kernels:
            env = {"KERNELET_THREAD_OUTPUT": policy} if policy != "auto" else {}
            kernel = kernels[policy] = Frontend(env=env)
            (kernel.sandbox.path / "library.py").write_text(LIBRARY)
            kernel.execute("import sys, threading\nsys.path.insert(0, '')\nimport library")
        return kernels[policy]

    yield kernel_with
    for kernel in kernels.values():
        kernel.close()


@pytest.fixture
def auto(policies: Callable[[str], Frontend]) -> Frontend:
    return policies("auto")


def who_says(kernel: Frontend, first: str, second: str = "go.set()\ndone.wait();", text: str = "said\n") -> str | None:
    """The cell ("first" or "second") whose output `text` becomes; None without a parent."""
    cells = {kernel.send_execute("go, done = threading.Event(), threading.Event()\n" + first): "first"}
    cells[kernel.send_execute(second)] = "second"
    said = kernel.take("iopub", lambda m: m["msg_type"] == "stream")
    assert said["content"] == {"name": "stdout", "text": text}
    for msg_id in cells:
        assert kernel.result(msg_id).status == "ok"
    parent: str | None = said["parent_header"].get("msg_id")
    return None if parent is None else cells[parent]


SAY = "\ndef say():\n    go.wait()\n    print('said')\n    done.set()\n"
"""A function of the user's."""
BEGIN: dict[str, str] = {
    "a thread": SAY + "threading.Thread(target=say).start()",
    "a daemon thread": SAY + "threading.Thread(target=say, daemon=True).start()",
    "a subclass": "class T(threading.Thread):\n    def run(self):\n        go.wait()\n        print('said')\n"
    "        done.set()\nlibrary.start(T());",
    "a subclass that overrides start": SAY
    + "class T(threading.Thread):\n    def start(self):\n        super().start()\nT(target=say).start()",
    "a timer": SAY + "library.start(threading.Timer(0, say));",
    "a thread that a library starts": SAY + "library.start(threading.Thread(target=say));",
    "a method": "class C:\n    def go(self):\n        go.wait()\n        print('said')\n        done.set()\n"
    "library.start(threading.Thread(target=C().go));",
    "a callable object": "class C:\n    def __call__(self):\n        go.wait()\n        print('said')\n"
    "        done.set()\nlibrary.start(threading.Thread(target=C()));",
    "a partial": SAY + "import functools\nlibrary.start(threading.Thread(target=functools.partial(say)));",
    "a thread of a thread": SAY
    + "def outer():\n    t = threading.Thread(target=say)\n    t.start()\nthreading.Thread(target=outer).start()",
    "a pool": SAY
    + "from concurrent.futures import ThreadPoolExecutor\npool = ThreadPoolExecutor(1)\npool.submit(say);",
    "to_thread": SAY + "import asyncio\ntask = asyncio.ensure_future(asyncio.to_thread(say));",
    "a logging handler": "import logging, sys\nlog = logging.getLogger('x')\n"
    "log.addHandler(logging.StreamHandler(sys.stdout))\n"
    "def say():\n    go.wait()\n    log.warning('said')\n    done.set()\nthreading.Thread(target=say).start()",
    "a loop of its own": "import asyncio\nasync def talk():\n    print('said')\n    done.set()\n"
    "def say():\n    go.wait()\n    asyncio.run(talk())\nthreading.Thread(target=say).start()",
}


@pytest.mark.parametrize("begin", BEGIN.values(), ids=BEGIN.keys())
@pytest.mark.better_than_ipykernel("it writes to the newest cell")
def test_what_a_cell_starts_writes_to_that_cell(auto: Frontend, begin: str) -> None:
    assert who_says(auto, begin) == "first"


@pytest.mark.parametrize("begin", [BEGIN["a thread"], BEGIN["a pool"]], ids=["thread", "pool"])
@pytest.mark.parametrize(("policy", "cell"), [("origin", "first"), ("latest", "second"), ("none", None)])
def test_a_policy_decides_for_the_users_threads(
    policies: Callable[[str], Frontend], policy: str, cell: str | None, begin: str
) -> None:
    if not KERNEL_NAME.startswith("kernelet") and policy != "latest":
        pytest.skip("ipykernel has no policies: it is our `latest`")
    assert who_says(policies(policy), begin) == cell


@pytest.mark.parametrize(
    ("policy", "cell"), [("auto", "second"), ("origin", "first"), ("latest", "second"), ("none", None)]
)
def test_a_policy_decides_for_threads_of_a_library(
    policies: Callable[[str], Frontend], policy: str, cell: str | None
) -> None:
    if not KERNEL_NAME.startswith("kernelet") and policy not in ("auto", "latest"):
        pytest.skip("ipykernel has no policies: it is our `latest`")
    assert who_says(policies(policy), "worker = library.Worker()", "worker.say('said')") == cell


def test_a_thread_of_a_library_moves_on_with_each_new_cell(auto: Frontend) -> None:
    """However often it has written to the one before, and without anything said in between."""
    auto.execute("worker = library.Worker()")
    for n in range(5):
        cell = auto.execute(f"for i in range(3): worker.say(f'{n} {{i}}')")
        assert cell.stdout == f"{n} 0\n{n} 1\n{n} 2\n"


def test_a_thread_that_sets_a_parent_between_two_prints_is_heard_at_once(auto: Frontend) -> None:
    first = auto.send_execute("import sys\nearlier = sys.stdout.parent_header")
    assert auto.result(first).status == "ok"
    code = """
        def say():
            print("mine"); print("mine")
            token = sys.stdout.set_thread_parent(earlier)
            print("theirs"); print("theirs")
            sys.stdout.reset_thread_parent(token)
            print("mine")
        thread = threading.Thread(target=say); thread.start(); thread.join()
        """
    second = auto.send_execute(code)
    said: dict[str, str] = defaultdict(str)
    while sum(map(len, said.values())) < len("mine\n" * 3 + "theirs\n" * 2):
        message = auto.take("iopub", lambda m: m["msg_type"] == "stream")
        said[message["parent_header"]["msg_id"]] += message["content"]["text"]
    assert said == {first: "theirs\n" * 2, second: "mine\n" * 3}
    assert auto.result(second).status == "ok"


def test_a_policy_can_be_chosen_by_option_and_changed(start_kernel: Callable[..., Frontend]) -> None:
    if not KERNEL_NAME.startswith("kernelet"):
        pytest.skip("ipykernel has no policies")
    kernel = start_kernel(extra_arguments=["--IPKernelApp.thread_output=latest"])
    kernel.execute("import threading")
    assert who_says(kernel, BEGIN["a thread"]) == "second"
    kernel.execute("get_ipython().parent.thread_output = 'auto'")
    assert who_says(kernel, BEGIN["a thread"]) == "first"


def test_a_policy_that_does_not_exist_is_reported_and_ignored(start_kernel: Callable[..., Frontend]) -> None:
    if not KERNEL_NAME.startswith("kernelet"):
        pytest.skip("ipykernel has no policies")
    kernel = start_kernel(env={"KERNELET_THREAD_OUTPUT": "mine"})
    kernel.execute("import threading")
    assert who_says(kernel, BEGIN["a thread"]) == "first"
    assert "KERNELET_THREAD_OUTPUT" in kernel.log


# -- pools


POOL = "from concurrent.futures import ThreadPoolExecutor\npool = ThreadPoolExecutor(1)\npool.submit(int).result();"
"""A pool whose worker was born in this cell."""


@pytest.mark.parametrize(
    "submit", ["pool.submit(print, 'said')", "pool.map(print, ['said'])", "pool.submit(lambda: print('said'))"]
)
@pytest.mark.better_than_ipykernel("it writes to the newest cell")
def test_a_work_item_writes_to_the_cell_that_submitted_it(auto: Frontend, submit: str) -> None:
    auto.execute(POOL)
    assert who_says(auto, f"pool.submit(go.wait)\n{submit};", "go.set()\npool.shutdown()") == "first"


def test_an_old_worker_writes_to_the_newer_cell_that_submits(auto: Frontend) -> None:
    assert who_says(auto, POOL, "pool.submit(print, 'said').result()\npool.shutdown()") == "second"


@pytest.mark.better_than_ipykernel("it writes to the newest cell")
def test_run_in_executor_writes_to_the_cell_that_asks(auto: Frontend) -> None:
    first = SAY + "import asyncio\nfuture = asyncio.get_running_loop().run_in_executor(None, say);"
    assert who_says(auto, first) == "first"


def test_a_work_item_keeps_the_context_of_its_worker(auto: Frontend) -> None:
    """What an initializer sets in a worker's context is there for every item (decimal's precision, numpy's errors)."""
    code = """
        import decimal
        from concurrent.futures import ThreadPoolExecutor
        def prepare(): decimal.getcontext().prec = 3
        with ThreadPoolExecutor(1, initializer=prepare) as pool:
            prec = pool.submit(lambda: decimal.getcontext().prec).result()
        prec
        """
    assert auto.execute(code).result == {"text/plain": "3"}


def test_an_error_of_a_work_item_shows_no_frame_of_the_kernel(auto: Frontend) -> None:
    code = """
        from concurrent.futures import ThreadPoolExecutor
        with ThreadPoolExecutor() as pool: pool.submit(lambda: 1 / 0).result()
        """
    error = auto.execute(code).error
    assert error is not None
    assert error["ename"] == "ZeroDivisionError"
    assert "kernelet" not in "".join(error["traceback"])


# -- explicit


def test_set_thread_parent_redirects_the_calling_thread_until_it_is_reset(auto: Frontend) -> None:
    """The names are ipykernel 7.4's."""
    first = """
        go, done = threading.Event(), threading.Event()
        shell = get_ipython()
        def talk():
            go.wait()
            tokens = shell.set_thread_parent(theirs)
            print("redirected")
            shell.reset_thread_parent(tokens)
            print("as before")
            done.set()
        t = threading.Thread(target=talk)
        t.start()
        """
    one = auto.send_execute(first)
    auto.reply(one)
    two = auto.send_execute("theirs = shell.get_parent()\ngo.set()\ndone.wait()\nprint('unmoved')")
    auto.reply(two)
    said = {
        "".join(m["content"]["text"] for m in auto.until_idle(cell) if m["msg_type"] == "stream") for cell in (one, two)
    }
    late = "".join(m["content"]["text"] for m in auto.leftovers().get("iopub", []))
    if KERNEL_NAME.startswith("kernelet"):
        assert (said, late) == ({"", "redirected\nunmoved\n"}, "as before\n")
    else:
        assert said == {"", "redirected\nas before\nunmoved\n"}


def test_set_parent_in_a_thread_leaves_the_main_thread_alone(auto: Frontend) -> None:
    auto.execute("older = get_ipython().get_parent()")
    code = """
        t = threading.Thread(target=lambda: (get_ipython().set_parent(older), print("to the older cell")))
        t.start()
        t.join()
        print("to this one")
        """
    result = auto.execute(code)
    assert result.stdout == "to this one\n"
    assert auto.take("iopub", lambda m: m["msg_type"] == "stream")["content"]["text"] == "to the older cell\n"


# -- what else a thread says


@pytest.mark.better_than_ipykernel("it writes to the newest cell")
def test_a_thread_displays_in_its_cell(auto: Frontend) -> None:
    first = "def show():\n    go.wait()\n    display('shown')\n    done.set()\nthreading.Thread(target=show).start()"
    one = auto.send_execute("go, done = threading.Event(), threading.Event()\n" + first)
    two = auto.send_execute("go.set()\ndone.wait();")
    shown = auto.take("iopub", lambda m: m["msg_type"] == "display_data")
    assert shown["parent_header"]["msg_id"] == one
    assert auto.result(one).status == auto.result(two).status == "ok"


@pytest.mark.better_than_ipykernel("lines of two threads are mixed")
def test_twenty_threads_print_a_thousand_whole_lines_each_to_their_own_cell(auto: Frontend) -> None:
    auto.execute(
        "go = threading.Event()\nthreads = []\ndef talk(n):\n    go.wait()\n    for i in range(1000): print(n, i)"
    )
    start = "threads.append(threading.Thread(target=talk, args=({},)))\nthreads[-1].start()"
    cells = [auto.send_execute(start.format(n)) for n in range(20)]
    for cell in cells:
        assert auto.result(cell).stdout == ""
    assert auto.execute("go.set()\nfor t in threads: t.join()").stdout == ""
    texts: dict[str, str] = defaultdict(str)
    deadline = time.monotonic() + DEADLINE_S
    while sum(map(len, texts.values())) < 20 * len("".join(f"10 {i}\n" for i in range(1000))) - 10 * 1000:
        message = auto.take("iopub", lambda m: m["msg_type"] == "stream", deadline - time.monotonic())
        texts[message["parent_header"]["msg_id"]] += message["content"]["text"]
    assert [texts[cell] for cell in cells] == ["".join(f"{n} {i}\n" for i in range(1000)) for n in range(20)]


def test_twenty_threads_of_one_cell_print_whole_lines(auto: Frontend) -> None:
    code = """
        def talk(n):
            for i in range(1000): print(f"{n} {i}\\n", end="")
        threads = [threading.Thread(target=talk, args=(n,)) for n in range(20)]
        for t in threads: t.start()
        for t in threads: t.join()
        """
    lines = auto.execute(code).stdout.splitlines()
    assert sorted(lines) == sorted(f"{n} {i}" for n in range(20) for i in range(1000))


def test_threads_are_still_themselves(auto: Frontend) -> None:
    """Thread.start is replaced: it still refuses a second start, and says so without the kernel's frames."""
    result = auto.execute("t = threading.Thread(target=int)\nt.start()\nt.join()\nt.start()")
    assert result.error is not None
    assert result.error["evalue"] == "threads can only be started once"
    assert "kernelet" not in "".join(result.error["traceback"])


def test_a_thread_started_at_the_end_of_the_process_harms_nothing(start_kernel: Callable[..., Frontend]) -> None:
    kernel = start_kernel()
    code = """
        import atexit, threading
        from pathlib import Path
        def late():
            def work(): Path("late").touch()
            try:
                t = threading.Thread(target=work)
                t.start()
                t.join()
            except RuntimeError:  # newer Pythons refuse
                Path("late").touch()
        atexit.register(late)
        """
    kernel.execute(code)
    kernel.shutdown()
    assert kernel.exit_status() == 0
    assert (kernel.sandbox.path / "late").exists()
