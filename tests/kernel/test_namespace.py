"""Magics that walk over the namespace work while cells of other subshells add names to it and delete others."""

from __future__ import annotations

import re

import pytest

from frontend import Frontend

# Stands in for another thread, at the worst moment: a name that adds names, and deletes one, whenever IPython looks at
# it or at its value.
RESTLESS = """
class Meddling:
    def meddle(self):
        for _ in range(2):
            globals()[f"added{len(globals())}"] = 1
        globals().pop("going", None)
class Name(Meddling, str):
    __hash__ = str.__hash__
    __eq__ = str.__eq__
    def startswith(self, *args):
        self.meddle()
        return str.startswith(self, *args)
class Value(Meddling):
    def __str__(self):
        self.meddle()
        return "a value"
    @property
    def __class__(self):
        self.meddle()
        return str
globals()[Name("apple")] = Value()
going = 1
zebra = 1
"""


@pytest.fixture
def restless(fresh_kernel: Frontend) -> Frontend:
    assert fresh_kernel.execute(RESTLESS).status == "ok"
    return fresh_kernel


@pytest.mark.parametrize("magic", ["%who", "%whos", "print(*get_ipython().run_line_magic('who_ls', ''), sep='\\n')"])
def test_names_are_listed_as_they_were_when_somebody_asked(restless: Frontend, magic: str) -> None:
    result = restless.execute(magic)
    assert (result.status, result.stderr) == ("ok", "")
    assert [name for name in re.findall(r"\w+", result.stdout) if name in ("apple", "going", "zebra")] == [
        "apple",
        "going",
        "zebra",
    ]
    assert "added" not in result.stdout


def test_names_of_a_type_are_listed_although_one_goes_meanwhile(restless: Frontend) -> None:
    assert restless.execute("%who_ls int").result == {"text/plain": "['going', 'zebra']"}


@pytest.mark.parametrize("search", ["*e*?", "%psearch ap* function", "ap*.*e*?"])
def test_names_are_searched(restless: Frontend, search: str) -> None:
    result = restless.execute(search)
    assert (result.status, result.stdout, result.stderr, result.error) == ("ok", "", "", None)


def test_names_are_deleted_by_pattern(restless: Frontend) -> None:
    result = restless.execute("%reset_selective -f ^(apple|going|zebra)$")
    assert (result.status, result.error) == ("ok", None)
    assert restless.execute("[one for one in ('apple', 'going', 'zebra') if one in globals()]").result == {
        "text/plain": "[]"
    }


def test_a_soft_reset_deletes_what_is_there(restless: Frontend) -> None:
    assert restless.execute("going = 1; del globals()['apple']").status == "ok"
    assert restless.execute("%reset -s -f").status == "ok"
    assert restless.execute("[one for one in ('Name', 'going', 'zebra') if one in globals()]").result == {
        "text/plain": "[]"
    }


def test_a_deleted_variable_is_gone_under_all_its_names(fresh_kernel: Frontend) -> None:
    fresh_kernel.execute("one = object()\ntwo = one\nthree = [one]")
    assert fresh_kernel.execute("%xdel one").status == "ok"
    assert fresh_kernel.execute("[name for name in ('one', 'two', 'three') if name in globals()]").result == {
        "text/plain": "['three']"
    }
    assert fresh_kernel.execute("%xdel -n three").status == "ok"
    assert fresh_kernel.execute("'three' in globals()").result == {"text/plain": "False"}


def test_the_help_of_the_magics_is_ipythons(fresh_kernel: Frontend) -> None:
    payload = fresh_kernel.execute("%who?").content["payload"]
    assert "Print all interactive variables" in payload[0]["data"]["text/plain"]
    assert fresh_kernel.execute("%reset?").content["payload"]
