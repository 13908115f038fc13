"""The outbox: the one FIFO of everything the kernel says, in which adjacent text of one stream and parent merges.

Pure: time is an argument and there is no lock; `runtime.wire.Wire` guards it. Because text and frames share one
queue, the order of output is structural and nothing ever needs to be flushed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from .message import Buffer, Channel, Parent

# A partial line is visible this long after it was written, at the latest (plus one wake-up).
HOLD_S = 0.02
# A text message stops growing here; above it JupyterLab's server counts one message per chunk rather than one forever.
MERGE_LIMIT_CHARS = 1 << 20
# So many short texts join an item without being counted: no more than MERGE_LIMIT_CHARS of them.
SHORT_CHARS = 1 << 10
UNCOUNTED = MERGE_LIMIT_CHARS // SHORT_CHARS


class Text:
    """Text of one stream and one parent, still growing while it is the last item.

    Whoever wrote the last of it may append short parts (SHORT_CHARS) without any lock while there are fewer than
    `limit`, and looks at `closed` *afterwards*: if it is true then, the part may be late, and `Outbox.rescue` knows.
    """

    __slots__ = ("closed", "counted", "deadline", "limit", "name", "parent", "parts", "size")

    def __init__(self, name: str, parent: Parent, deadline: float) -> None:
        self.name = name
        self.parent = parent
        self.deadline = deadline
        self.parts: list[str] = []
        self.size = self.counted = 0
        self.limit = UNCOUNTED
        self.closed = False

    @property
    def text(self) -> str:
        """What it says, once it is closed: `counted` parts. Later ones are for `rescue`."""
        return "".join(self.parts[: self.counted])

    def count(self) -> int:
        """Count what was appended; return by how many characters it has grown."""
        parts = self.parts[self.counted :]
        grown = sum(map(len, parts))
        self.counted += len(parts)
        self.limit = self.counted + UNCOUNTED
        self.size += grown
        return grown


class Frames(NamedTuple):
    """A finished message: all its frames, for one channel."""

    channel: Channel
    frames: list[Buffer]
    size: int


class Barrier(NamedTuple):
    """Something the wire does once all before it has left, and before anything behind it leaves.

    `waits`: it does so also for a subscriber that takes nothing.
    """

    call: Callable[[], None]
    waits: bool = False


Item = Text | Frames | Barrier


class Outbox:
    """Not thread-safe by itself. `size` counts the characters and bytes that wait."""

    def __init__(self) -> None:
        self._items: deque[Item] = deque()
        # The last item, as long as text can join it.
        self.growing: Text | None = None
        self.size = 0

    def __len__(self) -> int:
        return len(self._items)

    def put_text(self, name: str, parent: Parent, text: str, now: float) -> float:
        """Append text, merging it with the last item where stream and parent are the same.

        Returns the time in seconds (of the clock of `now`) at which it must have left.
        """
        if len(text) > MERGE_LIMIT_CHARS:  # in one message it would be many times its size here and at each client's
            pieces = [text[at : at + MERGE_LIMIT_CHARS] for at in range(0, len(text), MERGE_LIMIT_CHARS)]
            return max([self.put_text(name, parent, piece, now) for piece in pieces])
        last = self.growing
        if last is None or last.parent is not parent or last.name != name or last.size >= MERGE_LIMIT_CHARS:
            self._close()
            last = self.growing = Text(name, parent, now + HOLD_S)
            self._items.append(last)
        last.parts.append(text)
        self.size += last.count()
        return last.deadline

    def rescue(self, closed: Text, now: float) -> float | None:
        """Put what was appended to an item too late into a new one; return when that must have left, None if none."""
        late: list[str] = []
        while len(closed.parts) > closed.counted:
            late.append(closed.parts.pop())
        return self.put_text(closed.name, closed.parent, "".join(reversed(late)), now) if late else None

    def _close(self) -> None:
        if self.growing is not None:
            self.growing.closed = True  # first: what is appended before this is counted
            self.size += self.growing.count()
            self.growing = None

    def put(self, item: Frames | Barrier) -> None:
        """Append a finished message or a barrier; text before it may leave at once."""
        self._close()
        self._items.append(item)
        if isinstance(item, Frames):
            self.size += item.size

    def take(self, now: float) -> Item | None:
        """Remove and return the next item that may leave at `now`, or None.

        Text that is the last item stays until its deadline, so that more can join it.
        """
        if not self._items:
            return None
        first = self._items[0]
        if isinstance(first, Text):
            if len(self._items) == 1 and first.deadline > now and first.size < MERGE_LIMIT_CHARS:
                return None
            if first is self.growing:
                self._close()
            self.size -= first.size
        elif isinstance(first, Frames):
            self.size -= first.size
        return self._items.popleft()

    def put_back(self, item: Item) -> None:
        """Undo the last `take`: the item could not be sent now."""
        self._items.appendleft(item)
        if not isinstance(item, Barrier):
            self.size += item.size

    def take_past_iopub(self) -> list[Frames | Barrier]:
        """Remove and return what need not wait behind messages for subscribers: replies, and most barriers."""
        taken: list[Frames | Barrier] = []
        kept: deque[Item] = deque()
        while self._items:
            item = self._items.popleft()
            if isinstance(item, Barrier) and item.waits:
                kept.append(item)
                break
            if isinstance(item, Barrier) or (isinstance(item, Frames) and item.channel != "iopub"):
                taken.append(item)
                self.size -= item.size if isinstance(item, Frames) else 0
            else:
                kept.append(item)
        kept.extend(self._items)
        self._items = kept
        return taken

    def deadline(self) -> float | None:
        """Return when held text must leave, 0.0 when something may leave now, None when nothing waits."""
        if not self._items:
            return None
        first = self._items[0]
        growing = isinstance(first, Text) and len(self._items) == 1 and first.size < MERGE_LIMIT_CHARS
        return first.deadline if growing and isinstance(first, Text) else 0.0

    def clear(self) -> None:
        """Forget everything: in a forked child, where the parent sends what it holds."""
        self._items.clear()
        self.growing = None
        self.size = 0
