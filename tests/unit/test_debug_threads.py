"""What pydevd is told of the thread that it runs in."""

from __future__ import annotations

import _thread
import sys
import threading
from typing import Any

import pytest

from kernelet.runtime.debug_threads import _active, _current_thread, _forget_the_ended


def told(function: str, module: str) -> tuple[Any, list[threading.Thread]]:
    """Return what a bare thread is told, whose outermost frame is that, and the threads to be removed at their end."""
    removed: list[threading.Thread] = []
    answers: list[Any] = []
    ended = _thread.allocate_lock()
    ended.acquire()
    names: dict[str, Any] = {
        "__name__": module,
        "note": answers.append,
        "current_thread": _current_thread(removed.append),
        "release": ended.release,
    }
    exec(f"def {function}():\n    note(current_thread())\n    note(current_thread())\n    release()", names)
    _thread.start_new_thread(names[function], ())
    assert ended.acquire(timeout=30)
    answer, again = answers
    assert again is answer
    if answer is not None:  # before Python 3.13, nobody but pydevd removes it
        _active().pop(answer.ident, None)
    return answer, removed


@pytest.mark.parametrize(
    "function, module",
    [
        ("_remove", "_weakrefset"),
        ("remove", "weakref"),
        ("__del__", "__main__"),
        ("_signal_again", "kernelet.runtime.interrupt"),
    ],
)
def test_thread_that_is_taken_apart_or_the_kernels_is_none(function: str, module: str) -> None:
    assert told(function, module) == (None, [])


@pytest.mark.parametrize("module", ["__main__", "weakref_of_mine", "kernelet_of_mine"])
def test_bare_thread_of_the_users_is_made_up_and_removed_at_its_end(module: str) -> None:
    answer, removed = told("run", module)
    assert isinstance(answer, threading._DummyThread)
    assert removed == ([answer] if sys.version_info < (3, 13) else [])  # there, Python removes it


def test_thread_that_is_known_is_told_as_it_is() -> None:
    ask = _current_thread(None)
    assert ask() is threading.current_thread()


def test_made_up_thread_is_forgotten_when_its_own_has_ended() -> None:
    made_up, _ = told("run", "__main__")
    never_running = -1
    _active()[never_running] = made_up
    _forget_the_ended()
    assert never_running not in _active()
    assert threading.current_thread() in _active().values()
