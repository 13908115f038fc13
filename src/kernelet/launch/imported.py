"""What a zygote has imported: what kernels need, what was asked for, and when that was last changed. Linux only."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Final

RUNNER: Final = "kernelet.__main__"
MOVER: Final = "kernelet.runtime.mover"
# What a kernel has imported when its first cell has run; data and not imports, as the zygote is beside the house.
MODULES = (
    RUNNER,
    "kernelet.kernel.process",
    "kernelet.kernel.kernel",
    "kernelet.kernel.subshells",
    "kernelet.ipython.language",
    "kernelet.ipython.info",
    "kernelet.ipython.magics",
    "kernelet.runtime.host",
    "kernelet.runtime.capture",
    "kernelet.runtime.forks",
    "kernelet.runtime.insist",
    "kernelet.runtime.watch",
    "kernelet.runtime.parking",
    "kernelet.runtime.awaiting",
    "kernelet.runtime.guards",
    "kernelet.runtime.children",
    "kernelet.launch.confined",
    MOVER,
    "IPython.core.magics",
    "IPython.core.completerlib",
    "IPython.core.oinspect",
    "IPython.core.logger",
    "IPython.extensions.storemagic",
    "bdb",
    "IPython.utils.wildcard",
    "asyncio",
    "concurrent.futures.thread",
    "pkgutil",
    "sqlite3",
    "unicodedata",
    "uuid",
    "zmq.utils.garbage",
    # Its first error, command and %timeit: 45 ms and 3 MB that each kernel had to itself.
    "kernelet.ipython.quick_tracebacks",
    "kernelet.ipython.terminal",
    "IPython.core.magics.ast_mod",
    "IPython.core.magics.execution",
    "IPython.utils.timing",
    "pygments.formatters.terminal256",
    "pygments.lexers.python",
    "stack_data",
    "timeit",
)
# The backend that a kernel chooses where the user chose none: matplotlib reads it when it is imported.
_MPLBACKEND = "module://matplotlib_inline.backend_inline"


def load(preload: Sequence[str]) -> None:
    """Import what kernels need, and what can be imported of `preload`. Raises RuntimeError for one with a thread."""
    os.environ.setdefault("MPLBACKEND", _MPLBACKEND)
    for name in MODULES:
        importlib.import_module(name)
    for name in preload:
        try:
            importlib.import_module(name)
        except ImportError as error:
            print(f"preload: {error}", file=sys.stderr)
    if len(os.listdir("/proc/self/task")) > 1:
        # OpenBLAS ends its threads at a fork and starts them again when it is used: see whether these are such.
        _rehearse()
    if len(os.listdir("/proc/self/task")) > 1:
        raise RuntimeError(f"preloading {', '.join(preload)} starts threads, which no fork survives")


def _rehearse() -> None:
    pid = os.fork()
    if not pid:
        os._exit(0)
    os.waitpid(pid, 0)


def sources() -> dict[str, int]:
    """Return when what is imported here was last changed: an upgrade must not mix old modules with new ones."""
    paths = {path for path in sys.path if path.endswith(("site-packages", "dist-packages"))}
    ours = [module for name, module in sys.modules.items() if name.partition(".")[0] == "kernelet"]
    paths.update(module.__file__ for module in ours if module.__file__)
    changed = {}
    for path in paths:
        with contextlib.suppress(OSError):
            changed[path] = os.stat(path).st_mtime_ns
    return changed
