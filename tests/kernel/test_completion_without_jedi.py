"""What is answered without jedi is what IPython and jedi answer: both completers are asked the same questions."""

from __future__ import annotations

import pytest

from frontend import Frontend, Json

SETUP = """
text, number, table, listed, none = 'text', 3, {'alpha': 1}, [1], None
ratio, pair, few, raw, yes, span = 1.5, (1,), {1}, b'1', True, range(3)
class Own(str):
    own = 1
own = Own('a')
get_ipython().Completer.jedi_compute_type_timeout = 60_000
"""
# IPython's own completer, as it is without a kernel.
THEIRS = """
def become():
    completer = get_ipython().Completer
    vars(completer).pop("_jedi_matches", None)
    for chain in completer.custom_completers.strs.values():
        chain.chain = [one for one in chain.chain if one[0] >= 50]
become(); del become
"""
NAMES = ("text", "number", "table", "listed", "ratio", "pair", "few", "raw", "yes", "span", "none", "own")
PLACES = (
    "print({}", "y = {}", "  {}", "return {}", "foo(a=1, b={}", "1 + {}", "def {}", "class {}", "import {}", "from {}",
    "lambda {}", "for {}", "del {}", "'{}", "# {}", "f'{{{}", "a.{}", "a..{}", "3.{}", "%time {}", "!ls {}", "a b {}",
    "f(**{}", "f(*{}", "def f(a={}", "a: {}", "{{'a': {}", "async {}", "with a as {}", "@{}", "global {}", ") {}",
    "text = {}", "(lambda q: {}", "try: {}", "else: {}", "x; {}",
)  # fmt: skip
ABOVE = (
    "a = 1\n", "%matplotlib inline\n", "'''doc'''\n", "def g():\n", "if True:\n    y = 1\n", "text = 5\n", "foo(\n",
    "a = '''\n", "from os import *\n", "# text\n", "a = 1 + \\\n", "!ls\n", "y = text\n", "def f(:\n", "1 +* 2\n",
    "?x\n", "import sys; sys.path.append('/nowhere')\n", "class K:\n    def k(self):\n", "try:\n    a\n", "'a' b\n",
)  # fmt: skip


def questions() -> list[tuple[str, int]]:
    """Return codes with cursors."""
    codes = [f"{name}.{part}" for name in NAMES for part in ("", "_", "__", "c", "zz")]
    codes += [place.format("text.") for place in PLACES] + [place.format("number.re") for place in PLACES]
    codes += [
        above + code for above in ABOVE for code in ("text.", "    text.", "print(text.u", "import js", "    import js")
    ]
    codes += [
        f"{word} {part}" for word in ("import", "from", "  import", "import ") for part in ("", "js", "_", "zzqq", "é")
    ]
    codes += ["import json, js", "import json as js", "import (js", "importjs", "import json."]
    return [(code, len(code)) for code in codes] + [("print(text.)\ny", cursor) for cursor in range(13)]


def told(reply: Json) -> Json:
    """Return what is compared: without the signatures, which Python tells better than jedi."""
    types = reply["metadata"].get("_jupyter_types_experimental", [])
    return {
        # IPython puts names that jedi does not know in the order of a set.
        "matches": sorted(reply["matches"]) if any(one["type"] == "<unknown>" for one in types) else reply["matches"],
        "span": (reply["cursor_start"], reply["cursor_end"]),
        "types": sorted((one["text"], one["type"], one["start"], one["end"]) for one in types),
    }


@pytest.mark.parametrize("chunk", range(4))
def test_answers_without_jedi_are_those_with_jedi(fresh_kernel: Frontend, chunk: int) -> None:
    kernel = fresh_kernel
    kernel.execute(SETUP)
    asked = [{"code": code, "cursor_pos": cursor} for code, cursor in questions()[chunk::4]]
    ours = [told(kernel.request("complete_request", content).content) for content in asked]
    assert kernel.execute(THEIRS, silent=True).status == "ok"
    theirs = [told(kernel.request("complete_request", content).content) for content in asked]
    for content, one, other in zip(asked, ours, theirs, strict=True):
        assert set(one["types"]) == set(other["types"]), content
        assert one == other, content


def test_plain_values_and_imports_need_no_jedi(fresh_kernel: Frontend) -> None:
    kernel = fresh_kernel
    kernel.execute("text = 'text'")
    kernel.request("complete_request", {"code": "text.", "cursor_pos": 5})
    kernel.request("complete_request", {"code": "import js", "cursor_pos": 9})
    assert "True" in kernel.execute("import sys; 'jedi' not in sys.modules").result["text/plain"]
    assert kernel.request("complete_request", {"code": "text.upper().", "cursor_pos": 13}).content["status"] == "ok"


def test_a_module_that_a_cell_has_just_written_completes(fresh_kernel: Frontend) -> None:
    kernel = fresh_kernel
    ask = {"code": "import zz_writ", "cursor_pos": 14}
    assert kernel.request("complete_request", ask).content["matches"] == []
    kernel.execute("open('zz_written.py', 'w').close()")
    assert kernel.request("complete_request", ask).content["matches"] == ["zz_written"]
    kernel.execute(
        "import os; os.remove('zz_written.py'); os.mkdir('zz_writer'); open('zz_writer/__init__.py', 'w').close()"
    )
    assert kernel.request("complete_request", ask).content["matches"] == ["zz_writer"]
