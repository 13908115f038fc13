"""Birth: what a forked kernel is born with, applied in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kernelet.launch.birth import PROTOCOL, Birth
from needs import need_linux

need_linux()

SHOW = """
import json, os, random, signal, sys, tempfile
first = tempfile.gettempdir()
from kernelet.launch.birth import Birth
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
birth = Birth.loads(sys.stdin.buffer.read())
pid = os.fork()
if pid:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
birth.apply()
import time
print(json.dumps({
    "argv": sys.argv, "orig_argv": sys.orig_argv, "env": dict(os.environ), "cwd": os.getcwd(), "umask": os.umask(0),
    "leads": os.getpid() == os.getsid(0) == os.getpgrp(), "blocked": len(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
    "sigint": signal.getsignal(signal.SIGINT) is signal.default_int_handler, "temp": tempfile.gettempdir(),
    "zone": time.tzname[0], "files": __import__("resource").getrlimit(__import__("resource").RLIMIT_NOFILE)[0],
}))
"""


def born(birth: Birth) -> dict[str, Any]:
    done = subprocess.run([sys.executable, "-c", SHOW], input=birth.dumps(), capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    shown: dict[str, Any] = json.loads(done.stdout)
    return shown


@pytest.fixture
def birth(tmp_path: Path) -> Birth:
    env = {"TZ": "XYZ-3", "TMPDIR": str(tmp_path), "ODD": "\udce9", "A": "1"}
    return Birth(["/py", "-m", "kernelet", "-f", "x.json"], "kernelet", ["-f", "x.json"], env, str(tmp_path), 0o027)


def test_a_birth_survives_its_journey(birth: Birth) -> None:
    assert Birth.loads(birth.dumps()) == birth


def test_another_versions_birth_is_refused(birth: Birth) -> None:
    with pytest.raises(ValueError, match="different versions"):
        Birth.loads(birth.dumps().replace(b'"protocol": %d' % PROTOCOL, b'"protocol": 0'))


def test_the_child_has_what_a_spawned_process_would_have(birth: Birth, tmp_path: Path) -> None:
    shown = born(birth)
    assert shown["argv"] == ["/py", "-f", "x.json"]
    assert shown["orig_argv"] == list(birth.command)
    assert {name: value for name, value in shown["env"].items() if name != "LC_CTYPE"} == dict(birth.env)
    assert (shown["cwd"], shown["umask"], shown["temp"]) == (str(tmp_path), 0o027, str(tmp_path))
    assert (shown["leads"], shown["sigint"], shown["blocked"], shown["zone"]) == (True, True, 0, "XYZ")


def test_limits_hold_in_the_child(birth: Birth) -> None:
    confined = replace(birth, confinement={"limits": {"nofile": 77}, "isolation": None})
    assert born(confined)["files"] == 77


def test_a_directory_that_is_not_there_ends_the_child_with_its_name(birth: Birth, tmp_path: Path) -> None:
    lost = replace(birth, cwd=str(tmp_path / "gone"))
    done = subprocess.run([sys.executable, "-c", SHOW], input=lost.dumps(), capture_output=True, timeout=60)
    assert done.returncode == 1
    assert os.fsencode(tmp_path / "gone") in done.stderr
