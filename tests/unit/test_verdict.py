from __future__ import annotations

import pytest

from kernelet.service.result import Error
from kernelet.service.verdict import Ending, Verdict, verdict


def error(name: str, value: str = "") -> Error:
    return Error(name=name, value=value)


@pytest.mark.parametrize(
    "ending, status, cause, exit_code, timed_out, state_lost",
    [
        (Ending(), "ok", None, None, False, False),
        (Ending(error("ValueError")), "error", None, None, False, False),
        (Ending(error("KeyboardInterrupt")), "interrupted", None, None, False, False),
        (Ending(error("KeyboardInterrupt"), stopped_for="timeout"), "interrupted", "timeout", None, True, False),
        (Ending(error("KeyboardInterrupt"), stopped_for="client"), "interrupted", "client", None, False, False),
        (Ending(stopped_for="timeout"), "ok", "timeout", None, True, False),
        (Ending(error("SystemExit", "2")), "exit", "sys_exit", 2, False, False),
        (Ending(error("SystemExit", "None")), "exit", "sys_exit", 0, False, False),
        (Ending(error("SystemExit", "")), "exit", "sys_exit", 0, False, False),
        (Ending(error("SystemExit", "a message")), "exit", "sys_exit", 1, False, False),
        (Ending(asked_to_exit=True, gone=True, exit_status=0), "exit", "sys_exit", 0, False, True),
        (Ending(gone=True, exit_status=3), "exit", "crash", 3, False, True),
        (Ending(gone=True, exit_status=-11), "exit", "crash", -11, False, True),
        (Ending(gone=True), "exit", "crash", None, False, True),
        (Ending(gone=True, killed=True, stopped_for="timeout", exit_status=-9), "exit", "timeout", -9, True, True),
        (Ending(gone=True, killed=True, stopped_for="oom", exit_status=-9), "exit", "oom", -9, False, True),
    ],
)
def test_the_end_is_called_what_it_was(
    ending: Ending, status: str, cause: str | None, exit_code: int | None, timed_out: bool, state_lost: bool
) -> None:
    said = verdict(ending)
    assert said == Verdict(status, cause, exit_code, timed_out, state_lost, said.notice)  # type: ignore[arg-type]


def test_whoever_reads_the_notice_knows_whether_variables_are_there() -> None:
    kept = verdict(Ending(error("KeyboardInterrupt"), stopped_for="timeout", limit_s=30)).notice
    assert kept == "Execution exceeded 30 s and was interrupted; variables are kept."
    lost = verdict(Ending(gone=True, killed=True, stopped_for="timeout", limit_s=30)).notice
    assert lost == (
        "Execution exceeded 30 s, and the interpreter had to be killed; it was restarted, all variables are lost."
    )
    assert verdict(Ending()).notice is None
