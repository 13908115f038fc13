"""What to call the end of an execution: status, cause and a sentence for people, out of what was seen. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from kernelet.service.result import Cause, Error, Status


@dataclass(frozen=True, slots=True)
class Ending:
    """What was seen of the end."""

    error: Error | None = None
    asked_to_exit: bool = False
    """`exit()` or `quit()` asked the front end to close."""
    stopped_for: Cause | None = None
    """Why the service interrupted it, if it did: the first reason counts."""
    killed: bool = False
    """The interrupt was of no use."""
    gone: bool = False
    """The process is not there any more, killed or by itself."""
    exit_status: int | None = None
    limit_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the result says about the end."""

    status: Status
    cause: Cause | None = None
    exit_code: int | None = None
    timed_out: bool = False
    state_lost: bool = False
    notice: str | None = None


_REASONS: dict[Cause, str] = {
    "client": "Execution was called off",
    "disconnect": "Execution lost its client",
    "output_limit": "Execution put out more than is allowed",
    "oom": "Execution used more memory than is allowed",
    "nproc": "Execution started more processes than are allowed",
    "shutdown": "Execution was in a session that ended",
}
_LOST = "it was restarted, all variables are lost."


def verdict(ending: Ending) -> Verdict:
    """Return what to say. Exactly four statuses; everything else is flags."""
    cause = ending.stopped_for
    timed_out = cause == "timeout"
    if ending.gone and not ending.asked_to_exit:
        return _gone(ending, cause, timed_out)
    reason = _reason(cause, ending.limit_s)
    kept = f"{reason} and was interrupted; variables are kept." if reason else None
    name = ending.error.name if ending.error else None
    if ending.asked_to_exit or name == "SystemExit":
        code = _exit_code(ending.error.value) if ending.error else 0
        lost = ending.gone
        notice = f"The code ended the interpreter; {_LOST}" if lost else kept
        return Verdict("exit", cause or "sys_exit", code, timed_out, lost, notice)
    if name == "KeyboardInterrupt":
        return Verdict("interrupted", cause, timed_out=timed_out, notice=kept)
    if cause:
        # The code caught the KeyboardInterrupt, or ended in the same moment: its own end counts.
        kept = f"{reason}; the code ended by itself, variables are kept."
    return Verdict("error" if ending.error else "ok", cause, timed_out=timed_out, notice=kept)


def _gone(ending: Ending, cause: Cause | None, timed_out: bool) -> Verdict:
    status = ending.exit_status
    if ending.killed and cause:
        notice = f"{_reason(cause, ending.limit_s)}, and the interpreter had to be killed; {_LOST}"
        return Verdict("exit", cause, -9, timed_out, state_lost=True, notice=notice)
    how = f"by signal {-status}" if status is not None and status < 0 else f"with exit status {status}"
    told = how if status is not None else "for an unknown reason"
    return Verdict(
        "exit", cause or "crash", status, timed_out, state_lost=True, notice=f"The interpreter died {told}; {_LOST}"
    )


def _reason(cause: Cause | None, limit_s: float) -> str | None:
    if cause == "timeout":
        return f"Execution exceeded {limit_s:g} s"
    return _REASONS.get(cause) if cause else None


def _exit_code(value: str) -> int:
    """Return the status that Python would leave with: SystemExit's text is a number, nothing, or a message."""
    if re.fullmatch(r"-?\d+", value.strip()):
        return int(value)
    return 0 if value.strip() in ("", "None") else 1
