"""What a language gets from the kernel around it: the wire, whose output it is, the loop, interrupts, questions."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from ..protocol.connection import Connection
from .ask import Asker
from .attribution import Attribution
from .interrupt import Interrupts
from .log import Log
from .overrides import Requests
from .parking import ParkedLoop
from .wire import Wire

if TYPE_CHECKING:
    from .capture import Capture


class Host(NamedTuple):
    """One kernel's floor-1 objects. `connection_file` is the path that was read; `exit` ends the kernel.

    `guest`: the kernel is one in a process that is not its own, whose other threads go on with their own work.
    """

    wire: Wire
    attribution: Attribution
    interrupts: Interrupts
    parking: ParkedLoop
    asker: Asker
    log: Log
    connection: Connection
    connection_file: str
    capture: Capture | None
    exit: Callable[[], None]
    requests: Requests
    guest: bool = False
