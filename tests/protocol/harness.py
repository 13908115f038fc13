"""What the protocol tests stand on: the echo kernel as a process, and ways to listen to it."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from rawkernel import KINDS, RawClient, RawKernel
from sandbox import PORTS, Json, Sandbox, connection

T = TypeVar("T")
# A subscriber whose own side holds next to nothing: the kernel feels it when it does not read.
NARROW = {"rcvhwm": 1, "rcvbuf": 4096}


class EchoProcess(RawKernel):
    """An echo kernel in a process of its own; it chose its ports, and `content` has them."""

    def __init__(
        self, *, env: dict[str, str | None] | None = None, sandbox: Sandbox | None = None, **changes: Any
    ) -> None:
        """Start it with `changes` in the connection file."""
        here = str(Path(__file__).parent)
        path = os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")]))
        content = connection(**{**dict.fromkeys(PORTS, 0), **changes})
        super().__init__(module="echo", content=content, env={"PYTHONPATH": path, **(env or {})}, sandbox=sandbox)
        try:
            self.content = self.completed_file()
            if not (env or {}).get("ECHO_LATE"):
                client = self.client()
                client.reply(client.execute("are you there"))  # from now on it is idle, with its language attached
                client.close()
        except BaseException:
            self.close()
            raise

    def deaf_client(self) -> RawClient:
        """Return a client that subscribes to nothing that is ever published: its iopub need not be read."""
        return self.client(subscription=b"nothing")


def connect_again(client: RawClient, channel: str, **options: Any) -> None:
    """Replace a socket of `client` by one with other options, set before it connects."""
    client.sockets[channel].close()
    socket = client.context.socket(KINDS[channel])
    socket.linger = 0
    for name, value in options.items():
        setattr(socket, name, value)
    if channel == "iopub":
        socket.subscribe(b"")
    socket.connect(client.url(channel))
    client.sockets[channel] = socket


def is_idle(message: Json) -> bool:
    return message["content"].get("execution_state") == "idle"


def hear(client: RawClient, last: Json) -> list[Json]:
    """Return all that iopub says from now until the request with header `last` is done."""
    heard = []
    while True:
        heard.append(client.recv("iopub"))
        if is_idle(heard[-1]) and heard[-1]["parent_header"].get("msg_id") == last["msg_id"]:
            return heard


def replies(client: RawClient, requests: list[Json]) -> list[Json]:
    """Return the replies to `requests` in the order of asking; each is answered once, and nothing else comes.

    The answers to cells must come in order. A question may be answered before the busy kernel gets to it.
    """
    arrived = [client.recv() for _ in requests]
    by_parent = {reply["parent_header"]["msg_id"]: reply for reply in arrived}
    assert set(by_parent) == {request["msg_id"] for request in requests}
    cells = [request["msg_id"] for request in requests if request["msg_type"] == "execute_request"]
    assert [parent for parent in by_parent if parent in set(cells)] == cells
    return [by_parent[request["msg_id"]] for request in requests]


def text_of(messages: list[Json]) -> str:
    return "".join(message["content"]["text"] for message in messages if message["msg_type"] == "stream")


def meanwhile(call: Callable[..., T], *arguments: Any) -> Future[T]:
    """Call in another thread; the result's `result()` waits for it."""
    pool = ThreadPoolExecutor(1)
    future = pool.submit(call, *arguments)
    pool.shutdown(wait=False)
    return future


def assert_paired(heard: list[Json], requests: list[Json]) -> None:
    """Assert that what each request says starts with its only busy and ends with its only idle."""
    by_request: dict[str, list[Json]] = {}
    for message in heard:
        by_request.setdefault(message["parent_header"].get("msg_id", ""), []).append(message)
    for request in requests:
        said = by_request[request["msg_id"]]
        states = [m["content"]["execution_state"] for m in said if m["msg_type"] == "status"]
        assert states == ["busy", "idle"]
        assert said[0]["msg_type"] == said[-1]["msg_type"] == "status"
