"""What to show of a traceback: the user's frames, not ours, and all of an exception group.

Any thread.
"""

from __future__ import annotations

from typing import Any

# With pydevd: an interrupt of a thread that it has stopped is raised as it lets go.
_OURS = ("kernelet.runtime.", "kernelet.ipython.", "kernelet.protocol.", "kernelet.kernel.", "_pydevd", "pydevd")


def contains_group(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, BaseExceptionGroup):
            return True
        error = error.__context__
    return False


def hide_our_frames(tb: Any) -> None:
    """Cut frames of the kernel (an interrupt's, input()'s) out of a traceback: the user did not write them."""
    while tb is not None:
        while tb.tb_next is not None and str(tb.tb_next.tb_frame.f_globals.get("__name__")).startswith(_OURS):
            tb.tb_next = tb.tb_next.tb_next
        tb = tb.tb_next


def below_ipython(tb: Any) -> Any:
    """Return the part of a traceback that begins in the user's code."""
    here = tb
    while here is not None:
        if here.tb_frame.f_locals.get("__tracebackhide__") == "__ipython_bottom__":
            return here.tb_next or tb
        here = here.tb_next
    return tb
