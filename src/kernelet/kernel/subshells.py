"""Subshells (JEP 91): more lanes that run cells, each in a thread with a loop of its own, in the same namespace.

Created, deleted and listed in the control lane, looked up in the wire thread. A dict's single operations need no lock.
"""

from __future__ import annotations

import threading
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..runtime.interrupt import Interrupts
from ..runtime.lane import Lane
from ..runtime.parking import ParkedLoop

if TYPE_CHECKING:
    from .kernel import Kernel


class UnknownSubshellError(KeyError):
    """A request names a subshell that does not exist (any more)."""

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True, slots=True)
class _Subshell:
    lane: Lane
    interrupts: Interrupts
    thread: threading.Thread


class Subshells:
    """The subshells of one kernel, by id."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._by_id: dict[str, _Subshell] = {}

    def get(self, subshell_id: str) -> Lane | None:
        """Return the lane of a subshell, or None."""
        subshell = self._by_id.get(subshell_id)
        return None if subshell is None else subshell.lane

    def ids(self) -> list[str]:
        """Return the ids, oldest first."""
        return list(self._by_id)

    def create(self) -> str:
        """Start a subshell and return its id."""
        subshell_id = str(uuid.uuid4())
        interrupts = Interrupts()
        kernel = self._kernel
        parking = ParkedLoop(interrupts, kernel.log, kernel.task_error)
        lane = Lane(f"subshell-{subshell_id[:8]}", parking, kernel.handle, kernel.log)
        thread = threading.Thread(target=self._run, args=(lane, interrupts), name=f"kernelet-{lane.name}", daemon=True)
        self._by_id[subshell_id] = _Subshell(lane, interrupts, thread)
        kernel.interrupts.others.append(interrupts)
        thread.start()
        return subshell_id

    def delete(self, subshell_id: str) -> None:
        """End a subshell once its running cell is done. Raises UnknownSubshellError."""
        subshell = self._by_id.pop(subshell_id, None)
        if subshell is None:
            raise UnknownSubshellError(f"no subshell {subshell_id!r}")
        subshell.lane.end()

    def _run(self, lane: Lane, interrupts: Interrupts) -> None:
        lane.run()
        lane.parking.close()
        self._kernel.interrupts.others.remove(interrupts)
        for message in lane.leftovers():  # answered with an error: their subshell is gone
            self._kernel.control.post(message)
