"""Handlers of the user's for signals. In a process of its own: pytest-timeout has one."""

from __future__ import annotations

import subprocess
import sys

import pytest

LOOK = """
import signal
from kernelet.runtime.signals import taken_by_users

number = getattr(signal, {name!r})
told = [taken_by_users()]
before = signal.signal(number, lambda *_: None)
told.append(taken_by_users())
signal.signal(number, before)
print(*told, taken_by_users())
"""


@pytest.mark.parametrize(
    ("name", "seen"),
    [("SIGALRM", True), ("SIGUSR2", True), ("SIGCHLD", True), ("SIGTERM", True), ("SIGURG", False), ("SIGINT", False)],
)
def test_a_handler_of_the_users_is_seen_as_long_as_it_is_there(name: str, seen: bool) -> None:
    done = subprocess.run([sys.executable, "-c", LOOK.format(name=name)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", str(seen), "False"]
