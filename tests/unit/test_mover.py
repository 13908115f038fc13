"""The zygote's part in the capture of fds 1 and 2: what lies too long is moved, and nobody can hold it up."""

from __future__ import annotations

import fcntl
import os
import select
import subprocess
import sys
from collections.abc import Iterator, Sequence

import pytest

from needs import need_linux

need_linux()

from kernelet.runtime import mover as subject  # noqa: E402  # Linux only
from kernelet.runtime.mover import Mover, make_pipes  # noqa: E402
from kernelet.runtime.spill import Pipe, Spool  # noqa: E402

Watched = tuple[Mover, Sequence[Pipe], list[int]]


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    """A mover that is always due, the pipes of one kernel, and the ends into which that writes."""
    monkeypatch.setattr(subject, "LOOK_AGAIN_S", 0.0)
    mover, pipes = Mover(), make_pipes()
    writers = [os.dup(pipe.writer) for pipe in pipes]
    mover.watch(pipes)
    yield mover, pipes, writers
    for fd in writers:
        os.close(fd)


def turn(mover: Mover) -> None:
    assert select.select([mover], [], [], 60)[0]
    mover.hear()
    mover.look()


def spooled(pipe: Pipe) -> bytes:
    return b"".join(Spool("", pipe.spool).take())


def test_little_is_left_to_the_kernel(watched: Watched) -> None:
    mover, pipes, writers = watched
    os.write(writers[0], b"a line\n")
    turn(mover)
    assert mover.pause_s is not None  # it goes on looking
    assert spooled(pipes[0]) == b""
    assert os.read(pipes[0].reader, 100) == b"a line\n"
    mover.look()
    assert mover.pause_s is None


def test_much_is_moved_but_for_its_last_byte(watched: Watched) -> None:
    mover, pipes, writers = watched
    written = os.urandom(600_000)
    assert os.write(writers[1], written) == len(written)
    turn(mover)
    assert spooled(pipes[1]) == written[:-1]
    assert os.read(pipes[1].reader, 100) == written[-1:]
    assert spooled(pipes[0]) == b""


def test_it_hears_of_what_is_written_after_the_pipe_was_empty(watched: Watched) -> None:
    mover, pipes, writers = watched
    for _ in range(2):
        os.write(writers[0], b"x" * 600_000)
        turn(mover)
        assert len(spooled(pipes[0])) == 599_999
        assert os.read(pipes[0].reader, 100) == b"x"
        mover.look()


LOCKED = """
import fcntl, sys
fcntl.lockf(0, fcntl.LOCK_EX)
print(flush=True)
fcntl.lockf(int(sys.argv[1]), fcntl.LOCK_EX)
"""


def test_a_spool_that_its_kernel_keeps_locked_is_left_alone(watched: Watched) -> None:
    mover, pipes, writers = watched
    ours = os.memfd_create("ours")  # for which it waits in vain, with the other in its hands
    fcntl.lockf(ours, fcntl.LOCK_EX)
    command = [sys.executable, "-c", LOCKED, str(ours)]
    with subprocess.Popen(command, stdin=pipes[0].spool, stdout=subprocess.PIPE, pass_fds=[ours]) as holder:
        try:
            assert holder.stdout is not None
            holder.stdout.readline()
            os.write(writers[0], b"x" * 600_000)
            turn(mover)
            assert spooled(pipes[0]) == b""
            assert mover.pause_s is not None
        finally:
            holder.kill()
    os.close(ours)
    mover.look()
    assert len(spooled(pipes[0])) == 599_999


def test_a_pipe_without_writers_is_not_heard_of_for_ever(watched: Watched) -> None:
    mover, _, writers = watched
    null = os.open(os.devnull, os.O_RDWR)
    for fd in writers:
        os.dup2(null, fd)
    os.close(null)
    mover.hear()
    assert not select.select([mover], [], [], 0)[0]
    assert mover.pause_s is None


def test_the_end_of_a_kernel_closes_its_pipes(watched: Watched) -> None:
    mover, pipes, writers = watched
    os.write(writers[0], b"x")
    mover.hear()
    mover.forget(pipes)
    assert mover.pause_s is None
    with pytest.raises(BrokenPipeError):
        os.write(writers[0], b"x")


def test_a_new_kernel_lets_go_of_the_others_pipes(watched: Watched) -> None:
    mover, _, writers = watched
    mover.close()
    with pytest.raises(BrokenPipeError):
        os.write(writers[0], b"x")
