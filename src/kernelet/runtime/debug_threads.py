"""Which threads pydevd believes in: none that is about to end, none that has ended, and no bare thread of the kernel's.

For a thread that `threading` does not know, pydevd asks `threading.current_thread()`, which makes a thread object up
and puts it among those that run. A bare thread of the user's or of a C library needs that. But two things went wrong:

- The last Python code of a thread may run while it is taken apart: its Thread object is freed, say, and the callback of
  a weak reference forgets it. What removes the thread that pydevd makes up for that has gone already.
- Before Python 3.13, nothing removes one made up where `_thread.start_new_thread` starts a thread (pydevd replaces it).

It stays for ever then ("Dummy-7" among the threads). Worse, the system soon gives its ident to another thread. pydevd
looks the ident up while that one begins, and takes it for the made-up one for good. When it stops at a breakpoint,
`continue` goes to all threads that run, of which the made-up one is none any more: the other stands for ever.

`keep_to_the_living` any thread; what pydevd calls, every thread.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from types import FrameType, ModuleType
from typing import Any, Final

# Modules with the callbacks of weak references: outermost in no thread but one that ends.
_WEAK: Final = ("_weakrefset", "weakref")
_OURS: Final = f"{__name__.partition('.')[0]}."


def keep_to_the_living() -> None:
    """Let pydevd make up no thread where there is none to debug, nor keep one that ends. pydevd has been imported."""
    _forget_the_ended()
    monitoring = sys.modules.get("_pydevd_sys_monitoring.pydevd_sys_monitoring")
    if monitoring is None:  # an old debugpy, which traces, and looks nothing up by ident
        return
    from _pydev_bundle import pydev_monkey  # type: ignore[import-not-found]  # inside debugpy

    names = monitoring.start_monitoring.__globals__
    # A copy of the module, of which pydevd's code asks for one function at a time. `threading.current_thread` itself
    # stays: it would be slower for everybody, and nobody else understands None.
    threads = ModuleType("threading", threading.__doc__)
    vars(threads).update(vars(threading), current_thread=_current_thread(names.get("_DeleteDummyThreadOnDel")))
    names["threading"] = pydev_monkey.threading = threads


def _current_thread(
    remove_at_its_end: Callable[[threading.Thread], Any] | None,
) -> Callable[[], threading.Thread | None]:
    """Return what pydevd is to ask for the thread that it runs in."""

    def current_thread() -> threading.Thread | None:
        """Return the thread that runs; None, which makes pydevd leave it alone, if it has nothing to debug."""
        if threading.get_ident() in _active():
            return threading.current_thread()
        if not _is_debuggable(sys._getframe(1)):
            return None
        thread = threading.current_thread()
        if remove_at_its_end is not None and sys.version_info < (3, 13):  # Python does it itself since
            remove_at_its_end(thread)
        return thread

    return current_thread


def _is_debuggable(frame: FrameType) -> bool:
    """Whether a thread that `threading` does not know may run code of the user's, by its outermost frame."""
    while frame.f_back is not None:
        frame = frame.f_back
    name = str(frame.f_globals.get("__name__"))
    return not name.startswith(_OURS) and name not in _WEAK and frame.f_code.co_name != "__del__"


def _forget_the_ended() -> None:
    """Forget threads that were made up, by whomever, for such as have ended."""
    running = sys._current_frames()
    for ident, thread in list(_active().items()):
        if isinstance(thread, threading._DummyThread) and ident not in running:
            _active().pop(ident, None)


def _active() -> dict[int, threading.Thread]:
    return threading._active  # type: ignore[attr-defined, no-any-return]  # what enumerate() lists, without its lock
