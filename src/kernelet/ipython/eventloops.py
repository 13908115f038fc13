"""GUI event loops by name: `loop_map`, and `register_integration`, by which a toolkit adds its own.

Main thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

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


def enable_gui(gui: str | None, kernel: Any = None) -> None:
    """Make `kernel` run the event loop of `gui`. Raises ValueError for a name that nobody registered."""
    if gui not in loop_map:
        known = sorted(name for name in loop_map if name)
        raise ValueError(f"no event loop is registered for {gui!r}; kernelet knows {', '.join(known)}")
    if kernel is None:
        from IPython.core.getipython import get_ipython

        shell: Any = get_ipython()
        kernel = shell.kernel
    loop = loop_map[gui]
    if loop is not None and kernel.eventloop not in (None, loop):
        raise RuntimeError("Cannot activate multiple GUI eventloops")
    kernel.eventloop = loop


def _use_appnope() -> bool:
    """Whether macOS naps must be kept off; the real ipykernel asks, and needs no help of ours."""
    return False
