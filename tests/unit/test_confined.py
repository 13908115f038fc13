"""The wrapper in front of a spawned kernel: what it takes and what it refuses."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from kernelet.launch.confined import REFUSED, Confinement, ConfinementError, main


def test_a_description_makes_the_round_trip() -> None:
    confinement = Confinement.from_config({"nofile": 64}, "net")
    assert Confinement.from_config(**json.loads(json.dumps(confinement.as_config()))) == confinement


def test_nothing_to_confine_leaves_the_command_alone() -> None:
    assert Confinement.from_config(None, None).command(["a", "b"]) == ["a", "b"]
    assert Confinement.from_config({}, {"upload_dir": "/x"}).command(["a"]) == ["a"]
    Confinement().probe()


def test_a_folder_that_stays_writable_is_added() -> None:
    assert Confinement.from_config({}, "full").with_writable("/a", "/b").isolation.writable == ("/a", "/b")


@pytest.mark.parametrize("limits, isolation", [({"nofile": "x"}, None), ({}, "fool"), ({}, {"level": "x"})])
def test_a_bad_description_is_an_error(limits: dict[str, object], isolation: str | None) -> None:
    with pytest.raises(ConfinementError):
        Confinement.from_config(limits, isolation)


def test_bad_arguments_are_refused_with_a_status_of_their_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == REFUSED
    assert main(["no json"]) == REFUSED
    assert main(['{"limits": {"nofile": -1}, "isolation": null}']) == REFUSED
    assert "nofile" in capsys.readouterr().err.splitlines()[-1]


def test_the_command_runs_with_the_limit() -> None:
    code = (
        "import resource; print(resource.getrlimit(resource.RLIMIT_NOFILE), resource.getrlimit(resource.RLIMIT_CORE))"
    )
    command = Confinement.from_config({"nofile": 99}, None).command([sys.executable, "-c", code])
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "(99, 99) (0, 0)\n"


def test_a_command_that_is_not_there_is_refused() -> None:
    done = subprocess.run(
        Confinement.from_config({"nofile": 99}, None).command(["/no/such"]), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr.split(":")[0]) == (REFUSED, "/no/such")
