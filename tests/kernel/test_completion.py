"""What helps while a cell is written: complete, inspect and is_complete."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from frontend import Frontend, Json


def complete(kernel: Frontend, code: str, cursor_pos: int | None = None) -> Json:
    """Return the content of the reply to a complete_request."""
    content = {"code": code, "cursor_pos": len(code) if cursor_pos is None else cursor_pos}
    reply = kernel.request("complete_request", content).content
    assert set(reply) == {"status", "matches", "cursor_start", "cursor_end", "metadata"}
    assert reply["status"] == "ok"
    return reply


def inspect(kernel: Frontend, code: str, detail_level: int = 0, cursor_pos: int | None = None) -> Json:
    """Return the content of the reply to an inspect_request."""
    content = {
        "code": code,
        "cursor_pos": len(code) if cursor_pos is None else cursor_pos,
        "detail_level": detail_level,
    }
    reply = kernel.request("inspect_request", content).content
    assert set(reply) == {"status", "found", "data", "metadata"}
    return reply


# -- complete


def test_completion_replaces_the_word_before_the_cursor(kernel: Frontend) -> None:
    reply = complete(kernel, "x = zi")
    assert reply["matches"] == ["zip"]
    assert (reply["cursor_start"], reply["cursor_end"]) == (4, 6)


def test_completion_types_tell_kind_and_place(kernel: Frontend) -> None:
    kernel.execute("def completed_function(a, b): ...\ncompleted_number = 1")
    types = complete(kernel, "completed_")["metadata"]["_jupyter_types_experimental"]
    by_text = {entry["text"]: entry for entry in types}
    assert by_text["completed_function"]["type"] == "function"
    assert by_text["completed_number"]["type"] in ("instance", "statement")
    for entry in types:
        assert (entry["start"], entry["end"]) == (0, 10)
        assert isinstance(entry.get("signature", ""), str)


def test_completion_offsets_are_code_points(kernel: Frontend) -> None:
    kernel.execute("lengthy_name = 1")
    reply = complete(kernel, "'😀é𝒜'; lengthy_na")
    assert reply["matches"] == ["lengthy_name"]
    assert (reply["cursor_start"], reply["cursor_end"]) == (7, 17)


def test_completion_looks_only_before_the_cursor(kernel: Frontend) -> None:
    reply = complete(kernel, "zi + 1", 2)
    assert reply["matches"] == ["zip"]
    assert (reply["cursor_start"], reply["cursor_end"]) == (0, 2)


def test_completion_without_a_cursor_means_the_end(kernel: Frontend) -> None:
    assert kernel.request("complete_request", {"code": "zi", "cursor_pos": None}).content["matches"] == ["zip"]


@pytest.mark.parametrize(
    ("code", "match"),
    [
        ("import colle", "collections"),
        ("from os import getcw", "getcwd"),
        ("'text'.upp", "upper"),
        ("%timei", "%timeit"),
        ("%%wri", "%%writefile"),
        ("known['al", "alpha"),
        ("sorted([1], rev", "reverse="),
        ("\\alpha", "α"),
    ],
)
def test_completion_knows_python_magics_keys_and_symbols(kernel: Frontend, code: str, match: str) -> None:
    kernel.execute("known = {'alpha': 1, 'beta': 2}")
    assert any(match in found for found in complete(kernel, code)["matches"])


def test_completion_of_file_names(kernel: Frontend) -> None:
    kernel.execute("open('a_file_to_complete.txt', 'w').close(); open('a_file_to_complete.py', 'w').close()")
    for code in ("%run a_file_to_com", "open('a_file_to_com"):
        assert any("a_file_to_complete" in match for match in complete(kernel, code)["matches"]), code


@pytest.mark.parametrize("code", ["", "no_such_name_any", "1 +* )(", "'unterminated", "\n\n\n"])
def test_completion_of_nothing_is_an_empty_list_or_names(kernel: Frontend, code: str) -> None:
    reply = complete(kernel, code)
    assert isinstance(reply["matches"], list)
    assert 0 <= reply["cursor_start"] <= reply["cursor_end"] <= len(code)


def test_completion_evaluates_no_call(kernel: Frontend) -> None:
    kernel.execute("called = []\ndef call():\n    called.append(1)\n    return 'text'")
    complete(kernel, "call().upp")
    assert kernel.execute("called").result == {"text/plain": "[]"}


# -- inspect


def test_inspect_shows_signature_and_docstring(kernel: Frontend) -> None:
    kernel.execute("def inspected(a, b=2):\n    '''Documented here.'''\n    return 'the body'")
    reply = inspect(kernel, "inspected")
    assert reply["status"] == "ok"
    assert reply["found"] is True
    text = reply["data"]["text/plain"]
    assert "Documented here." in text
    assert "the body" not in text
    assert "the body" in inspect(kernel, "inspected", detail_level=1)["data"]["text/plain"]


def test_inspect_finds_the_function_whose_call_is_being_written(kernel: Frontend) -> None:
    assert "iterable" in inspect(kernel, "sorted([1, 2], ")["data"]["text/plain"]
    assert "iterable" in inspect(kernel, "x = sorted(y)", cursor_pos=7)["data"]["text/plain"]


def test_inspect_cursor_is_in_code_points(kernel: Frontend) -> None:
    assert inspect(kernel, "'😀😀'; sorted; 1 ", cursor_pos=9)["found"] is True


@pytest.mark.parametrize("code", ["no_such_name_any", "", "1 +", "  "])
def test_inspect_of_nothing_is_not_found(kernel: Frontend, code: str) -> None:
    assert inspect(kernel, code) == {"status": "ok", "found": False, "data": {}, "metadata": {}}


def test_inspect_has_no_json_that_lab_would_prefer(kernel: Frontend) -> None:
    kernel.execute("table = {'a': 1}")
    for name in ("table", "zip", "%timeit"):
        assert "application/json" not in inspect(kernel, name)["data"]


def test_inspect_knows_magics(kernel: Frontend) -> None:
    assert "timeit" in inspect(kernel, "%timeit")["data"]["text/plain"]


def test_inspect_survives_a_hostile_object(kernel: Frontend) -> None:
    kernel.execute(
        "class Hostile:\n    def __getattr__(self, name):\n        raise RuntimeError(name)\nhostile = Hostile()"
    )
    assert inspect(kernel, "hostile")["status"] in ("ok", "error")
    assert kernel.execute("1").status == "ok"


# -- is_complete


@pytest.mark.parametrize(
    ("code", "status", "indent"),
    [
        ("1", "complete", None),
        ("", "complete", None),
        ("x = 1\ny = 2", "complete", None),
        ("def f(x):", "incomplete", "    "),
        ("for x in y:\n    if x:", "incomplete", "        "),
        ("def f(x):\n  x*2", "incomplete", "  "),
        ("print('''hello", "incomplete", ""),
        ("f(1,", "incomplete", ""),
        ("async def f():\n    await g()\n", "complete", None),
        ("await f()", "complete", None),
        ("import = 7q", "invalid", None),
        ("1 2 3 )", "invalid", None),
        ("%%timeit\nx = 1", "incomplete", ""),
        ("%timeit 1", "complete", None),
        ("!ls", "complete", None),
        ("x?", "complete", None),
    ],
)
def test_is_complete_tells_status_and_indent(kernel: Frontend, code: str, status: str, indent: str | None) -> None:
    reply = kernel.request("is_complete_request", {"code": code}).content
    assert reply["status"] == status
    if indent is None:
        assert not reply.get("indent")
    else:
        assert reply["indent"] == indent
    assert set(reply) <= {"status", "indent"}


@pytest.mark.better_than_ipykernel("answers with nothing, and so does each kernel of this user from then on")
def test_a_damaged_cache_of_jedis_costs_no_completions(start_kernel: Callable[..., Frontend], tmp_path: Path) -> None:
    """As a kernel leaves it that is killed while it writes, and as another one sees it meanwhile."""
    kernel = start_kernel(env={"XDG_CACHE_HOME": str(tmp_path)})
    code = "import string; string.capw"
    assert complete(kernel, code)["matches"] == ["capwords"]
    files = list(tmp_path.rglob("*.pkl"))
    assert files
    for file in files:
        file.write_bytes(file.read_bytes()[:100])
    kernel.execute("from parso import cache; cache.parser_cache.clear()")  # as a new kernel finds it
    assert complete(kernel, code)["matches"] == ["capwords"]
    assert all(file.stat().st_size > 100 for file in files)
