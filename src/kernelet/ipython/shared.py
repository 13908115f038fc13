"""What makes one InteractiveShell safe for several threads: subshells run cells at the same time, in one namespace.

IPython keeps the state of the running cell in plain attributes of shared objects. Each class here gives every thread
its own, or puts a lock around what is one for all.
"""

from __future__ import annotations
import __future__

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import reduce
from operator import or_
from types import CodeType, SimpleNamespace
from typing import Any, Final, Literal, Self

from IPython.core.builtin_trap import BuiltinTrap
from IPython.core.compilerop import CachingCompiler
from IPython.core.display_trap import DisplayTrap
from IPython.core.magic import MagicsManager
from IPython.core.payload import PayloadManager

_FUTURE: Final = reduce(or_, (getattr(__future__, name).compiler_flag for name in __future__.all_feature_names))


class TaskCell:
    """What IPython keeps of a running cell, for one that runs as a task: between other cells of the same thread."""

    def __init__(self) -> None:
        self.numbers = SimpleNamespace()
        self.payloads = SimpleNamespace()
        self.result = SimpleNamespace(content=None, execution=None)
        self.traceback = SimpleNamespace(shown=None, error=None)


# The task cell whose code calls, None in all other code: what it keeps is then the thread's.
CELL: ContextVar[TaskCell | None] = ContextVar("kernelet_cell", default=None)


class CellNumbers:
    """Gives out execution counts: every cell its own number, seen by all code that runs in its thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next = 1
        self._thread = threading.local()

    @property
    def _here(self) -> Any:
        cell = CELL.get()
        return self._thread if cell is None else cell.numbers

    def begin(self, counted: bool) -> int:
        """Start a cell in this thread and return its number; `counted` if the next cell is to have another."""
        with self._lock:
            number = self._next
            if counted:
                self._next += 1
        here = self._here
        # The cell that this one runs inside of: one that was kept back, and is run by another.
        here.outer = [*getattr(here, "outer", ()), (getattr(here, "number", None), getattr(here, "shown", None))]
        here.number = here.shown = number
        here.counted = counted
        return number

    @property
    def upcoming(self) -> int:
        """The number of the next cell, also in the middle of one."""
        return self._next

    def end(self) -> None:
        """End this thread's cell."""
        self._here.number, self._here.shown = self._here.outer.pop()

    @property
    def current(self) -> int:
        """The number as IPython's code expects it: the running cell's, and one more once `run_cell` has counted it."""
        shown = getattr(self._here, "shown", None)
        return self._next if shown is None else int(shown)

    @current.setter
    def current(self, value: int) -> None:
        here = self._here
        number = getattr(here, "number", None)
        if number is None:
            self._next = value
            return
        if value not in (number, number + 1):  # %reset, or user code that counts for itself: this cell is `value` now
            with self._lock:
                self._next = value + here.counted
            here.number = value
        here.shown = value


class FlagsByThread(CachingCompiler):
    """A compiler whose flags for a while (top-level await) are the calling thread's; those of __future__ are for all.

    IPython turns them on and off around each statement, for all: `await` was a SyntaxError while another cell compiled.
    """

    def __init__(self) -> None:
        self._thread = threading.local()
        super().__init__()

    @property
    def flags(self) -> int:
        """What the calling thread compiles with."""
        return self._for_all | self._extra

    @flags.setter
    def flags(self, value: int) -> None:
        self._for_all = value & ~self._extra

    def __call__(self, source: Any, filename: str, symbol: str, **options: Any) -> CodeType:
        """Compile, and keep what of __future__ the source asks for: codeop's, which asks feature by feature."""
        if options:
            return super().__call__(source, filename, symbol, **options)
        code: CodeType = compile(source, filename, symbol, self.flags, True)
        asked = code.co_flags & _FUTURE
        if asked:
            self.flags |= asked
        return code

    @property
    def _extra(self) -> int:
        extra: int = getattr(self._thread, "extra", 0)
        return extra

    @contextmanager
    def extra_flags(self, flags: int) -> Iterator[None]:
        outer = self._extra
        self._thread.extra = outer | (flags & ~self.flags)
        try:
            yield
        finally:
            self._thread.extra = outer


class PayloadsByThread(PayloadManager):
    """Payloads of the cell that this thread runs."""

    def __init__(self, **kwargs: Any) -> None:
        self._thread = threading.local()
        super().__init__(**kwargs)

    @property
    def _here(self) -> Any:
        cell = CELL.get()
        return self._thread if cell is None else cell.payloads

    @property
    def _payload(self) -> list[dict[str, Any]]:
        if not hasattr(self._here, "payloads"):
            self._here.payloads = []
        payloads: list[dict[str, Any]] = self._here.payloads
        return payloads

    @_payload.setter
    def _payload(self, payloads: list[dict[str, Any]]) -> None:
        self._here.payloads = payloads


def load_magics_one_at_a_time(manager: MagicsManager) -> None:
    """Let two threads use a magic for the first time at once: IPython marks it as loaded before it is."""
    load: Callable[..., None] | None = getattr(manager, "load_lazy", None)
    if load is None:  # an IPython without lazy magics
        return
    loading = threading.RLock()  # a magic may use another one as it is loaded

    def load_lazy(*args: Any, **kwargs: Any) -> None:
        with loading:
            load(*args, **kwargs)

    manager.load_lazy = load_lazy  # type: ignore[method-assign]  # the shell makes its manager by a fixed name


def replace_magics(manager: MagicsManager) -> None:
    """Put the magics of `namespace.py` and `capturing.py` in the place of IPython's."""
    if hasattr(manager, "load_lazy"):
        for name in ("who", "who_ls", "whos", "reset", "reset_selective"):
            manager.register_lazy(name, "kernelet.ipython.namespace:SteadyNamespaceMagics", "line")
        manager.register_lazy("capture", "kernelet.ipython.capturing:CaptureMagics", "cell")
    else:  # an IPython without lazy magics has imported its own by now
        from .capturing import CaptureMagics
        from .namespace import SteadyNamespaceMagics

        manager.register(SteadyNamespaceMagics, CaptureMagics)


def captured(shell: Any, part: str) -> Any:
    """Return the stream (`stdout`, `stderr`), `publisher` or `hook` that takes what the calling code says, or None."""
    parent = shell.host.attribution.current()
    for capture in reversed(shell.captures):
        taker = getattr(capture, part) if capture.parent is parent else None
        if taker is not None:
            return taker
    return None


class SteadyDisplayTrap(DisplayTrap):
    """Keeps sys.displayhook ours: put in place when a thread begins a cell, never taken away under another thread."""

    def __init__(self, hook: Any = None) -> None:
        super().__init__(hook=hook)
        self._here = threading.local()

    def __enter__(self) -> Self:
        level = getattr(self._here, "level", 0)
        if level == 0:
            sys.displayhook = self.hook
        self._here.level = level + 1
        return self

    def __exit__(self, *error: object) -> Literal[False]:
        self._here.level -= 1
        return False

    @property
    def is_active(self) -> bool:
        return getattr(self._here, "level", 0) > 0


class SteadyBuiltinTrap(BuiltinTrap):
    """Adds IPython's builtins (get_ipython, display) once, for good: a kernel has no other prompt to go back to."""

    def __init__(self, shell: Any = None) -> None:
        super().__init__(shell=shell)
        self._once = threading.Lock()

    def __enter__(self) -> Self:
        with self._once:
            if self._nested_level == 0:
                self.activate()
                self._nested_level = 1
        return self

    def __exit__(self, *error: object) -> Literal[False]:
        return False
