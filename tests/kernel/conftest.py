"""Fixtures of the kernel tests: a kernel shared by a module, a fresh one, and the marker of known differences."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from debugging import Debugging
from frontend import KERNEL_NAME, Frontend, RawClient, RawKernel

FAILED = pytest.StashKey[bool]()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "better_than_ipykernel(reason): ipykernel is known to be wrong or not to do it")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if KERNEL_NAME.startswith("kernelet"):
        return
    for item in items:
        if marker := item.get_closest_marker("better_than_ipykernel"):
            reason = marker.args[0] if marker.args else "ipykernel is known wrong here"
            item.add_marker(pytest.mark.skipif(not os.environ.get("KERNELET_TEST_ALL"), reason=reason))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    report = yield
    if report.failed:
        item.stash[FAILED] = True
    return report


class Shared:
    """One kernel for the tests of a module, replaced after a failure so that the next test finds a sound one."""

    def __init__(self) -> None:
        self.frontend: Frontend | None = None

    def get(self) -> Frontend:
        if self.frontend is None:
            self.frontend = Frontend()
        return self.frontend

    def drop(self) -> None:
        if self.frontend is not None:
            self.frontend.kill()
            self.frontend = None


@pytest.fixture(scope="module")
def shared_kernel() -> Iterator[Shared]:
    shared = Shared()
    yield shared
    if shared.frontend is not None:
        shared.frontend.close()


@pytest.fixture
def kernel(shared_kernel: Shared, request: pytest.FixtureRequest) -> Iterator[Frontend]:
    """The module's kernel; fails the test when messages are left over."""
    frontend = shared_kernel.get()
    yield frontend
    if request.node.stash.get(FAILED, False) or frontend.ended:
        shared_kernel.drop()
        return
    try:
        frontend.assert_quiet()
    except BaseException:
        shared_kernel.drop()
        raise


@pytest.fixture
def debugger(kernel: Frontend, request: pytest.FixtureRequest) -> Iterator[Debugging]:
    """A debug session on the module's kernel, begun for this test and ended after it."""
    debugging = Debugging(kernel)
    debugging.start()
    yield debugging
    if not kernel.ended and not request.node.stash.get(FAILED, False):
        debugging.end()


@pytest.fixture
def start_kernel(request: pytest.FixtureRequest) -> Iterator[Callable[..., Frontend]]:
    """Start kernels with arguments of the test's choice; each is closed (and must be quiet) at the end."""
    started: list[Frontend] = []

    def start(**arguments: Any) -> Frontend:
        started.append(Frontend(**arguments))
        return started[-1]

    yield start
    failed = request.node.stash.get(FAILED, False)
    for frontend in started:
        if failed:
            frontend.kill()
        else:
            frontend.close()


@pytest.fixture
def fresh_kernel(start_kernel: Callable[..., Frontend]) -> Frontend:
    """A kernel of this test alone."""
    return start_kernel()


@pytest.fixture(scope="module")
def raw() -> Iterator[RawKernel]:
    """One bare kernel process for the tests of a module; none of them may harm it."""
    with RawKernel() as kernel:
        kernel.client().ready()
        yield kernel


@pytest.fixture
def client(raw: RawKernel) -> Iterator[RawClient]:
    """A bare client of this test alone."""
    one = raw.client().ready()
    yield one
    one.close()
