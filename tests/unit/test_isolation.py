"""Isolation: its description. What it does to a process is in tests/service/test_isolation.py."""

from __future__ import annotations

import errno
import os
import sys

import pytest

from kernelet.launch import isolation as module
from kernelet.launch.isolation import Isolation, IsolationError, IsolationLevel


def test_an_isolation_survives_the_way_through_json() -> None:
    isolation = Isolation(IsolationLevel.FULL, "/up", "/out", ("/run/x",), ("/run/y",), tmp_mb=10, shm_mb=20)
    assert Isolation.from_config(isolation.as_config()) == isolation
    assert Isolation.from_config({}) == Isolation()


def test_folders_become_absolute() -> None:
    isolation = Isolation.from_config({"upload_dir": "up", "writable": ["a/../b"]})
    assert isolation.upload_dir == os.path.abspath("up")
    assert isolation.writable == (os.path.abspath("b"),)


@pytest.mark.parametrize(
    "config, complaint",
    [
        ({"level": "half"}, "none, net or full, not 'half'"),
        ({"leval": "net"}, "Unknown in isolation: leval"),
        ({"upload_dir": 3}, "upload_dir is 3"),
        ({"writable": "/tmp"}, "writable is '/tmp'"),
        ({"shm_mb": 0}, "shm_mb is 0"),
        ({"tmp_mb": True}, "tmp_mb is True"),
    ],
)
def test_what_it_cannot_mean_is_named(config: dict[str, object], complaint: str) -> None:
    with pytest.raises(IsolationError, match=complaint):
        Isolation.from_config(config)


def test_only_an_isolated_kernel_needs_sockets_in_the_file_system() -> None:
    assert [level for level in IsolationLevel if Isolation(level).needs_ipc] == ["net", "full"]


def test_another_system_than_linux_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(IsolationError, match="isolation=net needs Linux; this is darwin"):
        Isolation(IsolationLevel.NET).enter()


@pytest.mark.skipif(sys.platform != "linux", reason="another machine: it has Linux")
def test_a_machine_without_user_namespaces_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(flags: int) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(module.namespaces, "unshare", refuse)
    with pytest.raises(IsolationError, match=r"does not allow a user namespace: .*Operation not permitted"):
        Isolation(IsolationLevel.FULL).enter()
