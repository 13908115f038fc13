"""The debugger's thread runs requests in order and beside each other, unseen by debuggers."""

from __future__ import annotations

import asyncio
import threading

from kernelet.runtime.debug_thread import DebugThread


def test_coroutines_begin_in_order_and_a_slow_one_keeps_nobody_waiting() -> None:
    thread, began = DebugThread(), []
    gate = asyncio.Event()

    async def slow() -> str:
        began.append("slow")
        await gate.wait()
        return "slow is over"

    async def quick() -> str:
        began.append("quick")
        return "quick is over"

    first, second = thread.submit(slow()), thread.submit(quick())
    assert second.result(30) == "quick is over"
    assert began == ["slow", "quick"]
    assert not first.done()
    thread.loop.call_soon_threadsafe(gate.set)
    assert first.result(30) == "slow is over"
    thread.loop.call_soon_threadsafe(thread.loop.stop)


def test_calls_aside_run_in_a_thread_that_debuggers_leave_alone() -> None:
    thread = DebugThread()
    aside = thread.submit(thread.aside(threading.current_thread)).result(30)
    assert aside is not threading.current_thread()
    assert getattr(aside, "pydev_do_not_trace", False)
    assert aside.name.startswith("kernelet-")
    thread.loop.call_soon_threadsafe(thread.loop.stop)
