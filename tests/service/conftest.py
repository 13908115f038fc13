"""Fixtures of the service tests: engines and servers with real kernels, each shared by a module."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kernelet.service.engine import Engine
from kernelet.service.execution import Options
from kernelet.service.result import ExecutionResult
from service_tools import Served, Sync, settings


@pytest.fixture(scope="module")
def start_engine() -> Iterator[Callable[..., Sync]]:
    """Start an engine with settings of the module's choice."""
    started: list[Sync] = []

    def start(**changes: Any) -> Sync:
        started.append(Sync(lambda: Engine(settings(**changes))))
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.fixture(scope="module")
def sync(start_engine: Callable[..., Sync]) -> Sync:
    """The module's engine."""
    return start_engine()


@pytest.fixture
def run(sync: Sync) -> Iterator[Callable[..., ExecutionResult]]:
    """Run code in the session of this test alone."""
    session = sync.session()

    def call(code: str, **options: Any) -> ExecutionResult:
        return sync(session.run(code, Options(**options)))

    call.session = session  # type: ignore[attr-defined]
    yield call
    if session.state != "closed":
        sync(sync.engine.destroy(session.id))


@pytest.fixture(scope="module")
def serve() -> Iterator[Callable[..., Served]]:
    """Start servers with settings of the module's choice."""
    started: list[Served] = []

    def start(**changes: Any) -> Served:
        started.append(Served(**changes))
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.fixture(scope="module")
def served(serve: Callable[..., Served]) -> Served:
    """The module's server."""
    return serve()
