"""The client that awaits: `Client` word for word, with `await`.

async with AsyncClient("http://127.0.0.1:8000", token="…") as client:
    session = await client.create()
    async for event in session.stream("for i in range(3): print(i)"):
        print(event)
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, Self, TypeVar

import httpx

from kernelet.service.result import Event, ExecutionResult

from . import calls
from .calls import Call, Json

T = TypeVar("T")


class AsyncClient:
    """A connection to one service; usable by several tasks."""

    def __init__(self, url: str = "http://127.0.0.1:8000", token: str = "", *, connect_timeout: float = 10.0) -> None:
        """Connect on the first call. No answer has a timeout: the service ends executions."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        # An execution may be silent for an hour; the service ends it.
        timeout = httpx.Timeout(None, connect=connect_timeout)
        self._http = httpx.AsyncClient(base_url=url, headers=headers, timeout=timeout)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections. Sessions stay until they are destroyed or idle for long."""
        await self._http.aclose()

    async def call(self, call: Call[T]) -> T:
        """Make one call.

        Raises:
            ClientError: the service refused it.
            httpx.TransportError: the service cannot be reached.
        """
        response = await self._http.request(
            call.method, call.path, json=call.body, content=call.content, params=call.query or None
        )
        if response.is_error:
            raise calls.failure(response.status_code, response.content, response.headers.get("Retry-After"))
        return call.read(response.content)

    async def stream(self, session_id: str, code: str, **options: Any) -> AsyncIterator[Event]:
        """Yield what the code says as it comes; the last event is `done`. Closing the iterator interrupts the code."""
        call = calls.execute(session_id, code, options)
        headers = {"Accept": calls.STREAM_TYPE}
        async with self._http.stream(call.method, call.path, json=call.body, headers=headers) as response:
            if response.is_error:
                raise calls.failure(response.status_code, await response.aread(), response.headers.get("Retry-After"))
            async for line in response.aiter_lines():
                if (event := calls.event(line)) is not None:
                    yield event

    async def health(self) -> Json:
        """Return `{"status": "ok", …}`; needs no token."""
        return await self.call(calls.health())

    async def run(
        self,
        code: str,
        *,
        timeout: float | None = None,  # noqa: ASYNC109  # the service's, which knows how to end user code
        envs: Mapping[str, str] | None = None,
    ) -> ExecutionResult:
        """Run code in an interpreter of its own, which is gone afterwards."""
        return await self.call(calls.run(code, timeout, envs))

    async def create(self, session_id: str | None = None, **options: Any) -> AsyncSession:
        """Make a session; options are those of `POST /v1/sessions`."""
        info = await self.call(calls.create({"session_id": session_id, **options}))
        return AsyncSession(self, info["session_id"])

    def session(self, session_id: str = "default") -> AsyncSession:
        """Return a session that is there, or the default one, which the first execution makes. No call."""
        return AsyncSession(self, session_id)

    async def sessions(self) -> list[Json]:
        """Return the statistics of all sessions."""
        return await self.call(calls.sessions())

    async def load(self, session_id: str, name: str) -> AsyncSession:
        """Make a session of a snapshot."""
        await self.call(calls.load(session_id, name))
        return AsyncSession(self, session_id)

    async def stdlib(self) -> Json:
        """Return the names in the standard library, by kind."""
        return await self.call(calls.stdlib())

    async def add_to_stdlib(self, function_code: str) -> Json:
        """Add a function to the standard library of new sessions."""
        return await self.call(calls.add_to_stdlib(function_code))


class AsyncSession:
    """One interpreter of the service. With `async with` it is destroyed at the end."""

    def __init__(self, client: AsyncClient, session_id: str) -> None:
        self.client = client
        self.id = session_id

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.destroy()

    async def execute(self, code: str, **options: Any) -> ExecutionResult:
        """Run code to its end; options are `timeout`, `restart`, `envs`, `on_disconnect`, `include_messages`."""
        return await self.client.call(calls.execute(self.id, code, options))

    def stream(self, code: str, **options: Any) -> AsyncIterator[Event]:
        """Yield what the code says as it comes; see `AsyncClient.stream`."""
        return self.client.stream(self.id, code, **options)

    async def interrupt(self) -> Json:
        """Interrupt what runs."""
        return await self.client.call(calls.act(self.id, "interrupt"))

    async def restart(self) -> Json:
        """Start anew: no variables, the same id."""
        return await self.client.call(calls.act(self.id, "restart"))

    async def clear(self) -> Json:
        """Start anew and forget the history."""
        return await self.client.call(calls.act(self.id, "clear"))

    async def stats(self) -> Json:
        """Return the session's statistics."""
        return await self.client.call(calls.stats(self.id))

    async def variables(self, name: str | None = None, *, max_chars: int | None = None) -> Json:
        """Return the names of all variables, or one variable as text."""
        return await self.client.call(calls.variables(self.id, name, max_chars))

    async def history(self) -> list[Json]:
        """Return what was executed, and when."""
        return await self.client.call(calls.history(self.id))

    async def save(self, name: str) -> Json:
        """Save the variables under a name; the answer says what could not be saved."""
        return await self.client.call(calls.act(self.id, "save", {"name": name}))

    async def files(self) -> list[Json]:
        """Return the files in the session's output folder."""
        return await self.client.call(calls.files(self.id))

    async def read_file(self, path: str) -> bytes:
        """Return the contents of a file."""
        content: bytes = await self.client.call(calls.file("GET", self.id, path))
        return content

    async def write_file(self, path: str, content: bytes) -> Json:
        """Upload a file."""
        entry: Json = await self.client.call(calls.file("PUT", self.id, path, content))
        return entry

    async def delete_file(self, path: str) -> None:
        """Delete a file."""
        await self.client.call(calls.file("DELETE", self.id, path))

    async def destroy(self) -> Json:
        """End the session and return its final statistics."""
        return await self.client.call(calls.destroy(self.id))
