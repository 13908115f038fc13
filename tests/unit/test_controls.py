"""What a cell's metadata asks for, by keys and by tags."""

from __future__ import annotations

from typing import Any

import pytest

from kernelet.kernel.controls import NO_CONTROLS, Controls, InvalidControl, parse


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"tags": []},
        {"tags": ["parameters", "remove-cell", "timeout"]},
        {"cellId": "1", "trusted": True, "deletedCells": [], "recordTiming": False},
        {"timeout": None, "stop_on_error": None, "concurrency": None, "tags": None},
        {"timeout": -1},
    ],
)
def test_metadata_that_asks_for_nothing(metadata: dict[str, Any]) -> None:
    assert parse(metadata) == NO_CONTROLS


@pytest.mark.parametrize(
    "metadata, controls",
    [
        ({"timeout": 2}, Controls(timeout_s=2.0)),
        ({"timeout": 0.5}, Controls(timeout_s=0.5)),
        ({"tags": ["timeout=1.5"]}, Controls(timeout_s=1.5)),
        ({"tags": ["timeout=1.5"], "timeout": 3}, Controls(timeout_s=3.0)),
        ({"stop_on_error": False}, Controls(stop_on_error=False)),
        ({"tags": ["raises-exception"]}, Controls(stop_on_error=False)),
        ({"tags": ["raises-exception"], "stop_on_error": True}, Controls(stop_on_error=True)),
        ({"tags": ["raises-exception", "stop-on-error"]}, Controls(stop_on_error=True)),
        ({"tags": ["stop-on-error=true", "raises-exception"]}, Controls(stop_on_error=True)),
        ({"tags": ["stop-on-error=false"]}, Controls(stop_on_error=False)),
        ({"concurrency": "task"}, Controls(concurrency="task")),
        ({"tags": ["concurrency=thread"]}, Controls(concurrency="thread")),
        ({"measure_memory": True, "timeout": 1}, Controls(timeout_s=1.0, measure_memory=True)),
    ],
)
def test_what_is_asked_for(metadata: dict[str, Any], controls: Controls) -> None:
    assert parse(metadata) == controls


@pytest.mark.parametrize(
    "metadata, named",
    [
        ({"timeout": "5"}, "timeout is '5'"),
        ({"timeout": 0}, "timeout is 0"),
        ({"timeout": True}, "timeout is True"),
        ({"timeout": float("inf")}, "timeout is inf"),
        ({"timeout": float("nan")}, "timeout is nan"),
        ({"tags": ["timeout=soon"]}, "timeout is 'soon'"),
        ({"stop_on_error": "no"}, "stop_on_error is 'no'"),
        ({"tags": ["stop-on-error=maybe"]}, "stop_on_error is 'maybe'"),
        ({"concurrency": "process"}, "concurrency is 'process'"),
        ({"concurrency": ["task"]}, "concurrency is ['task']"),
        ({"measure_memory": 1}, "measure_memory is 1"),
        ({"tags": "raises-exception"}, "tags is 'raises-exception'"),
    ],
)
def test_what_is_not_understood_is_named(metadata: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidControl) as told:
        parse(metadata)
    assert f"metadata: {named}, " in str(told.value)


@pytest.mark.parametrize(
    "content, stops", [({}, True), ({"stop_on_error": False}, False), ({"stop_on_error": 0}, False)]
)
def test_the_request_decides_where_the_metadata_does_not(content: dict[str, Any], stops: bool) -> None:
    assert NO_CONTROLS.stops_queue(content) is stops
    assert Controls(stop_on_error=True).stops_queue(content)
    assert not Controls(stop_on_error=False).stops_queue(content)
