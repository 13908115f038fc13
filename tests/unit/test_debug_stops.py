"""An interrupt of a thread that a debugger holds is the debugger's; of any other, nobody's here."""

from __future__ import annotations

import json
import threading
from types import FrameType, SimpleNamespace
from typing import Any, cast

import pytest

from kernelet.ipython.debug_stops import Stops, _is_ours


def frame_in(*modules: str) -> FrameType:
    """Return what looks like the innermost of frames of these modules, outermost first."""
    frame = None
    for name in modules:
        frame = SimpleNamespace(f_globals={"__name__": name}, f_back=frame)
    return cast("FrameType", frame)


def test_thread_that_waits_in_pydevd_is_let_go_and_marked() -> None:
    released: list[bool] = []
    stops = Stops(lambda: released.append(True))
    ident = threading.get_ident()
    waiting = frame_in("__main__", "_pydevd_bundle.pydevd_frame", "pydevd", "threading")
    assert not stops._hold(ident, waiting), "it does not stand"
    stops._stopped.add(ident)
    assert stops._hold(ident, waiting)
    assert (released, stops._interrupted) == ([True], {ident})


def test_expression_that_is_evaluated_while_the_thread_stands_is_interrupted_itself() -> None:
    stops = Stops(lambda: None)
    stops._stopped.add(threading.get_ident())
    assert not stops._hold(threading.get_ident(), frame_in("pydevd", "__main__"))
    assert not stops._hold(threading.get_ident(), None)
    assert not stops._hold(None, None)


@pytest.mark.parametrize(
    "frames, ours",
    [
        ([("kernelet.runtime.insist", "kernelet.py")], True),
        ([("kernelet.protocol.codec", "kernelet.py"), ("json", json.__file__)], True),
        ([("kernelet.ipython.display", "kernelet.py"), ("__main__", "cell.py")], False),
        ([("kernelet.ipython.shell", "kernelet.py"), ("__main__", "cell.py"), ("json", json.__file__)], False),
        ([("json", json.__file__)], False),
    ],
)
def test_no_thread_is_stopped_in_the_kernels_own_code(frames: list[tuple[str, str]], ours: bool) -> None:
    """It may hold a lock that the kernel needs to go on: the interrupt's handler stood like that."""
    frame = None
    for name, file in frames:
        code = SimpleNamespace(co_filename=file)
        frame = SimpleNamespace(f_globals={"__name__": name}, f_code=code, f_back=frame)
    assert _is_ours(cast("FrameType", frame)) is ours


def test_step_out_of_a_cell_is_forgotten() -> None:
    class Info:
        pydev_step_cmd = pydev_original_step_cmd = 108
        pydev_step_stop: Any = "a frame"
        updated = False

        def update_stepping_info(self) -> None:
            self.updated = True

    thread, info = threading.current_thread(), Info()
    Stops(lambda: None).end_stepping()  # not seen by pydevd
    thread.additional_info = info  # type: ignore[attr-defined]
    try:
        Stops(lambda: None).end_stepping()
    finally:
        del thread.additional_info  # type: ignore[attr-defined]
    assert (info.pydev_step_cmd, info.pydev_original_step_cmd, info.pydev_step_stop) == (-1, -1, None)
    assert info.updated
