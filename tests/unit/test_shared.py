"""What one shell has for many threads: every cell its own number, every compilation its own flags."""

from __future__ import annotations

import ast
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from kernelet.ipython.shared import CellNumbers, FlagsByThread


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


AWAIT = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT


@pytest.fixture
def other() -> Iterator[Callable[[Callable[[], object]], object]]:
    """Calls a function in another thread, always the same."""
    with ThreadPoolExecutor(1) as pool:
        yield lambda call: pool.submit(call).result()


def test_await_compiles_whatever_another_thread_compiles_meanwhile(
    other: Callable[[Callable[[], object]], object],
) -> None:
    compiler = FlagsByThread()
    its, own = compiler.extra_flags(AWAIT), compiler.extra_flags(AWAIT)
    other(its.__enter__)
    with own:
        other(lambda: its.__exit__(None, None, None))
        assert compiler("await x", "cell", "exec")
    with pytest.raises(SyntaxError):
        compiler("await x", "cell", "exec")


def test_another_thread_does_not_inherit_extra_flags(other: Callable[[Callable[[], object]], object]) -> None:
    compiler = FlagsByThread()
    with compiler.extra_flags(AWAIT), pytest.raises(SyntaxError):
        other(lambda: compiler("await x", "cell", "exec"))


def test_flags_of_future_are_for_all_and_stay(other: Callable[[Callable[[], object]], object]) -> None:
    compiler = FlagsByThread()
    before = compiler.flags
    with compiler.extra_flags(AWAIT), compiler.extra_flags(AWAIT):
        compiler("from __future__ import annotations", "cell", "exec")
        assert compiler.flags & AWAIT
    assert compiler.flags == before | annotations.compiler_flag
    assert other(lambda: compiler.flags) == compiler.flags
    compiler.reset_compiler_flags()
    assert not compiler.flags & annotations.compiler_flag
