"""The kernel's own voice: lines on a descriptor, from a level on, whatever becomes of the descriptor."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from kernelet.runtime.log import Log


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    yield reader, writer
    os.close(reader)
    os.close(writer)


def test_a_line_is_written_at_once(pipe: tuple[int, int]) -> None:
    Log(pipe[1])("warning", "it rains")
    assert os.read(pipe[0], 1000) == b"[kernelet] warning: it rains\n"


def test_what_is_under_the_level_is_not_written(pipe: tuple[int, int]) -> None:
    log = Log(pipe[1], "info")
    log("debug", "no")
    log("info", "yes")
    log("error", "yes")
    assert os.read(pipe[0], 1000) == b"[kernelet] info: yes\n[kernelet] error: yes\n"


def test_text_that_utf8_has_not_is_escaped(pipe: tuple[int, int]) -> None:
    Log(pipe[1])("error", "é\ud800")
    assert os.read(pipe[0], 1000) == "[kernelet] error: é\\ud800\n".encode()


def test_a_crash_is_told_with_its_traceback(pipe: tuple[int, int]) -> None:
    try:
        raise KeyError("lost")
    except KeyError:
        Log(pipe[1]).crash("something broke")
    told = os.read(pipe[0], 10000).decode()
    assert told.startswith("[kernelet] error: something broke\nTraceback")
    assert told.rstrip().endswith("KeyError: 'lost'")


def test_a_closed_stderr_is_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    Log(writer)("error", "into a broken pipe")
    os.close(writer)
    Log(writer)("error", "into nothing")
