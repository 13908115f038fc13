"""A kernel for each test of a real package: some of them change what the next would find."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from frontend import Frontend


@pytest.fixture
def kernel() -> Iterator[Frontend]:
    with Frontend() as frontend:
        yield frontend
