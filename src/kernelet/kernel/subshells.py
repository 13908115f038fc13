"""Subshells (JEP 91): more lanes that run cells, each in a thread with a loop of its own, in the same namespace.

Created and listed in the control lane or the wire thread, deleted in the control lane, looked up in the wire thread. A
dict's single operations need no lock.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from ..runtime.interrupt import Interrupts
from ..runtime.lane import SUBSHELL_THREAD, Lane
from ..runtime.parking import ParkedLoop

if TYPE_CHECKING:
    import asyncio

    from .kernel import Kernel

# How long the tasks that a deleted subshell leaves may take to clean up.
_TASKS_GRACE_S = 2.0


class UnknownSubshellError(KeyError):
    """A request names a subshell that does not exist (any more)."""

    def __str__(self) -> str:
        return str(self.args[0])


class _Subshell(NamedTuple):
    lane: Lane
    thread: threading.Thread
    close: Callable[[], None]


class Subshells:
    """The subshells of one kernel, by id."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._by_id: dict[str, _Subshell] = {}

    def get(self, subshell_id: object) -> Lane | None:
        """Return the lane of a subshell, or None; `subshell_id` is what a client sent: any JSON value."""
        subshell = self._by_id.get(subshell_id) if isinstance(subshell_id, str) else None
        return None if subshell is None else subshell.lane

    def ids(self) -> list[str]:
        """Return the ids, oldest first."""
        return list(self._by_id)

    def lanes(self) -> list[Lane]:
        """Return the lanes of all subshells."""
        return [subshell.lane for subshell in list(self._by_id.values())]

    def create(self) -> str:
        """Make a subshell and return its id; its thread starts with its first request."""
        subshell_id = os.urandom(16).hex()  # no UUID: the wire may run this, and an import waits for main's imports
        interrupts = Interrupts()
        kernel = self._kernel
        parking = ParkedLoop(interrupts, kernel.log, kernel.task_error, for_this_thread=False, late=True)
        lane = Lane(f"subshell-{subshell_id[:8]}", parking, kernel.handle, kernel.log)
        name = f"{SUBSHELL_THREAD}{subshell_id}"
        thread = threading.Thread(target=self._run, args=(lane, parking, interrupts), name=name, daemon=True)
        self._by_id[subshell_id] = _Subshell(lane, thread, lambda: self._close(parking, interrupts))
        kernel.interrupts.others.append(interrupts)
        lane.starts_with(thread.start)
        return subshell_id

    def delete(self, subshell_id: str) -> None:
        """End a subshell once its running cell is done; what is queued is refused at once.

        Raises UnknownSubshellError.
        """
        subshell = self._by_id.pop(subshell_id, None)
        if subshell is None:
            raise UnknownSubshellError(f"no subshell {subshell_id!r}")
        subshell.thread.name = "kernelet-deleted-subshell"
        subshell.lane.bequeath(self._kernel.control.post)  # where they find that there is no such subshell
        if subshell.lane.never_start():
            subshell.close()
        else:
            subshell.lane.end()  # its thread closes it

    def _run(self, lane: Lane, parking: ParkedLoop, interrupts: Interrupts) -> None:
        # An interrupt needs it, which may come in a signal handler; and not for a subshell that nobody uses.
        import ctypes  # noqa: F401

        lane.run()
        try:
            if parking.has_loop:
                end_tasks(parking.loop)
        except (KeyboardInterrupt, RuntimeError) as error:  # RuntimeError: a task stopped or closed the loop
            self._kernel.log("info", f"lane {lane.name}: its tasks did not end: {error!r}")
        self._close(parking, interrupts)

    def _close(self, parking: ParkedLoop, interrupts: Interrupts) -> None:
        parking.close()
        self._kernel.interrupts.others.remove(interrupts)


def end_tasks(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel the background tasks that a subshell leaves, and let them clean up. Its thread."""
    import asyncio

    if loop.is_closed():
        return
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.wait(tasks, timeout=_TASKS_GRACE_S))
    loop.run_until_complete(loop.shutdown_asyncgens())
