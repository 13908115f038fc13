"""What a kernel's first process becomes when an earlier state was restored: it waits for the kernel, and ends like it.

Run by `checkpoints` as a script of its own, with `python -I -S`; it imports nothing of kernelet. Whoever started the
kernel knows this process: its pid, its exit status, its process group.
"""

import os
import signal
import sys


def end_as(status: int) -> None:
    """End with the exit code, or by the signal, of another process."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(os.WEXITSTATUS(status))


def successor(reader: int) -> int | None:
    """Return the process that is the kernel now, None when nobody has taken over."""
    try:
        said = os.read(reader, 1 << 12).split()
    except BlockingIOError:
        return None
    return int(said[-1]) if said else None


def main(kernel: int, reader: int) -> None:
    """Wait for the kernel, and for each that takes its place."""
    os.set_blocking(reader, False)
    ended: dict[int, int] = {}
    while True:
        while kernel not in ended:
            pid, status = os.waitpid(-1, 0)
            ended[pid] = status
        following = successor(reader)
        if following is None:
            end_as(ended[kernel])
        else:
            kernel = following


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
