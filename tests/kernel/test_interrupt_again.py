"""Interrupts that are asked for again: the second press reaches user threads, the third tells where everybody is."""

from __future__ import annotations

import signal
import textwrap
import time
from collections.abc import Iterator

import pytest

from frontend import Frontend, wait_for

pytestmark = pytest.mark.better_than_ipykernel("an interrupt does the same however often it is sent")

THREAD = """
import threading
on = threading.Event()
def work():
    try:
        on.set()
        while True:
            sum(range(1000))
    except KeyboardInterrupt:
        open('ended', 'w').close()
thread = threading.Thread(target=work, daemon=True)
thread.start()
on.wait()
print('on', flush=True)
"""
BY_A_POOL = """
from concurrent.futures import ThreadPoolExecutor
import threading
on = threading.Event()
pool = ThreadPoolExecutor(2)
pool.submit(int).result()
def work():
    on.set()
    while True:
        sum(range(1000))
future = pool.submit(work)
on.wait()
print('on', flush=True)
"""
IN_A_LOOP = """
import asyncio, threading
async def work():
    print('on', flush=True)
    await asyncio.sleep(1000)
def run():
    try:
        asyncio.run(work())
    except KeyboardInterrupt:
        pass
thread = threading.Thread(target=run, daemon=True)
thread.start()
"""
STACKS = "what every thread does now:"


@pytest.fixture
def subshell(kernel: Frontend) -> Iterator[str]:
    subshell_id = str(kernel.request("create_subshell_request", channel="control").content["subshell_id"])
    yield subshell_id
    kernel.request("delete_subshell_request", {"subshell_id": subshell_id}, "control")


def begin(kernel: Frontend, code: str, **fields: object) -> str:
    msg_id = kernel.send_execute(code, **fields)
    kernel.see_text("on", msg_id)
    return msg_id


@pytest.mark.parametrize("code", [THREAD, IN_A_LOOP], ids=["busy", "asleep in a loop"])
def test_the_second_press_ends_a_thread_that_a_cell_joins(kernel: Frontend, code: str) -> None:
    # All of it inside the `try`: beside a busy thread, main may be this far behind what the client has read.
    first = "try:\n" + textwrap.indent(f"{code}\nthread.join()\n", "    ")
    msg_id = begin(
        kernel, f"{first}except KeyboardInterrupt:\n    print('once', flush=True)\nthread.join()\nprint('joined')"
    )
    kernel.interrupt()
    kernel.see_text("once", msg_id)
    kernel.interrupt()
    result = kernel.result(msg_id)
    # The second press interrupts the second join as well; the thread has ended or is about to.
    assert result.ename == "KeyboardInterrupt" or "joined" in result.stdout
    assert kernel.execute("thread.join()\nthread.is_alive()").result == {"text/plain": "False"}


def test_the_second_press_ends_a_thread_that_outlives_its_cell(kernel: Frontend) -> None:
    msg_id = begin(kernel, THREAD.replace("ended", "ended too"))
    kernel.result(msg_id)
    kernel.signal()
    assert kernel.execute("thread.is_alive()").result == {"text/plain": "True"}
    ended = kernel.sandbox.path / "ended too"

    def pressed_again() -> bool:
        kernel.signal()
        time.sleep(0.05)  # nothing tells that an idle kernel has seen it, and two at once are one
        return ended.exists()

    wait_for(pressed_again)
    assert kernel.execute("thread.join()\nthread.is_alive()").result == {"text/plain": "False"}


def test_the_second_press_leaves_the_pool_alive(kernel: Frontend) -> None:
    code = BY_A_POOL.replace("print", "try:\n    print") + "    future.result()\nexcept KeyboardInterrupt:\n"
    msg_id = begin(kernel, code + "    print('once', flush=True)\n    import time; time.sleep(1000)")
    kernel.interrupt()
    kernel.see_text("once", msg_id)
    kernel.interrupt()
    assert kernel.result(msg_id).ename == "KeyboardInterrupt"
    assert kernel.execute("type(future.exception()).__name__").result == {"text/plain": "'KeyboardInterrupt'"}
    assert kernel.execute("[pool.submit(int, '7').result() for _ in '123']").result == {"text/plain": "[7, 7, 7]"}


def test_the_third_press_tells_what_every_thread_does(kernel: Frontend) -> None:
    code = "import time\ndef stubborn():\n  while True:\n    try:\n"
    code += "      print('on', len(presses), flush=True)\n      time.sleep(1000)\n"
    code += "    except KeyboardInterrupt:\n      presses.append(1)\n      if len(presses) == 3: raise\n"
    code += "presses = []\nstubborn()"
    msg_id = begin(kernel, code)
    for count in (1, 2):
        kernel.interrupt()
        kernel.see_text(f"on {count}", msg_id)
        assert STACKS not in kernel.log
    kernel.interrupt()
    assert kernel.result(msg_id).ename == "KeyboardInterrupt"
    wait_for(lambda: "in stubborn" in kernel.log)
    assert "interrupted 3 times" in kernel.log


IN_C = """
import ctypes, os, signal
libc = ctypes.CDLL(None)
reader, writer = os.pipe()
def in_c():
    for number in (signal.SIGINT, signal.SIGURG):
        signal.siginterrupt(number, False)  # C takes its call up again: no handler of Python's runs
    print('on', flush=True)
    libc.read(reader, ctypes.create_string_buffer(1), 1)
in_c()
"""
# Returns once main waits in that read: between its print and there, a signal is handled.
MAIN_READS = """
import threading
syscall = f'/proc/self/task/{threading.main_thread().native_id}/syscall'
while open(syscall).read().split()[1:2] != [hex(reader)]:
    pass
"""


def test_the_third_press_tells_while_main_is_in_c(kernel: Frontend, subshell: str) -> None:
    """No signal handler runs then: the wire does it. And it has reached the subshells before."""
    main = begin(kernel, IN_C)
    assert kernel.execute(MAIN_READS, subshell_id=subshell).status == "ok"
    side = begin(kernel, "print('on', flush=True)\nwhile True: pass", subshell_id=subshell)
    kernel.signal()
    assert kernel.result(side).ename == "KeyboardInterrupt"
    side = begin(kernel, "print('on', flush=True)\nwhile True: pass", subshell_id=subshell)
    kernel.signal()
    assert kernel.result(side).ename == "KeyboardInterrupt"
    side = begin(kernel, "print('on', flush=True)\nwhile True: pass", subshell_id=subshell)
    kernel.signal()
    assert kernel.result(side).ename == "KeyboardInterrupt"
    wait_for(lambda: "in in_c" in kernel.log)
    kernel.execute("os.write(writer, b'x')", subshell_id=subshell)
    assert kernel.result(main).ename == "KeyboardInterrupt"


def test_sigusr1_tells_what_every_thread_does(fresh_kernel: Frontend) -> None:
    kernel = fresh_kernel
    msg_id = begin(kernel, "import threading\ndef waits():\n    print('on', flush=True)\n    gate.wait()\n"
                           "gate = threading.Event()\nwaits()")  # fmt: skip
    kernel.signal(signal.SIGUSR1)
    wait_for(lambda: "in waits" in kernel.log)
    kernel.interrupt()
    result = kernel.result(msg_id)
    assert (result.ename, result.stdout, result.stderr) == ("KeyboardInterrupt", "on\n", "")


def test_sigusr1_is_the_users_who_takes_it(fresh_kernel: Frontend) -> None:
    kernel = fresh_kernel
    kernel.execute(
        "import os, signal\ngot = []\nsignal.signal(signal.SIGUSR1, lambda number, frame: got.append(number))"
    )
    code = "os.kill(os.getpid(), signal.SIGUSR1)\nwhile not got: pass\nlen(got)"
    assert kernel.execute(code).result == {"text/plain": "1"}
    assert kernel.log == ""
