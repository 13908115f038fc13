from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from kernelet.service.result import Done, Event, ExecutionResult, Started, Text

ADAPTER: TypeAdapter[Event] = TypeAdapter(Event)


@pytest.mark.parametrize(
    "event",
    [
        Started(id="a", seq=0, execution_count=3),
        Text(id="a", seq=1, type="stderr", text="x"),
        Done(id="a", seq=2, result=ExecutionResult(execution_id="a", session_id="s")),
    ],
)
def test_an_event_comes_back_from_json_as_it_was(event: Event) -> None:
    assert ADAPTER.validate_json(event.model_dump_json()) == event


def test_there_are_four_statuses() -> None:
    for status in ("ok", "error", "interrupted", "exit"):
        ExecutionResult(execution_id="a", session_id="s", status=status)
    with pytest.raises(ValidationError):
        ExecutionResult(execution_id="a", session_id="s", status="timeout")  # type: ignore[arg-type]
