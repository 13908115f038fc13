"""What the kernel says of itself before anybody listens, for the first who does.

A client's sockets connect one by one, and libzmq tries again only every 0.1 s: start-up may be over by then, and what
it printed (a profile's files, IPython's own words) went to nobody. Output of requests is not held: who has asked is
there, and `replay.py` has it. Whoever has the sockets.
"""

from __future__ import annotations

from typing import Final

from ..protocol.codec import DELIMITER
from ..protocol.message import Buffer

# Fewer than libzmq takes for one subscriber (`sockets.IOPUB_HWM`); of more, the first are kept.
AT_MOST: Final = 100
LIMIT_BYTES: Final = 1 << 20
# The wire tells the state of now by itself.
_NOT_KEPT: Final = (b"status", b"iopub_welcome")


class Unheard:
    """The first messages without a parent, until the first subscription."""

    def __init__(self) -> None:
        self._messages: list[list[Buffer]] | None = []
        self._size = 0

    def keep(self, frames: list[Buffer], size: int) -> None:
        """Keep a message if it may be start-up's and nobody has subscribed yet."""
        if self._messages is None or len(self._messages) >= AT_MOST or self._size + size > LIMIT_BYTES:
            return
        if bytes(frames[0]).endswith(_NOT_KEPT) or DELIMITER not in frames:
            return
        if bytes(frames[frames.index(DELIMITER) + 3]) == b"{}":
            self._messages.append(frames)
            self._size += size

    def take(self) -> list[list[Buffer]]:
        """Return what was kept, and keep nothing from now on: somebody listens."""
        taken, self._messages = self._messages, None
        return taken or []
