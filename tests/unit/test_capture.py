"""Capture of file descriptors 1 and 2, with the real ones of a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from typing import Any

import pytest

from needs import OTHER_MACHINE

if sys.platform == "win32":
    pytest.skip(f"{OTHER_MACHINE}it has fds to capture", allow_module_level=True)

# Capture asks four things of a wire, and the test wants to see each of them: a recorder in its place.
SETUP = """
import json, os, subprocess, sys
from kernelet.protocol.message import Parent
from kernelet.runtime.attribution import Attribution
from kernelet.runtime.capture import Capture

class Recorder:
    texts, watched, unwatched = [], {}, []
    def put_text(self, name, parent, text): self.texts.append([name, parent is cell, text])
    def watch(self, fd, ready): self.watched[fd] = ready
    def unwatch(self, fd): self.unwatched.append(fd)
    def barrier(self, call): call()

told = os.fdopen(os.dup(1), "w")
wire, attribution, cell = Recorder(), Attribution(), Parent()
attribution.latest = cell
capture = Capture()
"""
END = """
told.write(json.dumps([wire.texts, list(wire.watched), wire.unwatched, globals().get("result")]))
told.flush()
os._exit(0)
"""


def run(script: str) -> tuple[list[list[Any]], list[int], list[int], Any]:
    """Run the script with a Capture; return texts, watched and unwatched fds, and the script's `result`."""
    source = SETUP + textwrap.dedent(script) + END
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    texts, watched, unwatched, result = json.loads(done.stdout)
    return texts, watched, unwatched, result


def captured(script: str) -> list[list[Any]]:
    return run("capture.attach(wire, attribution); capture.redirect()\n" + textwrap.dedent(script))[0]


def test_what_a_subprocess_writes_belongs_to_the_newest_cell() -> None:
    texts = captured("""
        subprocess.run([sys.executable, "-c", "import os; os.write(1, b'out'); os.write(2, b'err')"])
        capture.drain()
    """)
    assert texts == [["stdout", True, "out"], ["stderr", True, "err"]]


def test_nothing_written_is_nothing_queued() -> None:
    assert captured("capture.drain(); capture.drain_if_written()") == []


def test_what_was_written_is_queued_if_anything_was() -> None:
    assert captured("os.write(1, b'a'); capture.drain_if_written(); capture.drain()") == [["stdout", True, "a"]]


def test_what_is_written_before_the_redirection_is_not_captured() -> None:
    source = SETUP + "capture.attach(wire, attribution); os.write(1, b'early '); capture.drain()" + END
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("early [[], ")


def test_a_character_that_comes_in_two_pieces_is_one() -> None:
    texts = captured("os.write(1, b'\\xc3'); capture.drain(); os.write(1, b'\\xa9!'); capture.drain()")
    assert "".join(text for *_, text in texts) == "é!"


def test_what_is_not_utf8_is_replaced() -> None:
    assert captured("os.write(2, b'a\\xffb'); capture.drain()") == [["stderr", True, "a\ufffdb"]]


def test_the_pipe_takes_a_mebibyte_without_a_reader() -> None:
    texts = captured("""
        import fcntl
        size = 1 << 20 if fcntl.fcntl(1, fcntl.F_GETPIPE_SZ) >= 1 << 20 else 1 << 16
        written = os.write(1, b"x" * size)
        assert written == size
        while size:
            before = len(wire.texts)
            capture.drain()
            size -= sum(len(text) for *_, text in wire.texts[before:])
    """)
    assert sum(len(text) for *_, text in texts) in (1 << 20, 1 << 16)


def test_a_writer_that_never_stops_does_not_keep_the_drain() -> None:
    texts = captured("""
        subprocess.Popen(["sh", "-c", "exec yes"])
        while not wire.texts:
            capture.drain()
        capture.drain()
        subprocess.run(["sh", "-c", "kill $(ps -o pid= --ppid %d) 2>/dev/null; true" % os.getpid()])
    """)
    assert texts[0][2].startswith("y\ny\n")


def test_the_wire_reads_both_pipes() -> None:
    texts, watched, _, _ = run("""
        capture.attach(wire, attribution); capture.redirect()
        os.write(2, b"e")
        for ready in wire.watched.values():
            ready()
    """)
    assert len(watched) == 2
    assert texts == [["stderr", True, "e"]]


def test_a_descriptor_that_user_code_closes_is_no_longer_read() -> None:
    texts, watched, unwatched, _ = run("""
        capture.attach(wire, attribution); capture.redirect()
        os.write(1, b"last \\xc3")
        os.close(1)
        capture.drain()
        capture.drain_if_written()
        os.write(2, b"still")
        capture.drain()
    """)
    assert unwatched == watched[:1]
    assert "".join(text for name, _, text in texts if name == "stdout") == "last \ufffd"
    assert texts[-1] == ["stderr", True, "still"]


def test_a_forked_child_leaves_the_pipes_to_its_parent() -> None:
    texts = captured("""
        pid = os.fork()
        if not pid:
            capture.forget()
            os.write(1, b"of the child")
            capture.drain()
            os._exit(len(wire.texts))
        assert os.waitpid(pid, 0)[1] == 0
        capture.drain()
    """)
    assert texts == [["stdout", True, "of the child"]]


def test_before_it_is_attached_nothing_is_read() -> None:
    assert run("capture.drain()")[0] == []
