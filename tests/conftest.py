"""Hooks for every test: under `.ci/run` a skip is a failure, so nothing goes untested there unseen."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from needs import OTHER_MACHINE, in_ci


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if not (in_ci() and report.skipped) or hasattr(report, "wasxfail"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    reason = reason.removeprefix("Skipped: ")
    if not reason.startswith(OTHER_MACHINE):
        report.outcome = "failed"
        report.longrepr = f"skipped, and KERNELET_CI allows no skip but '{OTHER_MACHINE}...': {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _refuse_skip(report)
    return report
