"""Text within a budget."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelet.service.text_budget import TextBudget, collapse_carriage_returns, fit_lines, fit_text, strip_ansi


def said(budget: TextBudget, *pieces: str) -> str:
    for piece in pieces:
        budget.add(piece)
    budget.finish()
    return budget.text()


def test_text_within_the_budget_is_untouched() -> None:
    budget = TextBudget(10)
    assert said(budget, "12345", "67890") == "1234567890"
    assert (budget.total, budget.kept, budget.truncated) == (10, 10, False)


def test_the_cut_keeps_seventy_percent_head_and_thirty_percent_tail() -> None:
    budget = TextBudget(10)
    said(budget, "abcdefghijklmnopqrstuvwxyz")
    assert budget.text() == "abcdefg\n... [16 of 26 chars omitted] ...\nxyz"
    assert (budget.total, budget.kept, budget.truncated) == (26, 10, True)


def test_the_notice_says_where_the_rest_is() -> None:
    budget = TextBudget(10000)
    said(budget, "a" * 98765)
    full = "outputs/.exec/1.stdout"
    assert f"\n... [88765 of 98765 chars omitted; full text: {full}] ...\n" in budget.text(full)


def test_a_head_that_ends_a_line_gets_no_empty_one() -> None:
    assert said(TextBudget(10), "abcdef\nghijklmnop\nxyz") == "abcdef\n... [11 of 21 chars omitted] ...\nxyz"


def test_nothing_is_spilled_until_the_budget_is_passed_and_then_everything_is() -> None:
    spilled: list[str] = []
    budget = TextBudget(6, spilled.append)
    budget.add("abc\n")
    budget.add("de")
    assert spilled == []
    budget.add("f\n")
    budget.add("ghi\n")
    budget.finish()
    assert "".join(spilled) == "abc\ndef\nghi\n"


def test_memory_stays_bounded_whatever_arrives() -> None:
    budget = TextBudget(1000)
    for _ in range(2000):
        budget.add("x" * 1000)  # one line of 2 MB
    for _ in range(2000):
        budget.add("\ny")
    assert budget.total + 1 == 2_000_000 + 4000
    assert max(len(getattr(budget, name)) for name in ("_head", "_tail", "_open")) <= 3000


def test_a_progress_bar_counts_once() -> None:
    bar = "".join(f"\r{percent:3}% |{'#' * (percent // 10):10}|" for percent in range(101))
    budget = TextBudget(50)
    assert said(budget, *(bar[i : i + 7] for i in range(0, len(bar), 7)), "\ndone\n") == "100% |##########|\ndone\n"
    assert not budget.truncated


def test_a_line_end_of_windows_is_no_progress_bar() -> None:
    assert said(TextBudget(100), "one\r", "\ntwo\r\n", "three\r") == "one\ntwo\nthree"


def test_a_shorter_text_overwrites_only_what_stood_there() -> None:
    assert collapse_carriage_returns("abc\rX") == "Xbc"
    assert collapse_carriage_returns("abc\r") == "abc"


def test_a_budget_of_nothing_leaves_the_notice() -> None:
    assert said(TextBudget(0), "abc") == "... [3 of 3 chars omitted] ...\n"
    with pytest.raises(ValueError, match="-1"):
        TextBudget(-1)


# A line longer than the limit is no progress bar any more: here it is long enough for all lines.
@given(st.lists(st.text("ab\r\n", max_size=20)))
def test_pieces_say_the_same_as_the_whole(pieces: list[str]) -> None:
    assert said(TextBudget(1000), *pieces) == said(TextBudget(1000), "".join(pieces))


@given(st.lists(st.text("abc\n", max_size=40)), st.integers(0, 60))
def test_what_is_kept_is_the_beginning_and_the_end(pieces: list[str], limit: int) -> None:
    spilled: list[str] = []
    budget = TextBudget(limit, spilled.append)
    text = said(budget, *pieces)
    whole = "".join(pieces)
    assert budget.total == len(whole)
    if budget.truncated:
        assert "".join(spilled) == whole
        assert text.startswith(whole[: int(limit * 0.7)])
        assert text.endswith(whole[len(whole) - (limit - int(limit * 0.7)) :].removeprefix("\n"))
    else:
        assert text == whole
        assert spilled == []


def test_escape_sequences_go_and_text_stays() -> None:
    assert (
        strip_ansi("\x1b[0;31mValueError\x1b[0m: \x1b]8;;http://x\x1b\\link\x1b]8;;\x07 \x1b(Bé")
        == "ValueError: link é"
    )


def test_a_traceback_loses_its_colours_and_its_middle() -> None:
    assert fit_lines(["\x1b[31ma\x1b[0m", "b"], 100) == ["a", "b"]
    assert fit_lines(["\x1b[31ma\x1b[0m", "b"], 100, keep_ansi=True) == ["\x1b[31ma\x1b[0m", "b"]
    cut = fit_lines([f"frame {number}" for number in range(1000)], 100)
    assert cut[0] == "frame 0"
    assert cut[-1] == "frame 999"
    assert sum(map(len, cut)) < 200


def test_a_result_keeps_its_carriage_returns() -> None:
    assert fit_text("a\rb", 3) == "a\rb"
    assert fit_text("a\r" * 10, 10).startswith("a\ra\ra\ra\n... [10 of 20 ")
