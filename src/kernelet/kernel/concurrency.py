"""Cells that let later cells run while they do: `concurrency` in the metadata of an execute_request.

Such a cell begins in its turn, behind the cells before it, and then the lane goes on. Its output is its own, its reply
and its idle come when it ends, an interrupt reaches it, and its error aborts nothing.

- thread: in a thread and on a loop of its own, as in a subshell.
- task: as a task of the lane's loop. It advances while nothing else runs, and while another cell awaits.

What is sent on control to run code has a lane as well: cells run in a thread of their own, one after the other, so that
control goes on answering; comm messages run in main, as all of them do.

`take` and `from_control` run in the lane of the request.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from ..protocol.message import Content, Message, error_content
from ..runtime.interrupt import Interrupts
from ..runtime.lane import Lane
from ..runtime.parking import ParkedLoop
from .language import Request, RunsTasks
from .measure import Measure
from .subshells import end_tasks

if TYPE_CHECKING:
    from .kernel import Kernel

_RUNS_CODE: Final = frozenset({"execute_request", "comm_open", "comm_msg", "comm_close"})
# What is to be done when a cell has ended: reply, and say idle.
Finish = Callable[["Kernel", Request, Measure, Content], None]


class Concurrent:
    """Begins such cells. One for the kernel."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        # The lanes of cells that run in a thread of their own. A set's single operations need no lock.
        self._lanes: set[Lane] = set()
        self._running: set[str] = set()
        self._of_control: Lane | None = None

    def running(self) -> set[str]:
        """Return the msg_ids of those that run now. Any thread."""
        return set(self._running)

    def take(self, request: Request, finish: Finish) -> bool:
        """Begin a cell that asks for it, and return True; False: it is to run here and now."""
        if request.lane in self._lanes or request.lane is self._kernel.control:
            return False
        if not isinstance(request.content.get("code"), str):
            return False
        if request.controls.concurrency == "thread":
            self._in_a_thread(request.message)
            return True
        language = self._kernel.language
        if not isinstance(language, RunsTasks):
            return False
        self._as_a_task(language, request, finish)
        return True

    def from_control(self, message: Message) -> bool:
        """Hand over a message on control that runs code; whether it was one."""
        if message.channel != "control" or message.msg_type not in _RUNS_CODE:
            return False
        main = self._kernel.main
        if main is None:
            self._kernel.routing.keep(message)
            return True
        if message.msg_type != "execute_request":
            main.post(message)
            return True
        if self._of_control is None:
            lane, parking, _ = self._new_lane("control cells")

            def run() -> None:
                lane.run()
                parking.close()

            self._of_control = lane
            threading.Thread(target=run, name="kernelet-control-cells", daemon=True).start()
        self._of_control.post(message)
        return True

    def _as_a_task(self, language: RunsTasks, request: Request, finish: Finish) -> None:
        kernel = self._kernel
        measure = Measure(kernel.clock, request.controls.measure_memory)
        kernel.publish_status("busy", request.parent)
        msg_id = str(request.message.header["msg_id"])
        self._running.add(msg_id)

        def done(reply: Content) -> None:
            self._running.discard(msg_id)
            finish(kernel, request, measure, reply)

        try:
            language.execute_as_task(request, done)
        except Exception as error:  # noqa: BLE001  # whatever went wrong, the request is answered
            kernel.log.crash("could not begin a task cell")
            done(error_content(error))

    def _in_a_thread(self, message: Message) -> None:
        lane, parking, interrupts = self._new_lane("cell")
        lane.post(message)
        lane.post(lane.end)
        msg_id = str(message.header["msg_id"])
        self._running.add(msg_id)
        arguments = (lane, parking, interrupts, msg_id)
        thread = threading.Thread(target=self._run, args=arguments, name="kernelet-cell-thread", daemon=True)
        thread.start()

    def _new_lane(self, name: str) -> tuple[Lane, ParkedLoop, Interrupts]:
        import asyncio  # noqa: F401  # slow to import: not in the thread, and not in a signal handler
        import ctypes  # noqa: F401

        kernel, interrupts = self._kernel, Interrupts()
        parking = ParkedLoop(interrupts, kernel.log, kernel.task_error, for_this_thread=False)
        lane = Lane(name, parking, kernel.handle, kernel.log)
        self._lanes.add(lane)
        kernel.interrupts.others.append(interrupts)
        return lane, parking, interrupts

    def _run(self, lane: Lane, parking: ParkedLoop, interrupts: Interrupts, msg_id: str) -> None:
        """Run the one cell; tasks that it leaves on its loop are cancelled."""
        lane.run()
        self._running.discard(msg_id)
        self._kernel.interrupts.others.remove(interrupts)
        self._lanes.discard(lane)
        try:
            end_tasks(parking.loop)
        except (KeyboardInterrupt, RuntimeError) as error:  # RuntimeError: a task stopped or closed the loop
            self._kernel.log("info", f"lane {lane.name}: its tasks did not end: {error!r}")
        parking.close()
