"""The history of a session in memory: tail, range and search."""

from __future__ import annotations

from typing import Any

import pytest

from kernelet.kernel.inputs import Inputs


@pytest.mark.parametrize(
    ("asked", "numbers"),
    [
        ({"hist_access_type": "tail", "n": 2}, [2, 3]),
        ({"hist_access_type": "tail", "n": 0}, []),
        ({"hist_access_type": "tail"}, [1, 2, 3]),
        ({"hist_access_type": "range", "start": 2, "stop": 3}, [2]),
        ({"hist_access_type": "range"}, [1, 2, 3]),
        ({"hist_access_type": "search", "pattern": "a*"}, [1, 3]),
        ({"hist_access_type": "search", "pattern": "a*", "n": 1}, [3]),
        ({"hist_access_type": "search"}, [1, 2, 3]),
    ],
)
def test_rows_are_those_that_are_asked_for(asked: dict[str, Any], numbers: list[int]) -> None:
    inputs = Inputs()
    inputs.codes += ["apple", "pear", "apricot"]
    rows = inputs.rows(asked)
    assert [row[1] for row in rows] == numbers
    assert all(row[0] == 1 and row[2] == inputs.codes[number - 1] for row, number in zip(rows, numbers, strict=True))


def test_output_is_asked_for_and_not_there() -> None:
    inputs = Inputs()
    inputs.codes.append("x")
    assert inputs.rows({"hist_access_type": "tail", "n": 1, "output": True}) == [[1, 1, ["x", None]]]
