"""Interrupts that Python swallows: raised in a finalizer or a weak reference's callback, they are only printed.

importlib, WeakSet and asyncio have such callbacks, and the garbage collector runs finalizers anywhere.
"""

from __future__ import annotations

import sys

from .interrupt import Interrupts


def repeat_swallowed(interrupts: Interrupts) -> None:
    """Repeat them from now on, in place of printing them. Once, main thread; the hook runs in any."""
    before = sys.unraisablehook

    def hook(unraisable: sys.UnraisableHookArgs) -> None:
        if isinstance(unraisable.exc_value, KeyboardInterrupt):
            interrupts.repeat()
        else:
            before(unraisable)

    sys.unraisablehook = hook
