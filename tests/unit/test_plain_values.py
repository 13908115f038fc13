"""Values of builtin types look as IPython alone shows them, whatever is registered for them, and few are asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from IPython.core.formatters import BaseFormatter, DisplayFormatter
from traitlets import Unicode

from kernelet.ipython.plain_values import install

VALUES = [1, 2.5, True, None, "text", b"bytes", [1, "a"], (1, 2), {"a": [1]}, {1}, frozenset((1,)), 1j, "a\nb" * 99]


class Odd(int):
    def _repr_html_(self) -> str:
        return "<odd>"


class Own(BaseFormatter):
    """A formatter of the user's, which looks at nothing but the value."""

    format_type = Unicode("text/own")

    def __call__(self, obj: Any) -> Any:
        return f"own {obj}"


def registered(formatter: DisplayFormatter) -> None:
    formatter.formatters["text/html"].for_type(int, lambda value: f"<i>{value}</i>")
    formatter.formatters["image/png"].for_type_by_name("builtins", "list", lambda value: "PNG")
    formatter.formatters["text/latex"].for_type(object, lambda value: f"${value}$")


def singleton(formatter: DisplayFormatter) -> None:
    formatter.formatters["text/html"].singleton_printers[id(None)] = lambda value: "<none>"


def bundle(formatter: DisplayFormatter) -> None:
    formatter.mimebundle_formatter.for_type(str, lambda value, **more: ({"text/x": value}, {"text/x": {"a": 1}}))


def by_itself(formatter: DisplayFormatter) -> None:
    formatter.ipython_display_formatter.for_type(int, lambda value: None)


def chosen(formatter: DisplayFormatter) -> None:
    formatter.active_types = ["text/plain", "text/html"]


def own(formatter: DisplayFormatter) -> None:
    formatter.register_formatter(Own(parent=formatter))


def precise(formatter: DisplayFormatter) -> None:
    formatter.formatters["text/plain"].float_precision = 1


CHANGES = [registered, singleton, bundle, by_itself, chosen, own, precise]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
@pytest.mark.parametrize("value", [*VALUES, Odd(1), int, object], ids=lambda value: f"{value!r:.20}")
def test_a_value_looks_as_with_ipython_alone(change: Callable[[DisplayFormatter], None], value: Any) -> None:
    ours, theirs = DisplayFormatter(), DisplayFormatter()
    install(ours)
    for _ in range(2):  # the second time the registries have been asked for
        assert ours.format(value) == theirs.format(value)
    for formatter in (ours, theirs):
        change(formatter)
    if value is int or value is object:
        assert ours.format(value)[0].keys() == theirs.format(value)[0].keys()
    else:
        assert ours.format(value) == theirs.format(value)
    assert ours.format(value, include={"text/html"}) == theirs.format(value, include={"text/html"})
    assert ours.format(value, exclude=["text/plain"]) == theirs.format(value, exclude=["text/plain"])


@pytest.mark.parametrize("value", VALUES, ids=lambda value: f"{value!r:.20}")
def test_only_text_plain_is_asked_about_a_plain_value(value: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    formatter = DisplayFormatter()
    install(formatter)
    shown = formatter.format(value)
    asked: list[str] = []
    call = BaseFormatter.__call__

    def ask(self: BaseFormatter, obj: Any) -> Any:
        asked.append(self.format_type)
        return call(self, obj)

    monkeypatch.setattr(BaseFormatter, "__call__", ask)
    assert formatter.format(value) == shown
    assert asked == []
    formatter.format(Odd(1))
    assert "text/html" in asked
