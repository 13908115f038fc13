"""A server's memory goes back to the system; in a process of its own, whose heap is nobody else's."""

from __future__ import annotations

import asyncio
import platform
import subprocess
import sys

import pytest

from kernelet.service.engine import Engine
from needs import OTHER_MACHINE
from service_tools import Sync, settings

HOLES = """
import gc
from pathlib import Path
from kernelet.service.heap import keep_for_good, trim

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

kept, freed = [], []
for _ in range(2000):
    freed.append(bytearray(40_000))
    kept.append(bytearray(600))
for large in freed:
    large[:] = b"x" * 40_000
del large
freed.clear()
before = resident()
assert trim()
assert before - resident() > 40e6, (before, resident())
keep_for_good()
assert gc.get_freeze_count() > 1000
"""

glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason=f"{OTHER_MACHINE}its C library has no malloc_trim")


@glibc
def test_holes_between_what_is_used_go_back_to_the_system() -> None:
    done = subprocess.run([sys.executable, "-c", HOLES], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


@glibc
def test_the_end_of_a_session_gives_its_memory_back(monkeypatch: pytest.MonkeyPatch) -> None:
    trimmed: list[bool] = []
    monkeypatch.setattr("kernelet.service.engine.trim", lambda: trimmed.append(True))
    sync = Sync(lambda: Engine(settings()))
    try:
        for name in ("one", "two"):
            sync.session(name)
        for name in ("one", "two"):
            sync(sync.engine.destroy(name))
        trimming = sync.engine._trimming
        assert trimming is not None
        sync(ended(trimming))
        assert trimmed
    finally:
        sync.close()


async def ended(task: asyncio.Task[None]) -> None:
    await task
