"""A process that takes text out of the kernel's pipes while the kernel cannot: C code floods them and holds the GIL.

Run by `runtime.spill` as a script of its own, with `python -I -S`, so it is small; it imports nothing of kernelet. For
kernels that a zygote has borne the zygote does the same, by `take` (`mover.py`).
It sleeps until something is written, looks again a moment later, and takes only what the kernel has left lying; it
never empties a pipe, so that the kernel sees that there is something to read. It ends with the kernel.
"""

import fcntl
import os
import select
import sys
import termios

LOOK_AGAIN_S = 0.02
# What may lie in each of the spools. A writer then waits: a child that never stops must not fill the memory.
SPOOL_BYTES = 64 << 20


def waiting(pipe: int) -> int:
    """Return how many bytes lie in a pipe."""
    answer = fcntl.ioctl(pipe, termios.FIONREAD, b"\0\0\0\0")
    return int.from_bytes(answer, sys.byteorder)


def take(pipe: int, spool: int, capacity: int) -> bool:
    """Move what lies in a pipe, but for the last bytes, to the end of its spool; whether it was worth it."""
    if waiting(pipe) < capacity // 2:
        return False
    try:
        fcntl.lockf(spool, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # the kernel is just reading, and may be stopped while it does: nobody waits for it
        return False
    try:
        lying, size = waiting(pipe), os.fstat(spool).st_size
        if lying < capacity // 2 or size >= SPOOL_BYTES:
            return False
        os.splice(pipe, spool, lying - 1, offset_dst=size, flags=os.SPLICE_F_NONBLOCK)
        return True
    finally:
        fcntl.lockf(spool, fcntl.LOCK_UN)


def serve(kernel: int, streams: list[tuple[int, int]], capacity: int) -> None:
    """Take from the pipes of `streams` (pipe, spool) until the kernel, a pidfd, has ended."""
    epoll = select.epoll()
    epoll.register(kernel, select.EPOLLIN)
    for pipe, _ in streams:
        epoll.register(pipe, select.EPOLLIN | select.EPOLLET)
    while True:
        for fd, event in epoll.poll():
            if fd == kernel:
                return
            if event & select.EPOLLHUP:  # nobody can write to it any more
                epoll.unregister(fd)
                streams = [stream for stream in streams if stream[0] != fd]
        lying = True
        while lying:  # not every Linux tells of a write to a pipe that was not empty
            if select.select([kernel], [], [], LOOK_AGAIN_S)[0]:
                return
            for pipe, spool in streams:
                while take(pipe, spool, capacity):
                    pass
            lying = any(waiting(pipe) for pipe, _ in streams)


if __name__ == "__main__":
    os.closerange(7, 1 << 20)  # what the kernel inherited from whoever started it
    pid, pipe_bytes = map(int, sys.argv[1:3])
    pidfd = os.pidfd_open(pid)
    if os.fork():  # not the kernel's child: user code that waits for all of its children must not wait for us
        os._exit(0)
    os.setsid()  # what is sent to the terminal's or the kernel's processes is not for us
    serve(pidfd, [(3, 4), (5, 6)], pipe_bytes)
