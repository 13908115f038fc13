"""Whatever is sent to the documented endpoints, none of them fails: schemathesis makes up calls from the document."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings

from needs import need_module
from service_tools import TOKEN, Served

SETTINGS = settings(
    max_examples=8, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
REFUSALS = {501, 503}
"""Documented, and right: isolation that this machine does not allow."""


def test_no_call_is_a_server_error(serve: Callable[..., Served], tmp_path: Path) -> None:
    need_module("schemathesis")
    import schemathesis

    # Made-up code must not be let run for long, nor made-up sessions fill the machine.
    served = serve(
        max_sessions=4,
        timeout_max=2.0,
        timeout_default=1.0,
        timeout_oneshot=1.0,
        stdlib_path=tmp_path / "stdlib.py",
        snapshot_dir=tmp_path,
    )
    served.client.post("/v1/sessions", json={"session_id": "analysis"})
    headers = {"Authorization": f"Bearer {TOKEN}"}
    schema = schemathesis.openapi.from_dict(served.client.get("/openapi.json").json())
    schema.config.base_url = served.url
    calls = []
    for found in schema.get_all_operations():

        @SETTINGS
        @given(case=found.ok().as_strategy())
        def attempt(case: Any) -> None:
            answer = case.call(headers=headers, timeout=60)
            calls.append(answer.status_code)
            assert answer.status_code < 500 or answer.status_code in REFUSALS, (case.as_curl_command(), answer.text)

        attempt()
    assert len(calls) > 100
    assert {200, 404, 422} <= set(calls)
    # It still works after all that.
    for one in served.client.get("/v1/sessions").json()["sessions"]:
        served.client.delete(f"/v1/sessions/{one['session_id']}")
    assert served.execute("/v1/sessions/default", "6 * 7")["status"] == "ok"
