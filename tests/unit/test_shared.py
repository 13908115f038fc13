"""Execution counts: every cell its own, whatever runs inside of it."""

from __future__ import annotations

import threading

from kernelet.ipython.shared import CellNumbers


def run(numbers: CellNumbers, counted: bool = True) -> int:
    """Do what the language and `run_cell` do for a cell that does nothing."""
    number = numbers.begin(counted)
    if counted:
        numbers.current += 1
    numbers.end()
    return number


def test_cells_are_counted() -> None:
    numbers = CellNumbers()
    assert [run(numbers), run(numbers), run(numbers, counted=False), run(numbers)] == [1, 2, 3, 3]


def test_a_cell_inside_a_cell_has_its_own_number_and_gives_the_other_one_back() -> None:
    numbers = CellNumbers()
    outer = numbers.begin(True)
    assert run(numbers) == 2
    assert numbers.current == outer == 1
    numbers.current += 1
    numbers.end()
    assert (numbers.current, run(numbers)) == (3, 3)


def test_a_reset_starts_again_at_one_and_uses_no_number_twice() -> None:
    numbers = CellNumbers()
    run(numbers)
    numbers.begin(True)
    numbers.current = 1  # shell.reset(): its cell is number 1 now
    assert numbers.current == 1
    numbers.current += 1
    numbers.end()
    assert [run(numbers), run(numbers)] == [2, 3]


def test_user_code_may_count_for_itself_between_cells() -> None:
    numbers = CellNumbers()
    numbers.current = 50
    assert [run(numbers), run(numbers)] == [50, 51]


def test_threads_see_their_own_cell() -> None:
    numbers = CellNumbers()
    seen: list[int] = []
    numbers.begin(True)
    thread = threading.Thread(target=lambda: seen.extend((run(numbers), numbers.current)))
    thread.start()
    thread.join()
    assert (numbers.current, seen) == (1, [2, 3])
