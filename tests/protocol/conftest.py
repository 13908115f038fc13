"""Fixtures of the protocol tests: an echo kernel for a module, and a client for a test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from protocol.harness import EchoProcess
from rawkernel import RawClient


@pytest.fixture(scope="module")
def echo() -> Iterator[EchoProcess]:
    """An echo kernel for the tests of a module; none of them may harm it."""
    with EchoProcess() as kernel:
        yield kernel


@pytest.fixture
def client(echo: EchoProcess) -> Iterator[RawClient]:
    """A client of this test alone."""
    one = echo.client().ready()
    yield one
    one.close()
