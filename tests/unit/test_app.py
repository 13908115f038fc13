"""The command line that is left for IPython: options that nobody knows are taken out, and never end the kernel."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from IPython.core.application import BaseIPythonApplication

from kernelet.ipython.app import IPKernelApp, plain_options, split_unknown

NAMES = {*IPKernelApp.aliases, *IPKernelApp.flags}


def unknown(*argv: str) -> list[str]:
    known, unknown = split_unknown(argv, NAMES)
    assert sorted([*known, *unknown]) == sorted(argv)
    return unknown


@pytest.mark.parametrize(
    "argv",
    [
        ["--debug"],
        ["--quiet"],
        ["--profile=test"],
        ["--matplotlib", "inline"],
        ["--matplotlib=inline"],
        ["--no-pdb"],
        ["--pylab"],
        ["--ext", "autoreload"],
        ["-c", "1"],
        ["-c1"],
        ["-m", "module"],
        ["--IPKernelApp.exec_lines=['1']"],
        ["--Unknown.trait=1"],
        ["--", "-1"],
        ["-"],
        ["file.py"],
        ["-1"],
    ],
)
def test_what_ipython_knows_is_left_to_it(argv: list[str]) -> None:
    assert unknown(*argv) == []


@pytest.mark.parametrize("option", ["--colorful", "--no-such=1", "-z", "-zvalue", "--stdio"])
def test_what_nobody_knows_is_taken_out(option: str) -> None:
    assert unknown("--debug", option, "--profile=test") == [option]


def test_the_order_is_kept() -> None:
    argv = ["--debug", "--x", "a", "--y=1", "--profile=test"]
    assert split_unknown(argv, NAMES) == (["--debug", "a", "--profile=test"], ["--x", "--y=1"])


def test_names_may_be_tuples_as_traitlets_has_them() -> None:
    assert split_unknown(["-f", "--file", "--other"], {("f", "file")}) == (["-f", "--file"], ["--other"])


class Parsed(BaseIPythonApplication):
    """Parses as the kernel's application does, and looks for no profile."""

    aliases, flags = IPKernelApp.aliases, IPKernelApp.flags


@given(st.lists(st.from_regex(r"--?[A-Za-z][A-Za-z-]{0,6}(=[a-z1]{0,3})?", fullmatch=True), max_size=3))
def test_what_nobody_knows_never_ends_the_process(argv: list[str]) -> None:
    known, unknown = split_unknown(argv, NAMES)
    assume(not known)
    assert unknown == argv
    Parsed().parse_command_line(known)


def test_an_unknown_option_among_known_ones_is_no_end() -> None:
    known, _ = split_unknown(["--no-such=1", "--profile=test", "-z", "--debug"], NAMES)
    app = Parsed()
    app.parse_command_line(known)
    assert app.cli_config.Parsed.profile == "test"


PLAIN = [
    [],
    ["--HistoryManager.hist_file=:memory:"],
    ["--HistoryManager.enabled=False", "--HistoryManager.hist_file=a=b.sqlite"],
    ["--IPKernelApp.replay_bytes=1000", "--ZMQInteractiveShell.autocall=1", "--ProfileDir.location=/a b"],
    ["--IPKernelApp.log_level=DEBUG"],
]


@pytest.mark.parametrize("argv", PLAIN)
def test_plain_options_are_what_the_parser_makes_of_them(argv: list[str]) -> None:
    app = IPKernelApp()
    plain = plain_options(argv, app.classes)
    BaseIPythonApplication.parse_command_line(app, argv)
    assert plain == app.cli_config
    quick = IPKernelApp()
    quick.parse_command_line(argv)
    assert (quick.cli_config, quick.config, quick.argv, quick.extra_args) == (
        app.cli_config,
        app.config,
        app.argv,
        app.extra_args,
    )


@pytest.mark.parametrize(
    "argv",
    [
        ["--debug"],
        ["--profile=test"],
        ["file.py"],
        ["--"],
        ["--HistoryManager.hist_file", ":memory:"],
        ["-HistoryManager.hist_file=:memory:"],
        ["--HistoryManager.hist_file=a", "--HistoryManager.hist_file=b"],
        ["--HistoryManager.no_such=1"],
        ["--HistoryManager.hist_file.more=1"],
        ["--InteractiveShell.autocall=1"],
        ["--IPKernelApp.exec_lines=['1']"],
        ["--IPKernelApp.replay_bytes=many"],
    ],
)
def test_other_options_are_left_to_the_parser(argv: list[str]) -> None:
    assert plain_options(argv, IPKernelApp().classes) is None
