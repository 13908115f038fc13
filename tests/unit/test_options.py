"""The command line: the kernel's own options are taken out of it, everything else is left to IPython."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelet.kernel.options import InvalidOptions, parse


@pytest.mark.parametrize(
    "argv",
    [
        ["-f", "c.json"],
        ["-fc.json"],
        ["-f=c.json"],
        ["--f=c.json"],
        ["--f", "c.json"],
        ["--connection-file", "c.json"],
        ["--connection-file=c.json"],
        ["--connection_file=c.json"],
        ["--IPKernelApp.connection_file=c.json"],
        ["--KernelApp.connection_file=c.json"],
        ['--IPKernelApp.connection_file="c.json"'],
        ["--f='c.json'"],
        ["-f", "other.json", "-f", "c.json"],
    ],
)
def test_the_connection_file_is_found_in_every_spelling(argv: list[str]) -> None:
    options = parse(argv)
    assert (options.connection_file, dict(options.fields), list(options.rest)) == ("c.json", {}, [])


def test_without_options_there_is_no_file() -> None:
    options = parse([])
    assert (options.connection_file, dict(options.fields), list(options.rest)) == (None, {}, [])


@pytest.mark.parametrize("argv", [["-f"], ["--f="], ["-f", ""], ["--connection-file"], ["-f", '""']])
def test_a_file_option_without_a_file_is_refused_in_one_line(argv: list[str]) -> None:
    with pytest.raises(InvalidOptions, match=f"^{argv[0]} needs a file name$"):
        parse(argv)


@pytest.mark.parametrize("name", ["hb", "shell", "iopub", "stdin", "control"])
@pytest.mark.parametrize("prefix", ["--{}=5", "--{}_port=5", "--IPKernelApp.{}_port=5", "--KernelApp.{}_port=5"])
def test_ports_may_be_given(name: str, prefix: str) -> None:
    options = parse([prefix.format(name)])
    assert (dict(options.fields), list(options.rest)) == ({f"{name}_port": "5"}, [])


def test_the_address_may_be_given() -> None:
    argv = ["--ip", "::1", "--transport=ipc", "--IPKernelApp.ip='10.0.0.1'"]
    assert dict(parse(argv).fields) == {"ip": "10.0.0.1", "transport": "ipc"}


def test_the_rest_is_left_in_its_order() -> None:
    rest = ["--debug", "-c", "1", "--IPKernelApp.exec_lines=['ip=1']", "--HistoryManager.enabled=False", "shell", "--"]
    options = parse([*rest[:3], "-f", "c.json", "--shell=5", *rest[3:]])
    assert (options.connection_file, list(options.rest)) == ("c.json", rest)


@given(st.lists(st.text(max_size=4) | st.sampled_from(["-f", "--f", "--f=x", "--ip", "--shell=1", "--debug", "--x=y"])))
def test_any_command_line_is_split_or_refused(argv: list[str]) -> None:
    try:
        options = parse(argv)
    except InvalidOptions:
        return
    remaining = iter(argv)
    assert all(argument in remaining for argument in options.rest)  # a subsequence
