"""What an interrupted thread is in the middle of, told by its frames."""

from __future__ import annotations

import asyncio
import sys
import threading
from types import FrameType
from typing import Any

import pytest

from kernelet.runtime.frames import Fragile, from_outside, is_machinery, is_ours, is_shielded, is_users


def frame_in(name: str, depth: int = 1) -> FrameType:
    """Return a frame of a module of that name, under `depth - 1` more of other modules."""
    module: dict[str, Any] = {"__name__": name, "sys": sys}
    exec("def call(inner):\n    return inner() if inner else sys._getframe()", module)
    other: dict[str, Any] = {"__name__": "library", "sys": sys}
    exec("def call(inner):\n    return inner() if inner else sys._getframe()", other)
    inner: Any = None
    for _ in range(depth - 1):
        inner = (lambda inside: lambda: other["call"](inside))(inner)
    found: list[FrameType] = []
    thread = threading.Thread(target=lambda: found.append(module["call"](inner)))  # pytest itself is `__main__`
    thread.start()
    thread.join()
    return found[0]


def test_shielded_is_what_our_locked_code_calls() -> None:
    assert is_shielded(frame_in("kernelet.runtime.wire"))
    assert is_shielded(frame_in("kernelet.protocol.codec", depth=3))
    assert not is_shielded(frame_in("library"))
    assert not is_shielded(None)


def test_machinery_is_the_innermost_code_only() -> None:
    assert is_machinery(frame_in("asyncio.base_events"))
    assert not is_machinery(frame_in("asyncio.base_events", depth=2))
    assert is_ours(frame_in("kernelet.kernel.kernel"))


def test_user_code_is_found_under_a_library() -> None:
    assert is_users(frame_in("__main__", depth=4))
    assert not is_users(frame_in("library"))


def waiting_frame(condition: threading.Condition) -> tuple[threading.Thread, FrameType]:
    """Return a thread in `condition.wait()` with its innermost frame."""

    def wait() -> None:
        with condition:
            condition.wait(30)

    thread = threading.Thread(target=wait)
    thread.start()
    while True:
        with condition:
            frame = sys._current_frames().get(thread.ident or 0)
            if frame is not None and "gotit" in frame.f_locals:
                return thread, frame


def test_a_wait_may_be_interrupted_at_once() -> None:
    condition = threading.Condition()
    thread, frame = waiting_frame(condition)
    assert not Fragile().found(frame)
    with condition:
        condition.notify_all()
    thread.join()


def fragile_frame(moment: str) -> FrameType:
    """Return the frame of Condition.wait at the moment at which its lock is given up, or taken back."""
    caught: list[FrameType] = []
    condition = threading.Condition(threading.Lock())
    give_up = condition._release_save  # type: ignore[attr-defined]

    def release_save() -> None:
        give_up()
        outer = sys._getframe(1)
        assert outer.f_code.co_name == "wait"
        caught.append(outer)
        assert Fragile().found(outer), "the lock is released, and no `try` takes it back"

    condition._release_save = release_save  # type: ignore[attr-defined]
    with condition:
        condition.wait(0.001)
    return caught[0]


def test_a_wait_that_has_let_its_lock_go_is_fragile() -> None:
    fragile_frame("release")


def test_what_stands_still_waits() -> None:
    module: dict[str, Any] = vars(threading)
    exec("def _kernelet_test():\n    import sys\n    return sys._getframe()", module)
    try:
        frame = module["_kernelet_test"]()
    finally:
        del module["_kernelet_test"]
    fragile = Fragile()
    assert fragile.found(frame)
    assert not fragile.found(frame)
    assert fragile.found(frame)


@pytest.mark.parametrize("name", ["library", "__main__", "asyncio.tasks"])
def test_other_code_is_not_fragile(name: str) -> None:
    assert not Fragile().found(frame_in(name))


def test_nothing_is_raised_in_a_task_that_queues_itself() -> None:
    found = list[bool]()

    class Loop(asyncio.SelectorEventLoop):
        def _check_closed(self) -> None:  # called by call_soon
            found.append(is_shielded(sys._getframe()))

    loop = Loop()
    found.clear()  # making it asks, too
    loop.call_soon(print)
    loop.close()
    assert found[0]


def raised_in(*names: str) -> ZeroDivisionError:
    """Return an error that left functions of modules of these names, the innermost last."""
    call: Any = lambda: 1 // 0  # noqa: E731
    for name in reversed(names):
        module: dict[str, Any] = {"__name__": name}
        exec("def make(inner):\n    def call():\n        return inner()\n    return call", module)
        call = module["make"](call)
    try:
        call()
    except ZeroDivisionError as error:
        return error
    raise AssertionError("it returned")


def test_an_error_of_a_signal_handler_is_not_ours_and_shows_none_of_our_frames() -> None:
    error = raised_in("kernelet.runtime.parking", "asyncio.base_events", "kernelet.runtime.reception", "__main__")
    assert from_outside(error)
    assert error.__traceback__ is not None
    assert error.__traceback__.tb_frame.f_globals["__name__"] == "__main__"


def test_an_error_of_our_own_is_ours() -> None:
    module: dict[str, Any] = {"__name__": "kernelet.runtime.parking"}
    exec("def call():\n    1 // 0", module)
    with pytest.raises(ZeroDivisionError) as raised:
        module["call"]()
    assert not from_outside(raised.value)
