"""The death of the process that started the kernel is noticed by a descriptor."""

from __future__ import annotations

import os
import select
import subprocess
import sys

import pytest

from kernelet.runtime.log import Log
from kernelet.runtime.watch import parent_fd, parent_pid
from needs import OTHER_MACHINE

if sys.platform != "linux":
    pytest.skip(f"{OTHER_MACHINE}it has pidfds", allow_module_level=True)

DEADLINE_S = 30


def test_the_descriptor_is_readable_when_the_process_ends_and_not_before(log: Log) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        fd = parent_fd(process.pid, log)
        assert fd is not None
        assert select.select([fd], [], [], 0)[0] == []
        process.communicate(b"\n")
    assert select.select([fd], [], [], DEADLINE_S)[0] == [fd]
    os.close(fd)


def test_a_process_that_is_gone_is_told(log: Log) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    with pytest.raises(ProcessLookupError):
        parent_fd(process.pid, log)


def test_a_system_that_forbids_it_is_told_in_the_log(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(pid: int) -> int:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "pidfd_open", refuse)
    assert parent_fd(os.getpid(), log) is None
    assert "cannot watch the parent process" in log.lines()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "text, pid", [("1234", 1234), ("", None), ("0", None), ("-1", None), ("x", None), ("1.5", None), ("²", None)]
)
def test_the_parent_is_named_by_the_environment(text: str, pid: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JPY_PARENT_PID", text)
    assert parent_pid() == pid


def test_a_kernel_started_by_hand_has_no_parent_to_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JPY_PARENT_PID", raising=False)
    assert parent_pid() is None
