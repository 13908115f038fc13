"""history_request: tail, range and search, within a session and across sessions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from frontend import Frontend, Sandbox


def history(kernel: Frontend, **fields: Any) -> list[Any]:
    """Return the entries of the reply to a history_request."""
    reply = kernel.request("history_request", {"output": False, "raw": True, **fields}).content
    assert set(reply) == {"status", "history"}
    assert reply["status"] == "ok"
    entries: list[Any] = reply["history"]
    return entries


def test_history_tail_has_the_last_cells_with_session_and_line(kernel: Frontend) -> None:
    counts = [kernel.execute(f"tail_cell = {n}").content["execution_count"] for n in range(3)]
    entries = history(kernel, hist_access_type="tail", n=3)
    assert [entry[1:] for entry in entries] == [[count, f"tail_cell = {n}"] for n, count in enumerate(counts)]
    assert len({entry[0] for entry in entries}) == 1
    assert len(history(kernel, hist_access_type="tail", n=2)) == 2


def test_history_with_output_pairs_input_and_output(kernel: Frontend) -> None:
    count = kernel.execute("'out' + 'put'").content["execution_count"]
    kernel.execute("no_output = 1")
    first, second = history(kernel, hist_access_type="range", session=0, start=count, stop=count + 2, output=True)
    assert first[1:] == [count, ["'out' + 'put'", "'output'"]]
    assert second[1:] == [count + 1, ["no_output = 1", None]]


def test_history_raw_is_what_was_typed(kernel: Frontend) -> None:
    count = kernel.execute("%who_ls int").content["execution_count"]
    fields = {"hist_access_type": "range", "session": 0, "start": count, "stop": count + 1}
    assert history(kernel, **fields)[0][2] == "%who_ls int"
    assert "get_ipython()" in history(kernel, **fields, raw=False)[0][2]


def test_history_range_goes_by_session_and_line(kernel: Frontend) -> None:
    first = kernel.execute("range_a = 1").content["execution_count"]
    kernel.execute("range_b = 1")
    entries = history(kernel, hist_access_type="range", session=0, start=first, stop=first + 1)
    assert entries == [[0, first, "range_a = 1"]]
    open_end = history(kernel, hist_access_type="range", session=0, start=first, stop=None)
    assert [entry[2] for entry in open_end] == ["range_a = 1", "range_b = 1"]


def test_history_search_by_pattern(kernel: Frontend) -> None:
    for code in ("searched = 1", "searched = 2", "searched = 1", "other = 1"):
        kernel.execute(code)
    found = history(kernel, hist_access_type="search", pattern="searched*")
    assert [entry[2] for entry in found] == ["searched = 1", "searched = 2", "searched = 1"]
    unique = history(kernel, hist_access_type="search", pattern="searched*", unique=True)
    assert sorted(entry[2] for entry in unique) == ["searched = 1", "searched = 2"]
    assert [e[2] for e in history(kernel, hist_access_type="search", pattern="searched*", n=1)] == ["searched = 1"]
    assert [e[2] for e in history(kernel, hist_access_type="search", pattern="*rched = ?", n=2)] == [
        "searched = 2",
        "searched = 1",
    ]
    assert history(kernel, hist_access_type="search", pattern="never typed") == []


@pytest.mark.better_than_ipykernel("does not answer at all")
def test_history_ignores_unknown_keys(kernel: Frontend) -> None:
    kernel.execute("jupyter_console = 1")
    entries = history(kernel, hist_access_type="tail", n=1, search_raw=True, rangestr="", no_such_key=1)
    assert entries[0][2] == "jupyter_console = 1"


def test_history_of_an_unknown_kind_is_empty_or_an_error(kernel: Frontend) -> None:
    content = kernel.request("history_request", {"hist_access_type": "no such", "output": False, "raw": True}).content
    assert content["status"] == "error" or content["history"] == []


def test_history_outlives_the_kernel(start_kernel: Callable[..., Frontend]) -> None:
    sandbox = Sandbox()
    try:
        first = start_kernel(sandbox=sandbox)
        first.execute("from_the_first_kernel = 1")
        first.close()
        second = start_kernel(sandbox=sandbox)
        second.execute("from_the_second_kernel = 1")
        (old,) = history(second, hist_access_type="search", pattern="from_the_first*")
        (new,) = history(second, hist_access_type="search", pattern="from_the_second*")
        assert old[2] == "from_the_first_kernel = 1"
        assert old[0] < new[0]
        back = history(second, hist_access_type="range", session=-1, start=1, stop=2)
        assert back == [[old[0], 1, "from_the_first_kernel = 1"]]
        by_number = history(second, hist_access_type="range", session=old[0], start=1, stop=2)
        assert by_number == back
        second.close()
    finally:
        sandbox.close()
