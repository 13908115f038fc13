"""Objects without a reference count, in a process of their own: they stay what they are."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from typing import Any

import pytest

from needs import OTHER_MACHINE

NEW = sys.implementation.name == "cpython" and sys.version_info >= (3, 12)


def run(script: str) -> Any:
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, timeout=60, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def test_what_is_there_is_counted_no_more_and_what_comes_is() -> None:
    immortal, class_, function, code, text, later = run("""
        import decimal, gc, json, sys
        from kernelet.launch.uncounted import stop_counting
        gc.disable()
        stop_counting()
        things = None, json.JSONDecoder, json.loads, json.loads.__code__, json.loads.__doc__, [1]
        print(json.dumps([sys.getrefcount(one) for one in things]))
        """)
    assert ([class_, function, code, text] == [immortal] * 4) == NEW
    assert later < 10


def test_the_number_is_told_and_is_0_where_that_cannot_be() -> None:
    number = run("from kernelet.launch.uncounted import stop_counting\nprint(stop_counting())")
    assert (number > 1000) == NEW


def test_a_second_time_takes_what_is_not_frozen() -> None:
    first, second = run("""
        import gc
        from kernelet.launch.uncounted import stop_counting
        gc.disable()
        first = stop_counting()
        gc.freeze()
        import decimal
        print([first, stop_counting()])
        """)
    assert second < first or not NEW


def test_life_goes_on() -> None:
    """Collections with nothing frozen, modules removed and imported again, classes made, threads, an end in order."""
    assert (
        run("""
        import abc, asyncio, collections, enum, gc, json, sys, threading, weakref
        import decimal, unittest
        from kernelet.launch.uncounted import stop_counting

        class Base(abc.ABC):
            names = []

        stop_counting()
        gc.collect()
        for n in range(50):
            made = type(f"C{n}", (Base,), {})
            Base.register(type(f"D{n}", (), {}))
            Base.names.append(made.__name__)
            gone = weakref.ref(made())
            assert gone() is None
        del made
        for name in ("decimal", "_decimal", "unittest.case", "unittest"):
            sys.modules.pop(name, None)
        gc.collect()
        import decimal, unittest
        Base.names.clear()
        del Base
        thread = threading.Thread(target=asyncio.run, args=(asyncio.sleep(0),))
        thread.start()
        thread.join()
        gc.freeze()
        gc.unfreeze()
        gc.collect()
        text = json.__doc__
        text += "more"
        print(json.dumps(collections.Counter("aab")["a"] + enum.IntFlag("F", "a b").b + int(decimal.Decimal(1))))
        """)
        == 2 + 2 + 1
    )


@pytest.mark.skipif(not NEW, reason=f"{OTHER_MACHINE}its Python has immortal objects")
def test_where_counts_lie_elsewhere_nothing_is_written() -> None:
    assert run("""
        import ctypes, sys
        from kernelet.launch import uncounted
        told = []

        class Elsewhere(ctypes.c_uint32):
            @classmethod
            def from_address(cls, address):
                return ctypes.c_uint32.from_address(address + 4)

        uncounted._Count = Elsewhere
        print([uncounted.stop_counting()])
        """) == [0]
