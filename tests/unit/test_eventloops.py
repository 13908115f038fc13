"""The names of GUI event loops are ipykernel's, and more."""

from __future__ import annotations

import importlib

from kernelet.ipython.eventloops import loop_map
from needs import need_module


def test_every_name_that_ipykernel_knows_is_known() -> None:
    need_module("ipykernel")
    theirs = importlib.import_module("ipykernel.eventloops").loop_map
    assert set(theirs) <= set(loop_map)
    # Those that need no loop there may need none here.
    assert {name for name, loop in loop_map.items() if loop} >= {
        name for name, loop in theirs.items() if loop and name != "asyncio"
    }
