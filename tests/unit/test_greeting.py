"""The last state that a greeting tells is true, wherever main is when it is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest

from kernelet.kernel.greeting import Greeting
from kernelet.kernel.status import State
from kernelet.protocol.message import NO_PARENT
from kernelet.runtime.lane import Lane


class Main:
    """A main lane, and the front end that hears what it and the greeting say."""

    def __init__(self) -> None:
        self.running: object = None
        self.heard: list[State] = []
        self.greeting = Greeting(self.tell)
        # What main does as the greeting is about to tell its first, second, ... state of main.
        self.meanwhile: list[Callable[[], None]] = []

    def tell(self, state: State) -> None:
        if state != "starting" and self.meanwhile:
            self.meanwhile.pop(0)()
        self.heard.append(state)

    def greet(self) -> None:
        self.greeting.greet(cast(Lane, cast(Any, self)))

    def begin(self) -> None:
        self.running = NO_PARENT
        self.heard.append("busy")

    def say_idle(self) -> None:
        self.greeting.concluding()
        self.heard.append("idle")

    def put_away(self) -> None:
        self.running = None
        self.greeting.concluded()

    def end(self) -> None:
        self.say_idle()
        self.put_away()

    def end_and_begin(self) -> None:
        self.end()
        self.begin()

    def cell(self) -> None:
        self.begin()
        self.end()

    def almost_a_cell(self) -> None:
        self.begin()
        self.say_idle()

    @property
    def truth(self) -> State:
        return "idle" if self.running is None else "busy"


@pytest.fixture
def main() -> Main:
    return Main()


def test_starting_is_told_once(main: Main) -> None:
    main.greet()
    main.greet()
    assert main.heard == ["starting", "idle"]


def test_before_the_language_is_there_starting_is_all(main: Main) -> None:
    main.greeting.greet(None)
    assert main.heard == ["starting"]


def test_who_comes_in_the_middle_of_a_cell_hears_its_idle_and_no_other(main: Main) -> None:
    main.begin()
    main.greet()
    main.end()
    main.cell()
    assert main.heard == ["busy", "starting", "busy", "idle", "busy", "idle"]


def test_who_comes_between_the_idle_and_the_end_of_the_cell_hears_idle_again(main: Main) -> None:
    main.begin()
    main.say_idle()
    main.greet()
    main.put_away()
    assert main.heard[2:] == ["starting", "busy", "idle"]
    main.cell()
    assert main.heard[5:] == ["busy", "idle"]


@pytest.mark.parametrize("steps", [1, 2, 3])
@pytest.mark.parametrize("event", ["begin", "cell", "almost_a_cell"])
def test_an_idle_kernel_that_begins_to_work_as_it_greets(main: Main, event: str, steps: int) -> None:
    main.meanwhile = [lambda: None] * (steps - 1) + [getattr(main, event)]
    main.greet()
    assert main.heard[-1] == main.truth or event == "almost_a_cell"
    if main.running is not None:
        main.put_away()
    assert main.heard[-1] == main.truth


@pytest.mark.parametrize("steps", [1, 2, 3])
@pytest.mark.parametrize("event", ["say_idle", "end", "end_and_begin"])
def test_a_busy_kernel_that_goes_on_as_it_greets(main: Main, event: str, steps: int) -> None:
    main.begin()
    main.meanwhile = [lambda: None] * (steps - 1) + [getattr(main, event)]
    main.greet()
    if event != "say_idle":
        assert main.heard[-1] == main.truth
    if main.running is not None:
        main.end() if event == "end_and_begin" else main.put_away()
    assert main.heard[-1] == main.truth
