"""What rlimits cannot say: the memory and the number of all processes of a session together. One task of the engine.

Close to the limit of memory the execution is interrupted, over it the tree is killed, so that the machine and the
service keep their own. Looks once a second while anything runs, now and then at idle sessions: their threads run on.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Literal

import psutil

from kernelet.service.errors import ServiceError
from kernelet.service.result import Cause
from kernelet.service.session import Session

logger = logging.getLogger("kernelet.service")

PAUSE_S: Final = 1.0
IDLE_ROUNDS: Final = 10
"""Every so many rounds idle sessions are looked at, too."""
SOFT_SHARE: Final = 0.9


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process and its descendants use together."""

    processes: int
    memory_bytes: int


def judge(usage: Usage, memory_mb: int, nproc: int) -> tuple[Literal["interrupt", "kill"], Cause] | None:
    """Return what has to be done about it, and for which cause; 0 is no limit."""
    if nproc and usage.processes > nproc:
        return "kill", "nproc"
    limit = memory_mb << 20
    if limit and usage.memory_bytes > limit:
        return "kill", "oom"
    if limit and usage.memory_bytes > SOFT_SHARE * limit:
        return "interrupt", "oom"
    return None


def usages(limits: dict[int, int]) -> dict[int, Usage]:
    """Return what the trees of some processes use; `limits` has the process, and from how many bytes on it matters."""
    children: dict[int, list[psutil.Process]] = defaultdict(list)
    processes = {}
    for process in psutil.process_iter(["ppid", "status"]):
        if process.info["status"] != psutil.STATUS_ZOMBIE:
            processes[process.pid] = process
            children[process.info["ppid"]].append(process)
    found = {}
    for pid, matters in limits.items():
        family, waiting = [], [processes[pid]] if pid in processes else []
        while waiting:
            one = waiting.pop()
            family.append(one)
            waiting.extend(children[one.pid])
        memory = sum(_memory(one, shared=True) for one in family)
        if matters and memory > matters:
            # Forks share pages, and a forked kernel shares the zygote's: count again, each page once. Slower.
            memory = sum(_memory(one, shared=False) for one in family)
        found[pid] = Usage(len(family), memory)
    return found


def _memory(process: psutil.Process, *, shared: bool) -> int:
    try:
        if shared:
            return int(process.memory_info().rss)
        full = process.memory_full_info()
        return int(getattr(full, "pss", full.uss))
    except psutil.Error:  # gone, or somebody else's
        return 0


class Watchdog:
    """Looks after the sessions that `sessions` returns."""

    def __init__(self, sessions: Callable[[], Iterable[Session]]) -> None:
        self._sessions = sessions

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        rounds = 0
        while True:
            await asyncio.sleep(PAUSE_S)
            rounds += 1
            await self.look(idle_too=rounds % IDLE_ROUNDS == 0)

    async def look(self, *, idle_too: bool) -> None:
        """Look once, and do what has to be done."""
        watched = {
            pid: session
            for session in list(self._sessions())
            if (pid := session.life.pid) is not None and (idle_too or session.current is not None)
        }
        if not watched:
            return
        matters = {
            pid: int(SOFT_SHARE * (session.life.request.confinement.limits.memory_mb << 20))
            for pid, session in watched.items()
        }
        for pid, usage in (await asyncio.to_thread(usages, matters)).items():
            limits = watched[pid].life.request.confinement.limits
            if (found := judge(usage, limits.memory_mb, limits.nproc)) is not None and watched[pid].life.pid == pid:
                await self._act(watched[pid], pid, *found)

    async def _act(self, session: Session, pid: int, what: Literal["interrupt", "kill"], cause: Cause) -> None:
        logger.warning("session over its limits", extra={"session_id": session.id, "action": what, "cause": cause})
        if session.current is None:
            if what == "kill":
                # As if it had died by itself: who calls next is told that the variables are gone.
                os.kill(pid, signal.SIGKILL)
        elif what == "interrupt":
            session.current.stop(cause)
        else:
            try:
                await session.kill(cause)
            except ServiceError:
                logger.exception("a session over its limits could not be replaced", extra={"session_id": session.id})
