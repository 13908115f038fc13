"""The OpenAPI document: whatever it shows as an example is sent to a real server, and answers as it says."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from needs import need_module
from service_tools import TOKEN, Served

# What an example needs comes before it, what takes it away comes last.
ORDER = [
    ("post", "/v1/sessions"), ("post", "/v1/sessions/{session_id}/execute"),
    ("put", "/v1/sessions/{session_id}/files/{path}"), ("post", "/v1/sessions/{session_id}/save"),
    ("post", "/v1/sessions/load"), ("post", "/v1/stdlib"),
]  # fmt: skip
LAST = [
    ("delete", "/v1/sessions/{session_id}/files/{path}"), ("post", "/v1/sessions/{session_id}/interrupt"),
    ("post", "/v1/sessions/{session_id}/clear"), ("post", "/v1/sessions/{session_id}/restart"),
    ("delete", "/v1/sessions/{session_id}"), ("post", "/shutdown_kernel"),
]  # fmt: skip
KERNEL = "5d4a4b7e-7a0e-4b8c-9c55-0d7a8a3f0c11"


@pytest.fixture(scope="module")
def served(serve: Callable[..., Served], tmp_path_factory: pytest.TempPathFactory) -> Served:
    folder: Path = tmp_path_factory.mktemp("kept")
    return serve(snapshot_dir=folder, stdlib_path=folder / "stdlib.py")


@pytest.fixture(scope="module")
def document(served: Served) -> dict[str, Any]:
    return dict(served.client.get("/openapi.json").json())


def schema_of(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    schema = schema.get("anyOf", [schema])[0]
    name = schema.get("$ref", "").rpartition("/")[2]
    return dict(document["components"]["schemas"][name]) if name else schema


def example(document: dict[str, Any], content: dict[str, Any]) -> Any:
    found = content.get("example", schema_of(document, content["schema"]).get("example"))
    assert found is not None
    return found


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """All operations, in an order in which one can do them."""
    found = {(method, path): one for path, methods in document["paths"].items() for method, one in methods.items()}
    middle = [key for key in found if key not in ORDER and key not in LAST]
    for method, path in [*ORDER, *middle, *LAST]:
        yield method, path, found[method, path]


def test_every_call_has_an_example_that_works_and_answers_like_the_one_shown(
    served: Served, document: dict[str, Any]
) -> None:
    served.client.post("/v1/sessions", json={"session_id": KERNEL})
    need_module("jsonschema")
    import jsonschema

    for method, path, operation in operations(document):
        where = path
        for parameter in operation.get("parameters", []):
            if parameter["in"] == "path":
                where = where.replace(f"{{{parameter['name']}}}", parameter["schema"]["examples"][0])
        sent: dict[str, Any] = {}
        for mime, content in operation.get("requestBody", {}).get("content", {}).items():
            shown = example(document, content)
            sent = {"content": json.dumps(shown) if "json" in mime else shown, "headers": {"Content-Type": mime}}
        answer = served.client.request(method, where, **sent)
        [status] = [status for status in operation["responses"] if status.startswith("2")]
        assert str(answer.status_code) == status, (method, where, answer.text)
        for mime, content in operation["responses"][status].get("content", {}).items():
            shown = example(document, content)
            if mime == "application/json":
                known = {"components": document["components"], **content["schema"]}
                jsonschema.validate(shown, known)
                jsonschema.validate(answer.json(), known)
                if "variable" not in shown:
                    assert set(shown) == set(answer.json()), path


def test_the_document_says_that_a_token_is_needed_and_where_not(document: dict[str, Any]) -> None:
    assert document["security"] == [{"token": []}]
    assert document["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    assert document["paths"]["/health"]["get"]["security"] == []


@pytest.mark.parametrize(
    "body, kind, complaint",
    [
        ('{"code": "1"}', None, "Content-Type: application/json"),
        ('{"code": "1"}', "application/x-www-form-urlencoded", "Content-Type: application/json"),
        ('{"code": ', "application/json", "no JSON"),
        ("[1]", "application/json", "must be a JSON object"),
        ('{"cod": "1", "timeout": "soon"}', "application/json", "code: Field required"),
        ('{"code": "1", "timeout": "soon"}', "application/json", "timeout: Input should be a valid number"),
        ('{"code": "1", "envs": {"A": 1}}', "application/json", "envs.A: Input should be a valid string"),
    ],
)
def test_a_body_of_another_shape_is_refused_in_a_sentence(
    served: Served, body: str, kind: str | None, complaint: str
) -> None:
    headers = {"Content-Type": kind} if kind else {}
    answer = served.client.post("/v1/sessions/default/execute", content=body, headers=headers)
    assert answer.status_code == 422
    assert complaint in answer.json()["detail"]


def test_code_that_is_refused_is_not_sent_back(served: Served) -> None:
    answer = served.client.post("/v1/sessions/default/execute", json={"code": ["secret" * 1000]})
    assert (answer.status_code, "secret" in answer.text, len(answer.text) < 200) == (422, False, True)


def test_metrics_are_what_prometheus_reads(served: Served) -> None:
    from prometheus_client.parser import text_string_to_metric_families

    path = served.session()
    served.execute(path, "1")
    served.client.post("/v1/sessions/nobody/execute", json={"code": "1"})
    families = {family.name: family for family in text_string_to_metric_families(served.client.get("/metrics").text)}
    named = {name: family.type for name, family in families.items() if not name.endswith("_created")}
    assert named == {
        "kernelet_sessions": "gauge",
        "kernelet_executions": "counter",
        "kernelet_execution_seconds": "histogram",
        "kernelet_queue_seconds": "histogram",
        "kernelet_session_start_seconds": "histogram",
        "kernelet_interrupts": "counter",
        "kernelet_kills": "counter",
        "kernelet_restarts": "counter",
        "kernelet_truncated": "counter",
        "kernelet_rejected": "counter",
        "kernelet_kernel_memory_bytes": "gauge",
        "kernelet_zygote_up": "gauge",
        "kernelet_backend_up": "gauge",
    }
    assert all(family.documentation for family in families.values())
    [executed] = [one for one in families["kernelet_executions"].samples if one.labels.get("surface") == "rest"]
    assert set(executed.labels) == {"status", "cause", "surface"}
    assert families["kernelet_kernel_memory_bytes"].samples[0].value > 1_000_000
    assert families["kernelet_zygote_up"].samples[0].value == served.engine.backend.zygote_up


def test_the_interface_page_needs_no_token_and_nothing_from_elsewhere(served: Served) -> None:
    page = httpx.get(f"{served.url}/docs", trust_env=False)
    assert page.status_code == 200
    assert "http" not in page.text
    assert TOKEN not in page.text
    assert httpx.get(f"{served.url}/static/docs.js", trust_env=False).status_code == 200
    assert served.client.get("/redoc").status_code == 404
