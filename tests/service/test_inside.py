"""What the service runs in kernels: variables, the standard functions, snapshots."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from frontend import Frontend
from kernelet.service.inside import snapshot, stdlib, variables
from kernelet.service.inside.expression import NAME, InsideError, answer, request_content
from kernelet.service.text_budget import strip_ansi

MB = 1 << 20


class Inside:
    """A kernel into which the service's own functions are sent, as the engine sends them."""

    def __init__(self) -> None:
        self.frontend = Frontend()

    def __call__(self, function: Any, /, **arguments: object) -> Any:
        """Call a function of service/inside in the kernel; nothing may come out but the answer."""
        msg_id = self.frontend.send("execute_request", request_content(function, **arguments))
        return answer(self.frontend.result(msg_id).reply["content"])

    def run(self, code: str) -> None:
        assert self.frontend.execute(code).status == "ok"

    def value(self, expression: str) -> str:
        """Return the text of an expression."""
        result = self.frontend.execute("", silent=True, user_expressions={NAME: expression})
        return str(result.reply["content"]["user_expressions"][NAME]["data"]["text/plain"])


@pytest.fixture(scope="module")
def inside() -> Iterator[Inside]:
    """A kernel shared by the tests of a module: they use names of their own."""
    kernel = Inside()
    yield kernel
    kernel.frontend.close()


def save(inside: Inside, path: Path, max_bytes: int = MB, max_seconds: float = 60) -> Any:
    return inside(snapshot.save, path=str(path), max_bytes=max_bytes, max_seconds=max_seconds)


def load(inside: Inside, path: Path, max_bytes: int = MB) -> Any:
    return inside(snapshot.load, path=str(path), max_bytes=max_bytes)


@pytest.fixture
def clean(inside: Inside) -> Inside:
    """The shared kernel, without variables."""
    inside.run("%reset -f")
    return inside


def test_the_users_variables_and_no_others_are_listed(clean: Inside) -> None:
    clean.run("import os\nnumber = 3\ntext = 'x' * 100\nnested = [[1], [2]]\n_private = 1\n1 + 1\ndef f(): pass")
    answer = clean(variables.variables)
    assert answer["variables"] == ["os", "number", "text", "nested", "f"]
    assert answer["count"] == 5
    assert answer["details"][1:4] == [
        {"name": "number", "type": "int", "summary": "3"},
        {"name": "text", "type": "str", "summary": f"'{'x' * 60}'... (100)"},
        {"name": "nested", "type": "list", "summary": "2 items"},
    ]


def test_looking_leaves_no_trace(clean: Inside) -> None:
    before = clean.value("sorted(globals())"), clean.value("get_ipython().execution_count")
    clean(variables.variables)
    assert (clean.value("sorted(globals())"), clean.value("get_ipython().execution_count")) == before


def test_a_list_runs_no_code_of_the_users_classes(clean: Inside) -> None:
    clean.run("class Loud:\n    def __repr__(self): 1 / 0\n    __len__ = __str__ = shape = __repr__\nloud = Loud()")
    assert clean(variables.variables)["details"][1] == {"name": "loud", "type": "Loud", "summary": ""}


def test_one_variable_is_shown_within_bounds(clean: Inside) -> None:
    clean.run("text = 'a' * 1000")
    answer = clean(variables.variable, name="text", max_chars=100)
    assert answer["type"] == "str"
    assert answer["value"] == "a" * 70 + "\n... [900 of 1000 chars omitted] ...\n" + "a" * 30
    assert "902 of 1002" in answer["repr"]
    with pytest.raises(InsideError, match="'absent' not found"):
        clean(variables.variable, name="absent", max_chars=100)


def test_a_repr_that_raises_is_told(clean: Inside) -> None:
    clean.run("class Bad:\n    def __repr__(self): raise ValueError('no')\nbad = Bad()")
    assert clean(variables.variable, name="bad", max_chars=100)["repr"] == "<ValueError: no>"


def test_standard_functions_see_the_users_variables_and_are_no_variables(clean: Inside) -> None:
    answer = clean(stdlib.load, source="import math\ndef twice_x(): return 2 * x\n_help = 1")
    assert answer == {"names": ["math", "twice_x"]}
    clean.run("x = 21")
    assert clean.value("twice_x()") == "42"
    assert clean(variables.variables)["variables"] == ["x"]
    clean.run("def twice_x(): pass")  # the user's own from now on
    assert sorted(clean(variables.variables)["variables"]) == ["twice_x", "x"]


def test_a_standard_function_that_fails_shows_its_line(clean: Inside) -> None:
    clean(stdlib.load, source="def fails():\n    return 1 / 0\n")
    result = clean.frontend.execute("fails()")
    assert "return 1 / 0" in strip_ansi("".join(result.error["traceback"]))


def test_a_broken_standard_library_changes_nothing(clean: Inside) -> None:
    clean.run("mine = 1")
    with pytest.raises(InsideError, match="division") as raised:
        clean(stdlib.load, source="mine = 2\nother = 3\n1 / 0")
    assert raised.value.name == "ZeroDivisionError"
    assert (clean.value("mine"), clean(variables.variables)["variables"]) == ("1", ["mine"])
    with pytest.raises(InsideError):
        clean(stdlib.load, source="def f(:")


def test_the_kinds_of_standard_names_are_told_without_defining_them(clean: Inside) -> None:
    source = (
        "import os.path as p\nfrom functools import partial\nimport json\nclass C: pass\ndef f(): pass\nN = 3\n_x = 1"
    )
    assert clean(stdlib.kinds, source=source) == {
        "functions": ["partial", "C", "f"],
        "modules": ["p", "json"],
        "other": ["N"],
        "count": 6,
    }
    assert clean(variables.variables)["count"] == 0


def test_what_is_saved_comes_back_and_what_is_not_is_named(clean: Inside, tmp_path: Path) -> None:
    clean.run(
        """
import threading, math as m, tempfile
data = {"a": [1, 2]}
same = data["a"]
square = lambda v: v * factor
factor = 3
class Point:
    def __init__(self, x): self.x = x
    def scaled(self): return Point(self.x * factor)
point = Point(2)
lock = threading.Lock()
squares = (n * n for n in range(3))
file = tempfile.TemporaryFile()
_mine = "kept"
1 + 1
"""
    )
    report = save(clean, tmp_path / "deep" / "one.zip")
    assert report["saved"] == [
        "data", "same", "square", "factor", "Point", "point", "_mine", "threading", "m", "tempfile",
    ]  # fmt: skip
    assert [(entry["name"], entry["type"]) for entry in report["skipped"]] == [
        ("lock", "lock"), ("squares", "generator"), ("file", "BufferedRandom"),
    ]  # fmt: skip
    assert "cannot pickle" in report["skipped"][0]["reason"]
    assert report["size_bytes"] == (tmp_path / "deep" / "one.zip").stat().st_size
    clean.run("%reset -f")
    loaded = load(clean, tmp_path / "deep" / "one.zip")
    assert sorted(loaded["variables"]) == sorted(report["saved"])
    assert loaded["skipped"] == []
    assert clean.value("(data, same is data['a'], _mine, m.pi > 3)") == "({'a': [1, 2]}, True, 'kept', True)"
    clean.run("factor = 10")  # a function that came back sees the session's variables, not a copy
    assert clean.value("(square(2), point.scaled().x, type(point) is Point)") == "(20, 20, True)"


def test_a_variable_that_cannot_be_read_takes_no_other_along(clean: Inside, tmp_path: Path) -> None:
    clean.run(
        """
shared = ["shared"]
class Fragile:
    def __init__(self): self.part = ["part"]
    def __setstate__(self, state): raise ValueError("fragile")
before = [shared]
fragile = Fragile()
part = [fragile.part]
after = [shared, "after"]
"""
    )
    assert save(clean, tmp_path / "s.zip")["skipped"] == []
    clean.run("%reset -f")
    loaded = load(clean, tmp_path / "s.zip")
    assert {entry["name"]: entry["reason"] for entry in loaded["skipped"]}["fragile"] == "ValueError: fragile"
    assert clean.value("(before, after, before[0] is after[0] is shared)") == (
        "([['shared']], [['shared'], 'after'], True)"
    )
    # What only the fragile one held is either whole or named, never another object.
    if "part" in loaded["variables"]:
        assert clean.value("part") == "[['part']]"


def test_what_is_over_the_size_budget_is_named_and_the_rest_is_saved(clean: Inside, tmp_path: Path) -> None:
    clean.run("small = 1\nlarge = bytes(300_000)\nlast = [2]")
    report = save(clean, tmp_path / "s.zip", max_bytes=100_000)
    assert report["saved"] == ["small", "last"]
    assert report["skipped"] == [{"name": "large", "type": "bytes", "reason": "over the size budget"}]


def test_what_is_over_the_time_budget_is_named(clean: Inside, tmp_path: Path) -> None:
    clean.run("one = 1\ntwo = 2")
    report = save(clean, tmp_path / "s.zip", max_seconds=-1)
    assert [entry["reason"] for entry in report["skipped"]] == ["over the time budget"] * 2
    assert load(clean, tmp_path / "s.zip")["variables"] == []


def test_an_interrupted_save_leaves_no_file(clean: Inside, tmp_path: Path) -> None:
    clean.run("class Stops:\n    def __reduce__(self): raise KeyboardInterrupt\nstops = Stops()")
    with pytest.raises(InsideError) as raised:
        save(clean, tmp_path / "s.zip")
    assert raised.value.name == "KeyboardInterrupt"
    assert list(tmp_path.iterdir()) == []


def rewrite(path: Path, **files: bytes) -> None:
    with zipfile.ZipFile(path) as archive:
        old = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in {**old, **{name.replace("__", "."): data for name, data in files.items()}}.items():
            archive.writestr(name, data)


EVIL = b"cos\nsystem\n(S'touch evil'\ntR."


def test_a_snapshot_that_was_changed_is_refused_and_nothing_of_it_runs(clean: Inside, tmp_path: Path) -> None:
    clean.run("x = 1")
    path = tmp_path / "s.zip"

    def refused(complaint: str, max_bytes: int = MB) -> None:
        clean.run("%reset -f")
        with pytest.raises(InsideError, match=complaint) as raised:
            load(clean, path, max_bytes)
        assert raised.value.name == "SnapshotError"
        assert clean(variables.variables)["count"] == 0
        assert not (clean.frontend.sandbox.path / "evil").exists()

    save(clean, path)
    rewrite(path, data__pkl=EVIL)
    refused("checksum")
    rewrite(path, more__py=b"")
    refused("other files")
    path.write_bytes(path.read_bytes()[:-30])
    refused("no snapshot")
    path.write_bytes(b"")
    refused("no snapshot")
    clean.run("x = 1")
    save(clean, path)
    rewrite(path, manifest__json=b"[]")
    refused("format")
    clean.run("x = 1")
    save(clean, path)
    with zipfile.ZipFile(path) as archive:
        manifest = json.loads(archive.read("manifest.json"))
    rewrite(path, manifest__json=json.dumps({**manifest, "python": [3, 1]}).encode())
    refused("Python 3.1,")
    rewrite(path, data__pkl=bytes(3 * MB))
    refused("budget", max_bytes=MB)


def test_a_snapshot_that_is_not_there_is_told(clean: Inside, tmp_path: Path) -> None:
    with pytest.raises(InsideError) as raised:
        load(clean, tmp_path / "absent.zip")
    assert raised.value.name == "FileNotFoundError"


def test_a_module_that_is_gone_is_named_and_the_rest_loads(clean: Inside, tmp_path: Path) -> None:
    (clean.frontend.sandbox.path / "passing_module.py").write_text("class Thing: pass\n")
    clean.run(
        "import sys, os; sys.path.insert(0, os.getcwd())\nimport passing_module\nthing = passing_module.Thing()\nx = 1"
    )
    save(clean, tmp_path / "s.zip")
    (clean.frontend.sandbox.path / "passing_module.py").unlink()
    clean.run("%reset -f\nimport sys, importlib; del sys.modules['passing_module']; importlib.invalidate_caches()")
    loaded = load(clean, tmp_path / "s.zip")
    assert [entry["name"] for entry in loaded["skipped"]] == ["passing_module", "thing"]
    assert clean.value("x") == "1"
