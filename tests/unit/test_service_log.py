from __future__ import annotations

import json
import logging
import re

from kernelet.service.log import JsonFormatter, request_id


def line(**extra: object) -> dict[str, object]:
    record = logging.makeLogRecord({"name": "n", "levelname": "INFO", "msg": "said %s", "args": ("it",), **extra})
    written = JsonFormatter().format(record)
    assert "\n" not in written
    return dict(json.loads(written))


def test_a_line_is_json_with_the_time_zone_and_what_was_given() -> None:
    found = line(session_id="s", execution_id="e")
    assert (found["message"], found["session_id"], found["execution_id"]) == ("said it", "s", "e")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?[+-]\d\d:\d\d", str(found["timestamp"]))


def test_the_id_of_the_request_is_in_what_it_logs() -> None:
    token = request_id.set("r")
    try:
        assert line()["request_id"] == "r"
    finally:
        request_id.reset(token)
    assert "request_id" not in line()


def test_an_exception_and_what_json_does_not_know_are_text() -> None:
    try:
        raise ValueError("x")
    except ValueError as error:
        found = line(exc_info=(ValueError, error, error.__traceback__), where=object)
    assert "ValueError: x" in str(found["exception"])
    assert found["where"] == "<class 'object'>"
