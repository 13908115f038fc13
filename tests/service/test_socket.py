"""The WebSocket: events as frames, several executions, stdin, interrupt, and who may connect."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from service_tools import TOKEN, Served


class Socket:
    """A client of the WebSocket."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    def send(self, **frame: Any) -> None:
        self.connection.send(json.dumps(frame))

    def next(self, kind: str) -> dict[str, Any]:
        """Return the next frame of a type, skipping others."""
        while True:
            frame: dict[str, Any] = json.loads(self.connection.recv(timeout=60))
            if frame["type"] == kind:
                return frame


@contextmanager
def opened(served: Served, path: str, **options: Any) -> Iterator[Socket]:
    headers = options.pop("headers", {"Authorization": f"Bearer {TOKEN}"})
    address = served.url.replace("http", "ws", 1) + path + "/ws" + options.pop("query", "")
    with connect(address, additional_headers=headers, proxy=None, **options) as connection:
        yield Socket(connection)


@pytest.fixture(scope="module")
def path(served: Served) -> str:
    return served.session()


def test_events_come_under_the_id_of_the_client(served: Served, path: str) -> None:
    with opened(served, path) as socket:
        socket.send(type="execute", id="mine", code="print('a')\n5")
        assert socket.next("stdout") == {"type": "stdout", "id": "mine", "seq": 1, "text": "a\n"}
        assert socket.next("result")["data"]["text/plain"] == "5"
        assert socket.next("done")["result"]["status"] == "ok"


def test_a_cell_reads_lines_from_the_client(served: Served, path: str) -> None:
    with opened(served, path) as socket:
        socket.send(type="execute", id="q", code="import getpass\ninput('name? ') + getpass.getpass('secret? ')")
        asked = socket.next("input_request")
        assert (asked["prompt"], asked["password"]) == ("name? ", False)
        socket.send(type="input", id="q", value="a")
        assert socket.next("input_request")["password"] is True
        socket.send(type="input", id="q", value="b")
        assert socket.next("result")["data"]["text/plain"] == "'ab'"


def test_input_without_a_socket_fails_at_once(served: Served, path: str) -> None:
    result = served.execute(path, "input()")
    assert (result["status"], result["error"]["name"]) == ("error", "StdinNotImplementedError")


def test_an_interrupt_ends_the_running_and_the_next_one_runs(served: Served, path: str) -> None:
    with opened(served, path) as socket:
        socket.send(type="execute", id="a", code="print(1, flush=True)\nwhile True: pass")
        socket.send(type="execute", id="b", code="'next'")
        socket.next("stdout")
        socket.send(type="interrupt")
        first, second = socket.next("done"), socket.next("done")
        assert (first["id"], first["result"]["status"], first["result"]["cause"]) == ("a", "interrupted", "client")
        assert (second["id"], second["result"]["status"]) == ("b", "ok")


def test_a_waiting_execution_can_be_called_off(served: Served, path: str) -> None:
    with opened(served, path) as socket:
        socket.send(type="execute", id="a", code="print(1, flush=True)\nwhile True: pass")
        socket.next("stdout")
        socket.send(type="execute", id="b", code="ran = True")
        socket.send(type="interrupt", id="b")
        called_off = socket.next("done")
        assert (called_off["id"], called_off["result"]["status"]) == ("b", "interrupted")
        socket.send(type="interrupt", id="a")
        socket.next("done")
        socket.send(type="execute", id="c", code="'ran' in globals()")
        assert socket.next("result")["data"]["text/plain"] == "False"


def test_a_client_that_leaves_ends_its_code(served: Served) -> None:
    path = served.session()
    with opened(served, path) as socket:
        socket.send(type="execute", id="a", code="print(1, flush=True)\nwhile True: pass")
        socket.next("stdout")
    assert served.execute(path, "'free'")["status"] == "ok"


def test_frames_that_are_none_are_refused_and_the_talk_goes_on(served: Served, path: str) -> None:
    with opened(served, path) as socket:
        for text in ("not json", "[]", '{"type": "dance"}', '{"type": "execute", "id": "x"}'):
            socket.connection.send(text)
            assert socket.next("refused")["status"] == 422
        socket.send(type="execute", id="x", code="1", timeout=1e9)
        assert socket.next("refused")["id"] == "x"
        socket.send(type="ping")
        socket.next("pong")


def test_the_token_may_come_in_the_query_or_in_the_first_frame(served: Served, path: str) -> None:
    with opened(served, path, headers={}, query=f"?token={TOKEN}") as socket:
        socket.send(type="ping")
        socket.next("pong")
    with opened(served, path, headers={}) as socket:
        socket.send(type="auth", token=TOKEN)
        socket.send(type="ping")
        socket.next("pong")


def test_a_wrong_token_gets_nothing(served: Served, path: str) -> None:
    for options in ({"headers": {"Authorization": "Bearer wrong"}}, {"headers": {}, "query": "?token=wrong"}):
        with pytest.raises(InvalidStatus), opened(served, path, **options):
            pass
    with opened(served, path, headers={}) as socket:
        socket.send(type="auth", token="wrong")
        with pytest.raises(ConnectionClosed) as closed:
            socket.next("pong")
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4401


def test_a_page_of_somebody_else_cannot_connect(served: Served, path: str) -> None:
    with pytest.raises(InvalidStatus), opened(served, path, origin="http://evil.example"):
        pass


def test_an_unknown_session_closes_with_its_status(served: Served) -> None:
    with opened(served, "/v1/sessions/nobody") as socket, pytest.raises(ConnectionClosed) as closed:
        socket.next("pong")
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4404
