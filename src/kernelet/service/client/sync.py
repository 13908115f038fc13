"""The client that blocks.

with Client("http://127.0.0.1:8000", token="…") as client:
    session = client.create()
    print(session.execute("1 + 1").results[0].data["text/plain"])
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Self, TypeVar

import httpx

from kernelet.service.result import Event, ExecutionResult

from . import calls
from .calls import Call, Json

T = TypeVar("T")


class Client:
    """A connection to one service; usable by several threads."""

    def __init__(self, url: str = "http://127.0.0.1:8000", token: str = "", *, connect_timeout: float = 10.0) -> None:
        """Connect on the first call. No answer has a timeout: the service ends executions."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        # An execution may be silent for an hour; the service ends it.
        timeout = httpx.Timeout(None, connect=connect_timeout)
        self._http = httpx.Client(base_url=url, headers=headers, timeout=timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections. Sessions stay until they are destroyed or idle for long."""
        self._http.close()

    def call(self, call: Call[T]) -> T:
        """Make one call.

        Raises:
            ClientError: the service refused it.
            httpx.TransportError: the service cannot be reached.
        """
        response = self._http.request(
            call.method, call.path, json=call.body, content=call.content, params=call.query or None
        )
        if response.is_error:
            raise calls.failure(response.status_code, response.content, response.headers.get("Retry-After"))
        return call.read(response.content)

    def stream(self, session_id: str, code: str, **options: Any) -> Iterator[Event]:
        """Yield what the code says as it comes; the last event is `done`. Closing the iterator interrupts the code."""
        call = calls.execute(session_id, code, options)
        headers = {"Accept": calls.STREAM_TYPE}
        with self._http.stream(call.method, call.path, json=call.body, headers=headers) as response:
            if response.is_error:
                raise calls.failure(response.status_code, response.read(), response.headers.get("Retry-After"))
            for line in response.iter_lines():
                if (event := calls.event(line)) is not None:
                    yield event

    def health(self) -> Json:
        """Return `{"status": "ok", …}`; needs no token."""
        return self.call(calls.health())

    def run(self, code: str, *, timeout: float | None = None, envs: Mapping[str, str] | None = None) -> ExecutionResult:
        """Run code in an interpreter of its own, which is gone afterwards."""
        return self.call(calls.run(code, timeout, envs))

    def create(self, session_id: str | None = None, **options: Any) -> Session:
        """Make a session; options are those of `POST /v1/sessions`."""
        info = self.call(calls.create({"session_id": session_id, **options}))
        return Session(self, info["session_id"])

    def session(self, session_id: str = "default") -> Session:
        """Return a session that is there, or the default one, which the first execution makes. No call."""
        return Session(self, session_id)

    def sessions(self) -> list[Json]:
        """Return the statistics of all sessions."""
        return self.call(calls.sessions())

    def load(self, session_id: str, name: str) -> Session:
        """Make a session of a snapshot."""
        self.call(calls.load(session_id, name))
        return Session(self, session_id)

    def stdlib(self) -> Json:
        """Return the names in the standard library, by kind."""
        return self.call(calls.stdlib())

    def add_to_stdlib(self, function_code: str) -> Json:
        """Add a function to the standard library of new sessions."""
        return self.call(calls.add_to_stdlib(function_code))


class Session:
    """One interpreter of the service. With `with` it is destroyed at the end."""

    def __init__(self, client: Client, session_id: str) -> None:
        self.client = client
        self.id = session_id

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.destroy()

    def execute(self, code: str, **options: Any) -> ExecutionResult:
        """Run code to its end; options are `timeout`, `restart`, `envs`, `on_disconnect`, `include_messages`."""
        return self.client.call(calls.execute(self.id, code, options))

    def stream(self, code: str, **options: Any) -> Iterator[Event]:
        """Yield what the code says as it comes; see `Client.stream`."""
        return self.client.stream(self.id, code, **options)

    def interrupt(self) -> Json:
        """Interrupt what runs."""
        return self.client.call(calls.act(self.id, "interrupt"))

    def restart(self) -> Json:
        """Start anew: no variables, the same id."""
        return self.client.call(calls.act(self.id, "restart"))

    def clear(self) -> Json:
        """Start anew and forget the history."""
        return self.client.call(calls.act(self.id, "clear"))

    def stats(self) -> Json:
        """Return the session's statistics."""
        return self.client.call(calls.stats(self.id))

    def variables(self, name: str | None = None, *, max_chars: int | None = None) -> Json:
        """Return the names of all variables, or one variable as text."""
        return self.client.call(calls.variables(self.id, name, max_chars))

    def history(self) -> list[Json]:
        """Return what was executed, and when."""
        return self.client.call(calls.history(self.id))

    def save(self, name: str) -> Json:
        """Save the variables under a name; the answer says what could not be saved."""
        return self.client.call(calls.act(self.id, "save", {"name": name}))

    def files(self) -> list[Json]:
        """Return the files in the session's output folder."""
        return self.client.call(calls.files(self.id))

    def read_file(self, path: str) -> bytes:
        """Return the contents of a file."""
        content: bytes = self.client.call(calls.file("GET", self.id, path))
        return content

    def write_file(self, path: str, content: bytes) -> Json:
        """Upload a file."""
        entry: Json = self.client.call(calls.file("PUT", self.id, path, content))
        return entry

    def delete_file(self, path: str) -> None:
        """Delete a file."""
        self.client.call(calls.file("DELETE", self.id, path))

    def destroy(self) -> Json:
        """End the session and return its final statistics."""
        return self.client.call(calls.destroy(self.id))
