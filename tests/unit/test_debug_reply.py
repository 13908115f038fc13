"""Debug replies are well-formed DAP responses, whatever was asked."""

from __future__ import annotations

import pytest

from kernelet.ipython.debug_reply import DebugError, failure, response, source_path, text_argument


def test_response_answers_its_request() -> None:
    assert response({"seq": 7, "command": "threads"}, {"threads": []}) == {
        "type": "response",
        "request_seq": 7,
        "command": "threads",
        "success": True,
        "body": {"threads": []},
    }


@pytest.mark.parametrize("request_", [{}, {"seq": "7", "command": 3}])
def test_failure_is_well_formed_even_where_the_request_is_not(request_: dict[str, object]) -> None:
    reply = failure(request_, "no")
    assert (reply["request_seq"], reply["command"], reply["success"]) == (0, "", False)
    assert (reply["message"], reply["body"]["error"]["format"]) == ("no", "no")


def test_arguments_that_are_missing_are_named() -> None:
    assert text_argument({"code": "1"}, "code") == "1"
    assert source_path({"source": {"path": "/a.py"}}) == "/a.py"
    with pytest.raises(DebugError, match="'code'"):
        text_argument({"code": 1}, "code")
    with pytest.raises(DebugError, match="'source'"):
        source_path({})
    with pytest.raises(DebugError, match="'path'"):
        source_path({"source": {}})
