"""Which lane handles a message: main, a subshell's, control, or whoever may answer for a lane that is busy.

`route` in the wire thread, `take_in` in main, `keep` in any, `open` in main.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from ..protocol.message import Message
from ..runtime.lane import SERVED_WHILE_AWAITING as COMM_MESSAGES
from ..runtime.lane import Lane, Offer
from ..runtime.plain_parking import PlainParking
from ..runtime.sockets import mark_service_thread
from . import handlers
from .loading import Loading

if TYPE_CHECKING:
    from .kernel import Kernel

# How long a busy lane has to come to a message that another lane may handle as well.
PATIENCE_S = 0.05
# How long the assistant may take for an answer before another one takes over what else there is to answer.
ASSISTANT_BUDGET_S = 1.0
# Questions about code and state: answered off the main thread while it runs a cell.
ANSWERED_WHILE_BUSY = frozenset(
    {
        "complete_request",
        "inspect_request",
        "is_complete_request",
        "history_request",
        "comm_info_request",
        "kernel_info_request",
        "connect_request",
    }
)


class Routing:
    """Of one kernel. Until its main lane is there, what needs the language is kept."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._early: list[Message] = []
        self._lock = threading.Lock()
        self.loading = Loading()
        # Whether any client was heard yet.
        self.heard = False
        # Answers questions while main runs a cell; None until that is needed.
        self.assistant: Lane | None = None

    def open(self, main: Lane) -> None:
        """Give `main` what has waited for the language, and let it have what comes. Main thread."""
        with self._lock:
            for message in self._early:
                self._lane_of(message, main).post(message)
            self._early.clear()
            self._kernel.main = main  # last: whatever `route` posts from now on comes behind them

    def route(self, message: Message) -> None:
        """Give a message to the lane that handles it. Wire thread."""
        self.heard = True
        if message.channel == "stdin":
            self._kernel.asker.answer(message)
        elif message.channel == "control":
            if message.msg_type == "debug_request" and self._kernel.main is None:
                self.keep(message)  # the debugger looks at IPython's shell
            else:
                self._route_control(message)
        elif self._kernel.main is not None:
            self._route_shell(message, self._kernel.main)
        elif message.msg_type == "kernel_info_request":
            self._route_control(message)
        else:
            self.keep(message)

    def take_in(self, message: Message) -> bool:
        """Let main handle what it has received, unless it is not main's or something is before it. Main thread."""
        main = self._kernel.main
        if main is None or main.busy:
            return False
        lane = self._addressed(message, main)
        self.heard = True
        if lane is main:
            main.take_in(message)
        elif lane is None or lane.busy or message.msg_type in COMM_MESSAGES:
            return False
        else:
            lane.post(message)
        return True

    def _route_control(self, message: Message) -> None:
        """Answer here what is quick to answer; the rest, and what comes behind it, in the control lane."""
        quick = handlers.is_quick(message.msg_type) and self._kernel.overrides.find("control", message.msg_type) is None
        if not quick or not self._kernel.control.run_here(message):
            self._kernel.control.post(message)

    def _route_shell(self, message: Message, main: Lane) -> None:
        """Choose among main, a subshell, and whoever may answer for a main that is busy."""
        lane = self._addressed(message, main)
        if lane is None:
            self._kernel.control.post(message)  # which answers that there is no such subshell
        elif lane is not main and message.msg_type in COMM_MESSAGES:
            # Widget libraries are written for the main thread: a subshell's takes over only where main does not come.
            self._offer(Offer(message, lane.turns), main, lane)
        elif message.msg_type in ANSWERED_WHILE_BUSY and lane.busy:
            self._offer(Offer(message), lane, None)
        else:
            lane.post(message)

    def _offer(self, offer: Offer, first: Lane, second: Lane | None) -> None:
        """Give a message to `first`; where it is not taken in a moment, offer it to `second` as well. Wire thread."""
        first.post(offer)
        if first.busy:
            self._kernel.wire.call_later(PATIENCE_S, lambda: self._offer_again(offer, first, second))

    def _offer_again(self, offer: Offer, first: Lane, second: Lane | None) -> None:
        """Offer a message to `second`; without one, to the assistant, and to the next when that hangs. Wire thread."""
        running = first.running
        if not offer.open:
            return
        if second is None:
            self._free_assistant().post(offer)
            self._kernel.wire.call_later(ASSISTANT_BUDGET_S, lambda: self._offer_again(offer, first, second))
        elif running is not None and running.header["msg_type"] == "execute_request" and not first.opens_first(offer):
            second.post(offer)
        else:  # main handles comm messages, or is to open this comm: never two at the same time, none before its comm
            self._kernel.wire.call_later(PATIENCE_S, lambda: self._offer_again(offer, first, second))

    def _free_assistant(self) -> Lane:
        """Return a lane that answers questions while main runs a cell; another one if the last hangs in user code."""
        lane = self.assistant
        if lane is None or (lane.running is not None and time.monotonic() - lane.began > ASSISTANT_BUDGET_S):
            lane = self.assistant = Lane("assistant", PlainParking(), self._kernel.handle, self._kernel.log)
            thread = threading.Thread(target=lane.run, name="kernelet-assistant", daemon=True)
            mark_service_thread(thread)
            thread.start()
        return lane

    def keep(self, message: Message) -> None:
        """Keep a message that came before the language was there. Any thread."""
        with self._lock:
            if self._kernel.main is None:
                self._early.append(message)
                self.loading.hurry()
            else:
                self._lane_of(message, self._kernel.main).post(message)

    def _lane_of(self, message: Message, main: Lane) -> Lane:
        """Return who handles a message that has waited for the language."""
        if message.channel == "control":
            return self._kernel.control
        return self._addressed(message, main) or self._kernel.control  # which answers that there is no such subshell

    def _addressed(self, message: Message, main: Lane) -> Lane | None:
        """Return the lane that a message of shell names, main's where it names none; None: there is no such one."""
        subshell_id = message.subshell_id
        return main if subshell_id is None else self._kernel.subshells.get(subshell_id)
