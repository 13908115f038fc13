"""The connection with debugpy's adapter, against a server that answers as told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from kernelet.protocol.dap import Frames, encode
from kernelet.runtime.debug_adapter import Adapter, AdapterGone

Serve = Callable[[Any, asyncio.StreamWriter], Awaitable[None]]


def play(serve: Serve, client: Callable[[Adapter, list[str], list[str]], Awaitable[None]]) -> None:
    """Run a server that is given each request, and a client with the lists of events and of reasons for a loss."""

    async def run() -> None:
        handlers: list[asyncio.Task[Any] | None] = []

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            handlers.append(asyncio.current_task())
            frames = Frames()
            while data := await reader.read(1000):
                for request in frames.feed(data):
                    await serve(request, writer)
            writer.close()
            await writer.wait_closed()

        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        events: list[str] = []
        lost: list[str] = []
        adapter = await Adapter.connect(
            server.sockets[0].getsockname(), lambda event: events.append(event.name), lambda _, why: lost.append(why)
        )
        async with asyncio.timeout(30):
            await client(adapter, events, lost)
        adapter.close()
        server.close()
        await asyncio.gather(adapter.reading, *filter(None, handlers))

    asyncio.run(run())


def answer(request: Any, **more: Any) -> bytes:
    return encode({"type": "response", "request_seq": request["seq"], "success": True, **more})


def test_requests_overlap_and_a_response_is_noted_before_the_events_after_it() -> None:
    held: list[Any] = []

    async def serve(request: Any, writer: asyncio.StreamWriter) -> None:
        held.append(request)
        if len(held) == 2:  # the second is answered first, with an event behind it in the same packet
            writer.write(
                answer(held[1], body=2) + encode({"type": "event", "event": "stopped"}) + answer(held[0], body=1)
            )

    async def client(adapter: Adapter, events: list[str], lost: list[str]) -> None:
        first = adapter.begin("a")
        second = await adapter.ask("b", {"x": 1}, lambda message: events.append(f"response {message['body']}"))
        assert second["body"] == 2
        assert (await first)["body"] == 1
        assert events == ["response 2", "stopped"]
        assert held[1]["arguments"] == {"x": 1}
        assert lost == []

    play(serve, client)


def test_end_of_the_adapter_fails_what_waits_and_is_told_once() -> None:
    async def serve(request: Any, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async def client(adapter: Adapter, events: list[str], lost: list[str]) -> None:
        with pytest.raises(AdapterGone, match="has ended"):
            await adapter.ask("threads")
        assert len(lost) == 1
        with pytest.raises(AdapterGone, match="not connected"):
            await adapter.ask("threads")

    play(serve, client)


def test_what_is_no_dap_ends_the_connection() -> None:
    async def serve(request: Any, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400\r\n\r\n")

    async def client(adapter: Adapter, events: list[str], lost: list[str]) -> None:
        with pytest.raises(AdapterGone, match="Content-Length"):
            await adapter.ask("threads")
        assert len(lost) == 1

    play(serve, client)


def test_request_of_the_adapter_is_refused() -> None:
    refused: list[Any] = []

    async def serve(request: Any, writer: asyncio.StreamWriter) -> None:
        if request["type"] == "response":
            refused.append(request)
            writer.write(answer({"seq": 1}))
        else:
            writer.write(encode({"type": "request", "seq": 9, "command": "runInTerminal"}))

    async def client(adapter: Adapter, events: list[str], lost: list[str]) -> None:
        await adapter.ask("launch")
        assert (refused[0]["request_seq"], refused[0]["success"]) == (9, False)

    play(serve, client)


def test_closing_is_no_loss() -> None:
    async def serve(request: Any, writer: asyncio.StreamWriter) -> None:
        return None

    async def client(adapter: Adapter, events: list[str], lost: list[str]) -> None:
        waiting = adapter.begin("threads")
        adapter.close()
        with pytest.raises(AdapterGone, match="disconnected"):
            await waiting
        assert lost == []

    play(serve, client)
