"""The HTTP surfaces: every endpoint of the design, and what each refuses."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from service_tools import TOKEN, Served


@pytest.fixture(scope="module")
def path(served: Served) -> str:
    """A session that the tests of this module share."""
    return served.session()


def events(served: Served, path: str, code: str, accept: str) -> list[dict[str, Any]]:
    """Return the events of an execution, read as a stream."""
    with served.client.stream("POST", f"{path}/execute", json={"code": code}, headers={"Accept": accept}) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith(accept)
        lines = [line for line in answer.iter_lines() if line]
    return [json.loads(line.removeprefix("data: ")) for line in lines]


def test_health_is_for_everybody_and_says_ok(served: Served) -> None:
    answer = httpx.get(f"{served.url}/health", trust_env=False)
    assert answer.status_code == 200
    assert answer.json()["status"] == "ok"
    assert httpx.head(f"{served.url}/health", trust_env=False).status_code == 200


def test_ready_and_metrics_know_about_sessions(served: Served, path: str) -> None:
    served.execute(path, "1")
    assert served.client.get("/ready").json()["status"] == "ready"
    text = served.client.get("/metrics").text
    assert 'kernelet_executions_total{cause="",status="ok",surface="rest"}' in text
    assert "kernelet_backend_up 1.0" in text


@pytest.mark.parametrize(
    "method, where",
    [
        ("GET", "/v1/sessions"),
        ("POST", "/v1/sessions"),
        ("POST", "/process/interpreter/execute"),
        ("POST", "/start_kernel"),
        ("GET", "/metrics"),
        ("GET", "/ready"),
        ("GET", "/openapi.json"),
        ("GET", "/nowhere"),
    ],
)
@pytest.mark.parametrize("header", [None, "Bearer wrong", "Basic x", "Bearer"])
def test_nothing_else_works_without_the_token(served: Served, method: str, where: str, header: str | None) -> None:
    headers = {"Authorization": header} if header else {}
    answer = httpx.request(method, served.url + where, headers=headers, trust_env=False)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


def test_the_token_may_stand_in_the_query(served: Served) -> None:
    assert httpx.get(f"{served.url}/v1/sessions?token={TOKEN}", trust_env=False).status_code == 200


def test_a_foreign_host_is_refused_whatever_it_shows(served: Served) -> None:
    answer = served.client.get("/v1/sessions", headers={"Host": "evil.example:80"})
    assert answer.status_code == 400


def test_a_foreign_origin_is_refused_and_our_own_is_not(served: Served) -> None:
    assert served.client.get("/v1/sessions", headers={"Origin": "http://evil.example"}).status_code == 403
    assert served.client.get("/v1/sessions", headers={"Origin": served.url}).status_code == 200


def test_a_result_is_json_by_default(served: Served, path: str) -> None:
    result = served.execute(path, "print('a')\n6 * 7")
    assert (result["status"], result["stdout"]) == ("ok", "a\n")
    assert result["results"][0]["data"]["text/plain"] == "42"


def test_code_that_raises_is_a_200(served: Served, path: str) -> None:
    result = served.execute(path, "1/0")
    assert (result["status"], result["error"]["name"]) == ("error", "ZeroDivisionError")


@pytest.mark.parametrize("accept", ["text/event-stream", "application/x-ndjson"])
def test_the_events_are_streamed_and_add_up_to_the_result(served: Served, path: str, accept: str) -> None:
    found = [event for event in events(served, path, "print('a')\nprint('b')\n3", accept) if event["type"] != "ping"]
    assert found[0]["type"] == "started"
    assert "".join(event["text"] for event in found if event["type"] == "stdout") == "a\nb\n"
    assert found[-1]["type"] == "done"
    assert (found[-1]["result"]["status"], found[-1]["result"]["stdout"]) == ("ok", "")


def test_the_first_text_comes_before_the_end_and_pings_keep_the_line_open(served: Served, path: str) -> None:
    code = "import time\nprint('early', flush=True)\ntime.sleep(1.5)"
    with served.client.stream(
        "POST", f"{path}/execute", json={"code": code}, headers={"Accept": "application/x-ndjson"}
    ) as answer:
        kinds = [json.loads(line)["type"] for line in answer.iter_lines()]
    assert kinds.index("stdout") < kinds.index("ping") < kinds.index("done")


def test_a_client_that_goes_away_ends_its_code(served: Served) -> None:
    path = served.session()
    with served.client.stream(
        "POST", f"{path}/execute", json={"code": "print(1, flush=True)\nwhile True: pass"},
        headers={"Accept": "text/event-stream"},
    ) as answer:  # fmt: skip
        next(answer.iter_lines())
    assert served.execute(path, "'free'")["status"] == "ok"
    assert served.client.get(f"{path}/history").json()["history"][0]["status"] == "interrupted"


def test_a_client_that_gives_up_on_json_ends_its_code_unless_it_said_otherwise(served: Served) -> None:
    path = served.session()
    for choice, status in (("interrupt", "interrupted"), ("continue", "ok")):
        with pytest.raises(httpx.ReadTimeout):
            served.client.post(
                f"{path}/execute",
                json={"code": "import time; time.sleep(2)", "on_disconnect": choice},
                timeout=1,
            )
        assert served.execute(path, "1")["status"] == "ok"
        assert served.client.get(f"{path}/history").json()["history"][-2]["status"] == status


def test_the_default_session_needs_no_making(served: Served) -> None:
    assert served.execute("/v1/sessions/default", "1")["session_id"] == "default"


def test_a_session_is_made_listed_looked_at_and_destroyed(served: Served) -> None:
    made = served.client.post("/v1/sessions", json={"session_id": "full-life"})
    assert made.status_code == 201
    path = "/v1/sessions/full-life"
    assert served.client.post("/v1/sessions", json={"session_id": "full-life"}).status_code == 409
    served.execute(path, "a, b = 1, 2")
    stats = served.client.get(path).json()
    assert (stats["execution_count"], stats["variables"], stats["state"]) == (1, ["a", "b"], "idle")
    assert stats["memory_bytes"] > 1_000_000
    assert "full-life" in [one["session_id"] for one in served.client.get("/v1/sessions").json()["sessions"]]
    gone = served.client.delete(path).json()
    assert (gone["success"], gone["final_stats"]["variable_count"]) == (True, 2)
    assert served.client.get(path).status_code == 404
    assert served.client.post(f"{path}/execute", json={"code": "1"}).status_code == 404


def test_interrupt_restart_and_clear(served: Served) -> None:
    path = served.session()
    ended: list[dict[str, Any]] = []
    worker = threading.Thread(target=lambda: ended.append(served.execute(path, "while True: pass")))
    worker.start()
    while not served.client.post(f"{path}/interrupt").json()["interrupted"]:
        time.sleep(0.05)
    worker.join(30)
    assert (ended[0]["status"], ended[0]["cause"]) == ("interrupted", "client")
    assert served.client.post(f"{path}/interrupt").json()["interrupted"] is False
    served.execute(path, "x = 1")
    assert served.client.post(f"{path}/restart").json()["generation"] == 1
    assert served.execute(path, "x")["status"] == "error"
    assert served.client.post(f"{path}/clear").json()["generation"] == 2
    assert served.client.get(f"{path}/history").json()["history"] == []
    assert served.execute(path, "'x' in globals()", restart=True)["generation"] == 3


def test_variables_are_listed_and_shown(served: Served) -> None:
    path = served.session()
    served.execute(path, "frame = list(range(1000))")
    assert served.client.get(f"{path}/variables").json()["variables"] == ["frame"]
    one = served.client.get(f"{path}/variables", params={"name": "frame", "max_chars": 100}).json()
    assert (one["variable"], one["type"]) == ("frame", "list")
    assert "omitted" in one["value"]
    assert served.client.get(f"{path}/variables", params={"name": "zzz"}).status_code == 404


def test_one_shots_have_the_interface_of_the_interpreter(served: Served) -> None:
    body = {"code": "import os; print(os.environ['MY_VAR'])", "timeout": 300, "envs": {"MY_VAR": "value"}}
    result = served.client.post("/process/interpreter/execute", json=body).json()
    assert (result["status"], result["stdout"], result["stderr"]) == ("ok", "value\n", "")
    assert result["sessionId"] == result["session_id"]
    again = served.client.post("/process/interpreter/execute", json=body).json()
    assert again["sessionId"] != result["sessionId"]


@pytest.mark.parametrize(
    "code, status",
    [("1", "ok"), ("1/0", "error"), ("import sys; sys.exit(4)", "exit"), ("while True: pass", "interrupted")],
)
def test_one_shots_end_in_the_four_statuses(served: Served, code: str, status: str) -> None:
    body = {"code": code, "timeout": 0.5 if "while" in code else 60}
    result = served.client.post("/process/interpreter/execute", json=body).json()
    assert result["status"] == status


def test_one_shots_stream_too_and_are_gone_afterwards(served: Served) -> None:
    with served.client.stream(
        "POST", "/process/interpreter/execute", json={"code": "print(1)"}, headers={"Accept": "application/x-ndjson"}
    ) as answer:
        last = [json.loads(line) for line in answer.iter_lines()][-1]
    assert last["result"]["status"] == "ok"
    assert not [session for session in served.engine._sessions.values() if session.ephemeral]


def test_the_kernel_proxys_endpoints_share_the_ids_of_sessions(served: Served) -> None:
    kernel_id = served.client.post("/start_kernel").json()["id"]
    answer = served.client.post("/execute_code", json={"id": kernel_id, "code": "print('Hello, World!')\n1"}).json()
    kinds = [message["header"]["msg_type"] for message in answer["results"]]
    assert {"stream", "execute_result", "execute_reply", "status"} <= set(kinds)
    [stream] = [message for message in answer["results"] if message["header"]["msg_type"] == "stream"]
    assert stream["content"] == {"name": "stdout", "text": "Hello, World!\n"}
    assert served.execute(f"/v1/sessions/{kernel_id}", "2")["status"] == "ok"
    gone = served.client.post("/shutdown_kernel", json={"id": kernel_id}).json()
    assert gone == {"message": f"Kernel {kernel_id} shutdown"}
    assert served.client.post("/execute_code", json={"id": kernel_id, "code": "1"}).status_code == 404
    assert served.client.post("/shutdown_kernel", json={"id": kernel_id}).status_code == 404


def test_files_go_in_and_come_out(served: Served) -> None:
    path = served.session()
    assert served.client.put(f"{path}/files/in/data.csv", content=b"a,b\n1,2\n").status_code == 201
    result = served.execute(path, "open('out.txt', 'w').write(open('in/data.csv').read().upper());")
    assert [(one["path"], one["size"]) for one in result["files"]] == [("out.txt", 8)]
    assert served.client.get(result["files"][0]["url"]).content == b"A,B\n1,2\n"
    listed = [one["path"] for one in served.client.get(f"{path}/files").json()["files"]]
    assert listed == ["in/data.csv", "out.txt"]
    assert served.client.delete(f"{path}/files/out.txt").status_code == 204
    assert served.client.get(f"{path}/files/out.txt").status_code == 404


def test_paths_that_lead_out_are_refused(served: Served) -> None:
    path = served.session()
    served.execute(path, "import os; os.symlink('/etc/passwd', 'link'); os.symlink('/', 'root')")
    for name in ("link", "root/etc/passwd", "%2e%2e/secret", "..%2f..%2fetc%2fpasswd", "%2fetc%2fpasswd"):
        assert served.client.get(f"{path}/files/{name}").status_code == 403, name
        assert served.client.put(f"{path}/files/{name}", content=b"x").status_code in (403, 409), name


def test_text_over_the_budget_keeps_head_and_tail_and_the_whole_is_a_file(served: Served) -> None:
    path = served.session()
    result = served.execute(path, "print('\\n'.join(map(str, range(20000))))")
    assert len(result["stdout"]) < 11_000
    assert result["stdout"].startswith("0\n1\n")
    assert result["stdout"].endswith("19999\n")
    assert result["truncated"]["stdout"]["total"] == 108_890
    assert result["full_output"] in result["stdout"]
    whole = served.client.get(f"{path}/files/{result['full_output']}").text
    assert whole.split() == [str(number) for number in range(20000)]
    assert result["files"] == []


def test_progress_bars_are_collapsed(served: Served, path: str) -> None:
    result = served.execute(path, "for i in range(5000): print(f'\\r{i} %' + 10 * '.', end='')")
    assert result["stdout"] == "4999 %.........."
    assert result["truncated"] is None


def test_an_image_over_the_budget_comes_smaller_and_the_original_is_a_file(served: Served) -> None:
    path = served.session()
    code = (
        "import io, os\nfrom PIL import Image as I\nfrom IPython.display import Image\n"
        "b = io.BytesIO(); I.frombytes('RGB', (700, 700), os.urandom(700 * 700 * 3)).save(b, 'PNG')\n"
        "Image(b.getvalue())"
    )
    [output] = served.execute(path, code)["results"]
    [image] = [mime for mime in output["data"] if mime.startswith("image/")]
    assert len(output["data"][image]) <= 4 / 3 * 256 * 1024 + 4
    assert output["metadata"]["original_bytes"] > 1_000_000
    kept = served.client.get(f"{path}/files/{output['metadata']['original_path']}")
    assert len(kept.content) == output["metadata"]["original_bytes"]


def test_matplotlib_figures_are_shown_without_show(served: Served, path: str) -> None:
    result = served.execute(path, "import matplotlib.pyplot as plt\nplt.plot([1, 2]);")
    assert [set(one["data"]) for one in result["results"]] == [{"image/png", "text/plain"}]


@pytest.mark.parametrize(
    "where, body, status",
    [
        ("/v1/sessions", {"session_id": "../x"}, 422),
        ("/v1/sessions", {"limits": {"nonsense": 1}}, 422),
        ("/v1/sessions", {"kernel_name": "no-such-kernel"}, 404),
        ("/v1/sessions/{id}/execute", {}, 422),
        ("/v1/sessions/{id}/execute", {"code": "1", "timeout": 0}, 422),
        ("/v1/sessions/{id}/execute", {"code": "1", "timeout": 1e6}, 422),
        ("/v1/sessions/{id}/execute", {"code": "1", "surprise": 1}, 422),
        ("/v1/sessions/{id}/execute", {"code": "#" * 1_000_001}, 413),
        ("/v1/sessions/nobody/execute", {"code": "1"}, 404),
        ("/v1/sessions/nobody/restart", None, 404),
    ],
)
def test_bad_calls_are_refused_by_name(served: Served, path: str, where: str, body: Any, status: int) -> None:
    session_id = path.rpartition("/")[2]
    answer = served.client.post(where.replace("{id}", session_id), json=body)
    assert answer.status_code == status
    assert answer.json()["detail"]


def test_a_full_service_says_429_and_when_to_come_back(serve: Callable[..., Served]) -> None:
    served = serve(max_sessions=1, max_concurrent_oneshot=1, queue_depth=1)
    path = served.session()
    refused = served.client.post("/v1/sessions", json={})
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "5")
    workers = [threading.Thread(target=served.execute, args=(path, "import time; time.sleep(20)")) for _ in range(1)]
    for worker in workers:
        worker.start()
    while served.client.get(path).json()["state"] != "busy":
        time.sleep(0.05)
    waiting = threading.Thread(target=served.execute, args=(path, "1"))
    waiting.start()
    while served.client.get(path).json()["queued"] != 1:
        time.sleep(0.05)
    assert served.client.post(f"{path}/execute", json={"code": "1"}).status_code == 429
    served.client.post(f"{path}/interrupt")
    for worker in [*workers, waiting]:
        worker.join(30)


def test_the_document_describes_every_endpoint_with_examples(served: Served) -> None:
    document = served.client.get("/openapi.json").json()
    for where in ("/process/interpreter/execute", "/start_kernel", "/execute_code", "/shutdown_kernel", "/health",
                  "/ready", "/metrics", "/v1/sessions", "/v1/sessions/{session_id}/execute"):  # fmt: skip
        assert where in document["paths"]
    assert document["components"]["schemas"]["ExecuteRequest"]["properties"]["code"]["examples"]
    assert document["components"]["schemas"]["ExecutionResult"]["example"]["status"] == "ok"


def test_each_answer_has_the_id_under_which_it_is_logged(served: Served) -> None:
    assert len(served.client.get("/health").headers["x-request-id"]) == 16
