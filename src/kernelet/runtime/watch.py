"""Notices the death of the process that started the kernel, without polling: a kernel never outlives its parent.

`JPY_PARENT_PID` names the parent (jupyter_client sets it). On Linux the wire polls a pidfd, on macOS and BSD a
kqueue; both are plain descriptors. On Windows a thread waits on the handles that jupyter_client passes (read from its
source; not tested).
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable

from .log import Log
from .sockets import mark_service_thread


def parent_fd(pid: int, log: Log) -> int | None:
    """Return a descriptor that becomes readable when process `pid` ends, or None where that cannot be had.

    Raises ProcessLookupError when it is gone already.
    """
    if hasattr(os, "pidfd_open"):
        try:
            return os.pidfd_open(pid)
        except ProcessLookupError:
            raise
        except OSError as error:  # an old kernel, or a sandbox that forbids it
            log("warning", f"cannot watch the parent process: {error}")
            return None
    if sys.platform != "win32" and sys.platform != "linux":
        import select

        queue = select.kqueue()
        event = select.kevent(pid, select.KQ_FILTER_PROC, select.KQ_EV_ADD | select.KQ_EV_ONESHOT, select.KQ_NOTE_EXIT)
        queue.control([event], 0)
        # The object closes its descriptor when it is collected; the watch lasts as long as the process.
        return os.dup(queue.fileno())
    return None


def parent_pid() -> int | None:
    """Return the process to watch: JPY_PARENT_PID, or None when the kernel was started by hand.

    A kernel started through a wrapper (conda run, a container's init) has another direct parent: the named one counts.
    """
    text = os.environ.get("JPY_PARENT_PID", "")
    return int(text) if text.isascii() and text.isdigit() and int(text) > 0 else None


def watch_windows(interrupted: Callable[[], None], parent_died: Callable[[], None]) -> None:
    """Start a thread that waits for the interrupt event and the parent's handle. Windows only; not tested."""
    if sys.platform != "win32":
        return
    import ctypes

    interrupt, parent = int(os.environ.get("JPY_INTERRUPT_EVENT", "0")), int(os.environ.get("JPY_PARENT_PID", "0"))
    handles = [handle for handle in (interrupt, parent) if handle]
    if not handles:
        return
    array = (ctypes.c_void_p * len(handles))(*handles)

    def wait() -> None:
        while True:
            index = ctypes.windll.kernel32.WaitForMultipleObjects(len(handles), array, False, -1)
            if not 0 <= index < len(handles):
                return
            if handles[index] == parent:
                parent_died()
                return
            interrupted()

    thread = threading.Thread(target=wait, name="kernelet-windows-watch", daemon=True)
    mark_service_thread(thread)
    thread.start()
