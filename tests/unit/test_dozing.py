"""Where a parked loop's thread sleeps while nothing lives on the loop."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator

import pytest

from kernelet.runtime import dozing

pytestmark = pytest.mark.skipif(not dozing.possible(), reason="a thread cannot wait for descriptors here")


@pytest.fixture
def bed() -> Iterator[dozing.Bed]:
    bed = dozing.Bed()
    yield bed
    bed.close()


def test_a_loop_without_callbacks_and_timers_is_quiet(loop: asyncio.AbstractEventLoop) -> None:
    assert dozing.quiet_selector(loop) is not None
    loop.call_soon(loop.stop)
    assert dozing.quiet_selector(loop) is None
    loop.run_forever()
    assert dozing.quiet_selector(loop) is not None
    loop.call_later(1000, print)
    assert dozing.quiet_selector(loop) is None


def test_a_loop_that_does_not_tell_is_not_quiet() -> None:
    assert dozing.quiet_selector(object()) is None


def test_a_wake_ends_the_sleep_or_the_next_one(loop: asyncio.AbstractEventLoop, bed: dozing.Bed) -> None:
    selector = dozing.quiet_selector(loop)
    assert selector is not None
    bed.wake()
    bed.wake()
    assert bed.sleep(selector)
    threading.Timer(0.01, bed.wake).start()
    assert bed.sleep(selector)


def test_something_for_the_loop_ends_the_sleep(loop: asyncio.AbstractEventLoop, bed: dozing.Bed) -> None:
    selector = dozing.quiet_selector(loop)
    assert selector is not None
    threading.Timer(0.01, lambda: loop.call_soon_threadsafe(loop.stop)).start()
    assert not bed.sleep(selector)
    loop.run_forever()


def test_another_loop_may_take_the_place_of_the_first(loop: asyncio.AbstractEventLoop, bed: dozing.Bed) -> None:
    other = asyncio.new_event_loop()
    for each in (loop, other, loop):
        selector = dozing.quiet_selector(each)
        assert selector is not None
        each.call_soon_threadsafe(each.stop)
        assert not bed.sleep(selector)
        each.run_forever()
    other.close()


def test_who_wakes_what_is_closed_writes_to_nobody(bed: dozing.Bed) -> None:
    closed = {bed._wake_r, bed._wake_w}
    bed.close()
    reader, writer = os.pipe()  # the lowest numbers that are free
    assert closed & {reader, writer}
    bed.wake()
    bed.close()
    os.set_blocking(reader, False)
    with pytest.raises(BlockingIOError):
        os.read(reader, 1)
    os.close(reader)
    os.close(writer)
