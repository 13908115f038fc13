"""Whose output is this: the request that the context names, or else the newest cell."""

from __future__ import annotations

import contextvars
import threading

from kernelet.protocol.message import NO_PARENT, Parent
from kernelet.runtime.attribution import PARENT, Attribution


def test_output_before_the_first_cell_has_no_parent() -> None:
    assert Attribution().current() is NO_PARENT


def test_code_that_no_cell_claims_speaks_for_the_newest_cell() -> None:
    attribution, newest, seen = Attribution(), Parent(), []
    attribution.latest = newest
    thread = threading.Thread(target=lambda: seen.append(attribution.current()))
    thread.start()
    thread.join()
    assert seen == [newest]


def test_a_context_keeps_its_own_cell() -> None:
    attribution, first, second = Attribution(), Parent(), Parent()
    attribution.latest = second
    context = contextvars.copy_context()
    context.run(PARENT.set, first)
    assert context.run(attribution.current) is first
    assert attribution.current() is second
