"""The debugger knows the threads of the user's that run, and none that has ended: one would keep others standing."""

from __future__ import annotations

import pytest

from debugging import Debugging

# Its last code runs when what is local to it is taken away, pydevd's notes among that.
FINALIZING = """
import threading
local = threading.local()
class Finalized:
    def __del__(self):
        pass
def run():
    local.object = Finalized()
def begin():
    threading.Thread(target=run).start()
"""
BARE = """
import _thread
def run(ended):
    ended.release()
def begin():
    ended = _thread.allocate_lock()
    ended.acquire()
    _thread.start_new_thread(run, (ended,))
    ended.acquire()
"""
# One that looks again in a moment whether something can be interrupted. Threads that are made up are counted as those
# without a name are.
OURS = """
import threading
from kernelet.runtime.interrupt import Interrupts
class Noted(Interrupts):
    def interrupt_from_outside(self):
        looked.set()
looked = threading.Event()
count = int(threading._newname("%d"))
Noted()._wait_until_unshielded()
looked.wait()
int(threading._newname("%d")) - count - 1
"""
UNTIL_GONE = """
import sys, threading, time
made_up = set()
before = set(sys._current_frames())
for _ in range(3):
    begin()
    while set(sys._current_frames()) - before:
        time.sleep(0.001)
    made_up |= {thread for thread in threading._active.values() if isinstance(thread, threading._DummyThread)}
made_up
"""


@pytest.mark.better_than_ipykernel("they stay")
@pytest.mark.parametrize("code", [FINALIZING, BARE], ids=["finalizing", "bare"])
def test_threads_that_have_ended_leave_none_behind(debugger: Debugging, code: str) -> None:
    debugger.breakpoints("1 + 1", 1)
    assert debugger.kernel.execute(code + UNTIL_GONE).result == {"text/plain": "set()"}
    assert [thread["name"] for thread in debugger.ask("threads")["threads"]] == ["MainThread"]


@pytest.mark.better_than_ipykernel("it stands for ever")
def test_thread_with_the_ident_of_one_that_has_ended_goes_on_after_a_stop(debugger: Debugging) -> None:
    debugger.breakpoints("1 + 1", 1)
    debugger.kernel.execute(FINALIZING + UNTIL_GONE.replace("range(3)", "range(1)"))
    code = (
        "import threading\ndef stop():\n    pass\nthread = threading.Thread(target=stop)\nthread.start()\nthread.join()"
    )
    cell = debugger.run(code, 3)
    stop = debugger.stopped()
    assert stop.place == ("stop", 3)
    assert debugger.finish(stop, cell).status == "ok"


@pytest.mark.better_than_ipykernel("it has none of these")
def test_bare_thread_of_the_kernels_is_none_to_the_debugger(debugger: Debugging) -> None:
    debugger.breakpoints("1 + 1", 1)
    assert debugger.kernel.execute(OURS).result == {"text/plain": "0"}


def test_bare_thread_of_the_users_stops_at_a_breakpoint(debugger: Debugging) -> None:
    code = (
        "import _thread\nended = _thread.allocate_lock()\nended.acquire()\n"
        "def run():\n    ended.release()\n_thread.start_new_thread(run, ())\nended.acquire()"
    )
    cell = debugger.run(code, 5)
    stop = debugger.stopped()
    assert stop.place == ("run", 5)
    assert debugger.finish(stop, cell).status == "ok"
