"""What is known without jedi: attributes of plain values, and after which code anything is known at all."""

from __future__ import annotations

import inspect

import pytest
from IPython.core.completer import IPCompleter

from kernelet.ipython import completer


@pytest.mark.parametrize("value", ["", 1, 1.0, 1j, True, b"", bytearray(), [], (), {}, set(), frozenset(), range(1)])
def test_each_attribute_of_a_plain_value_has_its_kind_and_signature(value: object) -> None:
    told = {name: (kind, signature) for name, kind, signature in completer.attributes(value)}
    assert set(told) == set(dir(value))
    for name, (kind, signature) in told.items():
        attribute = getattr(value, name)
        assert kind == ("class" if inspect.isclass(attribute) else "function" if signature else "instance"), name
        try:
            expected = str(inspect.signature(attribute)) if kind == "function" else None
        except ValueError:
            continue
        if expected is not None:
            assert "(" + signature == expected, name


@pytest.fixture
def ours() -> IPCompleter:
    return IPCompleter(namespace={"text": "a", "own": type("Own", (str,), {})()}, global_namespace={})


@pytest.mark.parametrize(
    "code", ["text.", "print(text.up", "a = 1\ntext.", "if a:\n    b = text.", "import o", "x\nfrom o"]
)
def test_no_jedi_is_needed_for(ours: IPCompleter, code: str) -> None:
    assert completer.known(ours, code)


@pytest.mark.parametrize(
    "code",
    ["own.", "other.", "text.upper().", "text = 1\ntext.", "'text.", "# text.", "import text.", "(\ntext.", "tex",
     "lambda text.", "'''\ntext.", "\\\ntext.", "from a import *\ntext.", "import o, p", "import o.",
     "from . import o", "x\\\nimport o"],
)  # fmt: skip
def test_jedi_is_asked_for(ours: IPCompleter, code: str) -> None:
    assert completer.known(ours, code) is None


def test_what_one_underscore_hides_is_hidden_after_a_dot(ours: IPCompleter) -> None:
    def names(code: str) -> list[str]:
        return [one.name for one in completer.jedi_matches(ours, len(code), 0, code)]

    assert not [name for name in names("text.") if name.startswith("_")]
    assert "__len__" in names("text._")
    ours.omit__names = 0
    assert "__len__" in names("text.")
