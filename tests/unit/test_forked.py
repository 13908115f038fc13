"""ForkedProcess: a Popen for a process that is another's child. The zygote is played by the test."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from needs import need_linux

need_linux()

from kernelet.launch.forked import UNKNOWN_STATUS, ForkedProcess  # noqa: E402  # Linux only


class Played:
    """A process that sleeps, and the zygote's end of its connection."""

    def __init__(self) -> None:
        self.real = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        self.zygote, ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.process = ForkedProcess(self.real.pid, os.pidfd_open(self.real.pid), ours, ["x"])

    def bury(self) -> int:
        """Wait for the process as a zygote does, and tell its end."""
        status = self.real.wait(60)
        self.zygote.send(json.dumps({"status": status}).encode())
        return status


@pytest.fixture
def played() -> Iterator[Played]:
    one = Played()
    yield one
    one.real.kill()
    one.real.wait(60)
    one.zygote.close()
    del one.process


def test_a_process_that_runs_has_no_exit_code(played: Played) -> None:
    assert played.process.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        played.process.wait(timeout=0.01)


def test_the_zygote_tells_the_exit_code(played: Played) -> None:
    played.process.terminate()
    assert played.bury() == -signal.SIGTERM
    assert played.process.wait(60) == played.process.poll() == -signal.SIGTERM


def test_the_end_is_seen_when_the_zygote_has_ended_before(played: Played) -> None:
    played.zygote.close()
    assert played.process.poll() is None
    played.process.kill()
    assert played.process.wait(60) == UNKNOWN_STATUS


def test_a_signal_to_a_process_that_has_ended_does_nothing(played: Played) -> None:
    played.process.kill()
    played.bury()
    assert played.process.wait(60) == -signal.SIGKILL
    played.process.kill()
    played.process.send_signal(signal.SIGINT)
