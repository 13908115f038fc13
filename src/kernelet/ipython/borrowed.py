"""What a kernel changes in a process that is not its own, noted before and put back after.

In the thread that runs the kernel; signals only where that is the main one.
"""

from __future__ import annotations

import asyncio
import atexit
import builtins
import faulthandler
import getpass
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Final, Self

import comm

from .app import IPKernelApp
from .facade import IPythonKernel
from .shell import ENVIRONMENT, ZMQInteractiveShell

_ABSENT: Final = object()
_ATTRIBUTES: Final[tuple[tuple[Any, tuple[str, ...]], ...]] = (
    (sys, ("stdout", "stderr", "displayhook", "excepthook", "breakpointhook", "ps1", "ps2", "ps3")),
    (builtins, ("input", "display", "get_ipython", "exit", "quit", "__IPYTHON__")),
    (getpass, ("getpass",)),
    (faulthandler, ("enable", "register")),
    (threading, ("excepthook",)),
    (threading.Thread, ("start",)),
    (ThreadPoolExecutor, ("submit",)),
    (comm, ("create_comm", "get_comm_manager")),
    (warnings, ("showwarning",)),
)
_VARIABLES: Final = (*ENVIRONMENT, "MPLBACKEND")
_SIGNALS: Final = ("SIGINT", "SIGURG")


class State:
    """Names of the process that lead to a kernel or to the program, as they are when this is made."""

    def __init__(self) -> None:
        self._attributes = [
            (place, name, vars(place).get(name, _ABSENT)) for place, names in _ATTRIBUTES for name in names
        ]
        self._singletons = [(one, vars(one).get("_instance", _ABSENT)) for one in _singletons()]
        self._environment = {name: os.environ.get(name) for name in _VARIABLES}
        self._main = sys.modules.get("__main__")
        self._running = asyncio.events._get_running_loop()
        self._in_main = threading.current_thread() is threading.main_thread()
        self._signals = {}
        if self._in_main:
            self._signals = {
                getattr(signal, name): signal.getsignal(getattr(signal, name)) for name in _known_signals()
            }

    def put_back(self) -> None:
        """Make them lead there again. In the same thread."""
        for place, name, value in [*self._attributes, *((one, "_instance", was) for one, was in self._singletons)]:
            if value is not _ABSENT:
                setattr(place, name, value)
            elif name in vars(place):
                delattr(place, name)
        for name, variable in self._environment.items():
            if variable is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = variable
        if self._main is not None:
            sys.modules["__main__"] = self._main
        asyncio.events._set_running_loop(self._running)
        for number, handler in self._signals.items():
            if signal.getsignal(number) != handler:
                signal.signal(number, handler)


def make_room() -> None:
    """Let a kernel and its shell be made, and its loop run, whatever the program itself has."""
    for one in _singletons():
        one._instance = None
    asyncio.events._set_running_loop(None)


def forget_shell() -> None:
    """End the shell without IPython's own end, which would empty the namespace: it is the program's."""
    shell: Any = vars(ZMQInteractiveShell).get("_instance")
    if shell is None:
        return
    atexit.unregister(shell.atexit_operations)
    if shell.history_manager is not None:
        shell.history_manager.end_session()
        shell.history_manager.close()
    shell._atexit_once_called = True
    shell.atexit_operations()


class Borrowed:
    """A `with` block in which a kernel may live."""

    def __enter__(self) -> Self:
        self._state = State()
        self._path = list(sys.path)
        self._finders = list(sys.meta_path)
        self._modules = {name for name in sys.modules if _is_ipykernels(name)}
        self._environment = dict(os.environ)
        self._in_main = threading.current_thread() is threading.main_thread()
        self._wakeup = signal.set_wakeup_fd(-1) if self._in_main else -1
        make_room()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        forget_shell()
        self._state.put_back()
        sys.path[:] = self._path
        sys.meta_path[:] = self._finders
        for name in [name for name in sys.modules if _is_ipykernels(name) and name not in self._modules]:
            del sys.modules[name]
        os.environ.clear()
        os.environ.update(self._environment)
        if self._in_main:
            signal.set_wakeup_fd(self._wakeup)


def _is_ipykernels(name: str) -> bool:
    return name.partition(".")[0] == "ipykernel"


def _known_signals() -> Iterator[str]:
    return (name for name in _SIGNALS if hasattr(signal, name))


def _singletons() -> set[Any]:
    """Return the classes that know the one instance of theirs, and of which a program may have one of its own."""
    return {one for cls in (IPKernelApp, ZMQInteractiveShell, IPythonKernel) for one in cls._walk_mro()}
