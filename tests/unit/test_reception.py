"""Where main sleeps beside the shell's socket, and who is woken by a request."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable, Iterator

import pytest

from asleep import wait_until_asleep
from kernelet.runtime import reception
from kernelet.runtime.dozing import NO_SELECTOR
from kernelet.runtime.reception import Reception

pytestmark = pytest.mark.skipif(not reception.possible(), reason="EPOLLEXCLUSIVE is Linux's")
DEADLINE_S = 30


class Desk:
    """A reception at an eventfd, which stands for the socket's descriptor. `answers`: what its `receive` tells."""

    def __init__(self) -> None:
        self.socket = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.answers: list[Callable[[], bool]] = []
        self.passed_on = 0
        self.main_keeps_out = False
        self.reception = Reception(self.socket, self._receive, self._pass_on, self)

    def _receive(self) -> bool:
        os.eventfd_read(self.socket)
        return self.answers.pop(0)()

    def _pass_on(self) -> None:
        self.passed_on += 1

    def arrive(self) -> None:
        os.eventfd_write(self.socket, 1)


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    yield desk
    desk.reception.close()
    os.close(desk.socket)


@pytest.fixture
def selector() -> Iterator[int]:
    readable = os.eventfd(1)
    yield readable
    os.close(readable)


def test_a_request_for_this_thread_ends_the_sleep(desk: Desk) -> None:
    desk.answers.append(lambda: True)
    threading.Timer(0.01, desk.arrive).start()
    assert desk.reception.sleep(NO_SELECTOR)
    assert not desk.answers


def test_a_request_for_others_does_not(desk: Desk) -> None:
    def for_others() -> bool:
        desk.reception.wake()  # so that the test ends
        return False

    desk.answers.append(for_others)
    desk.arrive()
    assert desk.reception.sleep(NO_SELECTOR)
    assert not desk.answers


def test_a_wake_ends_the_sleep_or_the_next_one(desk: Desk) -> None:
    desk.reception.wake()
    desk.reception.wake()
    assert desk.reception.sleep(NO_SELECTOR)
    threading.Timer(0.01, desk.reception.wake).start()
    assert desk.reception.sleep(NO_SELECTOR)


def test_something_for_the_loop_ends_the_sleep_but_a_request_comes_first(desk: Desk, selector: int) -> None:
    assert not desk.reception.sleep(selector)
    desk.answers.append(lambda: True)
    desk.arrive()
    assert desk.reception.sleep(selector)
    desk.reception.wake()
    assert desk.reception.sleep(NO_SELECTOR)  # the selector is forgotten


def test_a_selector_may_be_closed_and_another_take_its_number(desk: Desk) -> None:
    first = os.eventfd(1)
    assert not desk.reception.sleep(first)
    os.close(first)
    second = os.eventfd(1)
    assert second == first
    assert not desk.reception.sleep(second)
    os.close(second)
    desk.reception.wake()
    assert desk.reception.sleep(NO_SELECTOR)


def test_who_keeps_out_sleeps_beside_the_socket_and_hears_nothing_of_it(desk: Desk, selector: int) -> None:
    desk.main_keeps_out = True
    desk.arrive()
    desk.reception.wake()
    assert desk.reception.sleep(NO_SELECTOR)
    assert not desk.reception.sleep(selector)
    desk.main_keeps_out = False
    desk.answers.append(lambda: True)
    assert desk.reception.sleep(NO_SELECTOR)


def test_what_came_with_an_error_of_a_signal_handler_is_passed_on(desk: Desk) -> None:
    def fails() -> bool:
        raise ZeroDivisionError

    desk.answers.append(fails)
    desk.arrive()
    with pytest.raises(ZeroDivisionError):
        desk.reception.sleep(NO_SELECTOR)
    assert desk.passed_on == 1


def test_the_wire_hears_of_requests_exactly_while_main_does_not_sleep(desk: Desk) -> None:
    wire = select.epoll()
    wire.register(desk.socket, select.EPOLLIN | select.EPOLLEXCLUSIVE)
    asleep, go, heard, ended = (threading.Semaphore(0) for _ in range(4))
    taken: list[str] = []

    def listen() -> None:
        while True:
            wire.poll()
            if ended.acquire(blocking=False):
                return
            os.eventfd_read(desk.socket)
            taken.append("wire")
            heard.release()

    def by_main() -> bool:
        taken.append("main")
        return True

    def main() -> None:
        for _ in range(20):
            desk.answers.append(by_main)
            asleep.release()
            desk.reception.sleep(NO_SELECTOR)
            heard.release()
            go.acquire()  # a cell runs

    threads = [threading.Thread(target=listen), threading.Thread(target=main)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        assert asleep.acquire(timeout=DEADLINE_S)
        wait_until_asleep(threads[1])
        for _ in range(3):
            wait_until_asleep(threads[0])  # awake it would look by itself, before main has taken the news
            desk.arrive()
            assert heard.acquire(timeout=DEADLINE_S)
        go.release()
    threads[1].join(DEADLINE_S)
    ended.release()
    desk.arrive()
    threads[0].join(DEADLINE_S)
    wire.close()
    assert taken == ["main", "wire", "wire"] * 20
