"""GUI event loops by name: `loop_map`, `register_integration`, by which a toolkit adds its own, and `enable_gui`.

An integration is a function `loop(kernel)` that runs a toolkit until the kernel's loop has something to do:
`kernel.shell_stream.getsockopt(zmq.FD)` is a descriptor that is readable then, `shell_stream.flush()` says whether it
is. One that returns earlier is called again. IPython's input hooks (of its terminal) are used for the known toolkits.

Main thread.
"""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..runtime.host import Host

Integration = Callable[[Any], None]

# Name -> the function that runs the loop until the kernel has something to do; None needs no loop of its own.
loop_map: dict[str | None, Integration | None] = {
    None: None,
    "inline": None,
    "nbagg": None,
    "webagg": None,
    "notebook": None,
    "ipympl": None,
    "widget": None,
    "agg": None,
    "asyncio": None,
}
# Name of a toolkit -> name of IPython's input hook, where it is another.
_HOOKS = {
    **dict.fromkeys(("qt", "qt5", "qt6"), "qt"),
    **{name: name for name in ("tk", "wx", "gtk3", "gtk4", "osx", "pyglet", "glut")},
    "gtk": "gtk3",
    "macosx": "osx",
}
# Platform plugins of Qt that need no screen. The others end the process where there is none.
_QT_WITHOUT_SCREEN = ("offscreen", "minimal", "vnc", "eglfs", "linuxfb")
# A QApplication that nobody refers to is deleted.
_applications: list[Any] = []


def register_integration(*toolkitnames: str) -> Callable[[Integration], Integration]:
    """Return a decorator that registers a function `loop(kernel)` under these names.

    The function gets an attribute `exit`, a decorator for the function that ends the loop.
    """

    def decorator(function: Integration) -> Integration:
        loop_map.update(dict.fromkeys(toolkitnames, function))
        loop: Any = function
        loop.exit_hook = lambda kernel: None

        def exit_decorator(exit_function: Integration) -> Integration:
            loop.exit_hook = exit_function
            return exit_function

        loop.exit = exit_decorator
        return function

    return decorator


def _with_input_hook(hook: str) -> Integration:
    def loop(kernel: Any) -> None:
        waiting = kernel.shell_stream.waiting
        if sys.excepthook in (sys.__excepthook__, kernel.shell.excepthook):
            sys.excepthook = _show  # PyQt ends the process for an error in a slot, unless there is a hook
        if hook == "tk" and sys.modules["tkinter"]._default_root is None:
            waiting.sleep()
        else:
            importlib.import_module(f"IPython.terminal.pt_inputhooks.{hook}").inputhook(waiting)

    loop.__name__ = loop.__qualname__ = f"loop_{hook}"
    return loop


for _hook in sorted(set(_HOOKS.values())):
    register_integration(*(_name for _name, _used in _HOOKS.items() if _used == _hook))(_with_input_hook(_hook))
loop_qt, loop_tk, loop_wx = loop_map["qt"], loop_map["tk"], loop_map["wx"]
loop_qt5, loop_gtk, loop_gtk3, loop_cocoa = loop_qt, loop_map["gtk"], loop_map["gtk3"], loop_map["osx"]


def enable_gui(gui: str | None, kernel: Any = None) -> None:
    """Make `kernel` run the event loop of `gui`; None: no loop.

    Raises ValueError for a name that nobody registered, ImportError for a toolkit that is not installed, RuntimeError
    where it cannot run: beside another one, or without a screen.
    """
    if gui is not None and gui not in loop_map and not _find_input_hook(gui):
        known = sorted(name for name in loop_map if name)
        raise ValueError(f"no event loop is registered for {gui!r}; kernelet knows {', '.join(known)}")
    if kernel is None:
        from IPython.core.getipython import get_ipython

        shell: Any = get_ipython()
        kernel = shell.kernel
    loop = loop_map[gui]
    if loop is not None and kernel.eventloop not in (None, loop):
        raise RuntimeError("Cannot activate multiple GUI eventloops; `%gui` turns the one that runs off")
    if loop is not None:
        _prepare(gui)
    kernel.eventloop = loop


def host(kernel: Any, host: Host, integration: Integration | None) -> None:
    """Let `integration` run where the kernel's loop would sleep; one that fails is told of, and turned off."""
    from ..runtime.toolkit import Toolkit

    def failed(error: BaseException) -> None:
        text = f"the GUI event loop {getattr(integration, '__name__', integration)!s} failed, and is off now"
        parking.loop.call_exception_handler({"message": text, "exception": error})
        kernel.eventloop = None

    parking = host.parking
    if integration is None:
        parking.host(None)
    else:
        parking.host(Toolkit(lambda waiting: integration(kernel), host.interrupts, failed))


def _find_input_hook(gui: str) -> bool:
    """Whether `gui` was registered with IPython itself (`pt_inputhooks.register`); it is known here from then on."""
    module: Any = sys.modules.get("IPython.terminal.pt_inputhooks")
    if module is None or gui not in module.registered:
        return False
    register_integration(gui)(lambda kernel: module.registered[gui](kernel.shell_stream.waiting))
    return True


def _prepare(gui: str | None) -> None:
    """See to it that what is missing is said now, in the cell, and not in the loop."""
    if gui is None or gui not in _HOOKS:
        return
    if _HOOKS[gui] == "qt":
        _prepare_qt(gui)
    elif gui == "wx":
        _prepare_wx()
    elif gui == "tk":
        importlib.import_module("tkinter")
    else:
        importlib.import_module(f"IPython.terminal.pt_inputhooks.{_HOOKS[gui]}")


def _prepare_qt(gui: str) -> None:
    from IPython.terminal.pt_inputhooks import set_qt_api

    set_qt_api(gui)
    from IPython.external.qt_for_kernel import QtCore, QtGui

    if QtCore.QCoreApplication.instance() is None:
        _need_screen(os.environ.get("QT_QPA_PLATFORM", ""))
        _applications.append(QtGui.QApplication([" "]))


def _show(kind: type[BaseException], error: BaseException, tb: TracebackType | None) -> None:
    sys.stderr.write("".join(traceback.format_exception(kind, error, tb)))


def _need_screen(platform: str) -> None:
    """Raise RuntimeError where Qt would end the process, because there is no screen."""
    here = sys.platform != "linux" or platform.startswith(_QT_WITHOUT_SCREEN)
    if not here and not os.environ.get("DISPLAY") and not os.environ.get("WAYLAND_DISPLAY"):
        raise RuntimeError("Qt needs a screen: neither DISPLAY nor WAYLAND_DISPLAY is set (QT_QPA_PLATFORM=offscreen?)")


def _prepare_wx() -> None:
    wx = importlib.import_module("wx")
    if wx.GetApp() is None:
        _applications.append(wx.App(redirect=False))


def _use_appnope() -> bool:
    """Whether macOS naps must be kept off; the real ipykernel asks, and needs no help of ours."""
    return False
