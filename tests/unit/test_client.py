"""The client of the service: its calls as values, and that both clients have the same."""

from __future__ import annotations

import inspect

import pytest

from kernelet.service.client import AsyncClient, AsyncSession, Client, Session, calls
from kernelet.service.result import Text


def test_ids_and_paths_are_quoted() -> None:
    assert calls.stats("a/b?c").path == "/v1/sessions/a%2Fb%3Fc"
    assert calls.file("GET", "s", "plots/ä 1.png").path == "/v1/sessions/s/files/plots/%C3%A4%201.png"


def test_what_is_not_given_is_not_sent() -> None:
    assert calls.create({"session_id": None, "cwd": "/x"}).body == {"cwd": "/x"}
    assert calls.execute("s", "1", {"timeout": None, "restart": False}).body == {"code": "1", "restart": False}
    assert calls.variables("s", None, 5).query == {"max_chars": "5"}


@pytest.mark.parametrize(
    "body, message",
    [
        (b'{"detail": "no such session"}', "404: no such session"),
        (b'{"error": {"message": "gone"}}', "404: gone"),
        (b"<html>not json</html>", "404: <html>not json</html>"),
        (b"", "404: no explanation"),
    ],
)
def test_a_refusal_keeps_its_words_whoever_wrote_them(body: bytes, message: str) -> None:
    assert str(calls.failure(404, body, None)) == message


def test_a_refusal_says_when_to_come_back() -> None:
    assert calls.failure(429, b"", "1.5").retry_after == 1.5
    assert calls.failure(429, b"", "Fri, 31 Dec 1999 23:59:59 GMT").retry_after is None


def test_a_line_of_the_stream_is_an_event() -> None:
    assert calls.event('{"type": "stdout", "text": "hi", "id": "1", "seq": 2}') == Text(
        type="stdout", text="hi", id="1", seq=2
    )
    assert calls.event("\n") is None


def test_the_result_of_a_one_shot_may_name_its_session_as_the_endpoint_does() -> None:
    call = calls.run("1", None, None)
    assert call.read(b'{"execution_id": "e", "sessionId": "s", "stdout": "x"}').session_id == "s"


@pytest.mark.parametrize("blocking, awaiting", [(Client, AsyncClient), (Session, AsyncSession)])
def test_both_clients_have_the_same_methods(blocking: type, awaiting: type) -> None:
    def signatures(of: type) -> dict[str, list[str]]:
        functions = inspect.getmembers(of, inspect.isfunction)
        return {name: list(inspect.signature(function).parameters) for name, function in functions if name[:2] != "__"}

    assert signatures(blocking) == signatures(awaiting)
    for name in signatures(awaiting):
        function = getattr(awaiting, name)
        blocks = name in ("session", "stream")
        assert blocks or inspect.iscoroutinefunction(function), f"{name} does not await"
