"""Cells that IPython's transformers are not asked about are those which they would give back unchanged."""

from __future__ import annotations

import atexit
import random
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest
from IPython.core.autocall import IPyAutocall
from IPython.core.inputtransformer2 import TransformerManager
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.macro import Macro
from IPython.core.prefilter import PrefilterChecker
from traitlets.config import Config

from kernelet.ipython.plain_cells import PlainCells, is_plain

# What changes a cell, alone or in the wrong place; put into real code at random.
BITS = [
    *"%!?,;/\\ \t\n\r\x0b\x0c()[]{}'\"#.:=",
    *(">>> ", "... ", "In [1]: ", "...: ", "'''", '"""', "\n\n", "\n  \n", "a?", "%ls", "%%time\n", "!ls", "x = !ls"),
    *("y = %who", "f 1, 2", ",f a", ";f a", "/f a", "\\\n", "\x00", "\xe9"),
]


@pytest.fixture(scope="module")
def shell() -> Iterator[InteractiveShell]:
    config = Config()
    config.HistoryManager.enabled = False
    shell = InteractiveShell(config=config)
    yield shell
    atexit.unregister(shell.atexit_operations)


def pieces(number: random.Random) -> Iterator[str]:
    """Yield parts of the standard library, whole lines, some of them damaged."""
    library = sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py"))
    for path in number.sample(library, 40):
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
        for _ in range(25):
            start = number.choice([n for n, line in enumerate(lines) if not line[0].isspace()])
            piece = "".join(lines[start : start + number.choice((1, 1, 2, 5, 30))])
            for _ in range(number.choice((0, 0, 1, 3))):
                at = number.randrange(len(piece) + 1)
                piece = piece[:at] + number.choice(BITS) + piece[at:]
            yield piece


@pytest.mark.parametrize("seed", range(4))
def test_what_is_plain_is_what_ipython_leaves_as_it_is(shell: InteractiveShell, seed: int) -> None:
    cells, plain = PlainCells(shell), 0
    for code in pieces(random.Random(seed)):
        ours = cells.unchanged(code)
        if ours is None:
            continue
        plain += 1
        try:
            theirs = shell.transform_cell(code)
        except IndentationError:  # the tokenizer's; compile() refuses it as well, and names the cell
            with pytest.raises(SyntaxError):
                compile(ours, "", "exec")
            continue
        assert ours == theirs, repr(code)
    assert plain > 100


@pytest.mark.parametrize(
    "code",
    [
        *("%time x", "!ls", "x?", "x = !ls", "x = %who", ",f a b", "  x = 1", "\nx = 1", ">>> x = 1", "In [3]: x"),
        *(
            "   ...: x",
            "if x:\n    /f a",
            "x = 1\n   \ny = 2",
            "ls",
            "cd ..",
            "who",
            "exit",
            "exit()",
            "m",
            "x\r\ny",
            "x\u2028y",
            "x\x85y",
            "x = '\ud800'",
            "x\x00",
            "x\x0cy",
        ),
    ],
)
def test_ipython_is_asked_about_everything_else(shell: InteractiveShell, code: str) -> None:
    shell.user_ns["m"] = Macro("1")
    shell.user_ns["exit"] = IPyAutocall(shell)
    assert PlainCells(shell).unchanged(code) is None


@pytest.mark.parametrize(
    "code", ["pass", "x = 1", "ls = 1", "who, y = 1, 2", "print(1)", "x.y(2)\n", "if x:\n    y\n", "\\\nx"]
)
def test_plain_cells_get_a_line_end_and_nothing_else(shell: InteractiveShell, code: str) -> None:
    assert PlainCells(shell).unchanged(code) == code.rstrip("\n") + "\n" == shell.transform_cell(code)


def test_ipython_is_asked_once_somebody_has_changed_what_it_does(shell: InteractiveShell) -> None:
    manager, prefilter = shell.input_transformer_manager, shell.prefilter_manager
    assert prefilter is not None
    cells = PlainCells(shell)
    for transforms in (manager.cleanup_transforms, manager.line_transforms, shell.input_transformers_post):
        transforms.append(lambda lines: lines)
        assert cells.unchanged("x = 1\ny = 2") is None
        transforms.pop()
    manager.token_transformers.append(manager.token_transformers[0])
    assert cells.unchanged("x = 1\ny = 2") is None
    manager.token_transformers.pop()
    assert cells.unchanged("x = 1\ny = 2") == "x = 1\ny = 2\n"
    checker = PrefilterChecker(shell=shell, prefilter_manager=prefilter, parent=prefilter)
    assert cells.unchanged("x = 1") is None
    assert PlainCells(shell).unchanged("x = 1") is None
    prefilter.unregister_checker(checker)
    assert cells.unchanged("x = 1") == "x = 1\n"
    shell.autocall = 1
    assert cells.unchanged("print 1") is None
    shell.autocall = 0


def test_a_manager_of_another_kind_is_asked(shell: InteractiveShell) -> None:
    class Own(TransformerManager):
        pass

    before, shell.input_transformer_manager = shell.input_transformer_manager, Own()
    assert PlainCells(shell).unchanged("x = 1") is None
    shell.input_transformer_manager = before
    assert is_plain("x = 1\n")
