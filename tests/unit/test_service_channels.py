"""The service's end of a kernel's sockets, against real sockets in the kernel's place."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator
from typing import Any

import pytest
import zmq

from kernelet.protocol.codec import Codec
from kernelet.protocol.message import Buffer
from kernelet.service.backends.backend import GAP, Message
from kernelet.service.backends.channels import Channels

DEADLINE_S = 20
KEY = b"key"
LARGEST = 1 << 20


class Kernel:
    """Bound sockets, and a codec with the key."""

    def __init__(self, folder: Any) -> None:
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.codec = Codec(KEY, "hmac-sha256", "kernel", lambda: "2026-11-30T00:00:00Z")
        self.connection = {"transport": "ipc", "ip": f"{folder}/k", "key": KEY, "signature_scheme": "hmac-sha256"}
        self.sockets: dict[str, zmq.Socket[bytes]] = {}
        for number, name in enumerate(("shell", "stdin", "control", "iopub"), 1):
            self.connection[f"{name}_port"] = number
            socket = self.sockets[name] = self.context.socket(zmq.XPUB if name == "iopub" else zmq.ROUTER)
            socket.rcvtimeo = DEADLINE_S * 1000
            socket.bind(f"ipc://{folder}/k-{number}")

    def say(self, *frames: Buffer, msg_type: str = "stream", **content: Any) -> None:
        """Send frames on iopub, or a good message where there are none."""
        self.sockets["iopub"].send_multipart([b"topic", *(frames or self.codec.encode(msg_type, content))])


@pytest.fixture
def kernel(tmp_path: Any) -> Iterator[Kernel]:
    found = Kernel(tmp_path)
    yield found
    found.context.destroy(linger=0)


async def until(said: list[Any], number: int) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while len(said) < number:  # noqa: ASYNC110  # what is waited for comes by a callback
            await asyncio.sleep(0.01)


def test_what_cannot_be_read_is_dropped_and_named_and_the_next_is_read(
    kernel: Kernel, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> list[str]:
        texts: list[str] = []
        channels = Channels(kernel.connection, LARGEST, lambda _, message: texts.append(message["content"]["text"]))
        try:
            await asyncio.to_thread(kernel.sockets["iopub"].recv)
            delimiter, signature, header, parent, metadata, content = kernel.codec.encode("stream", {"text": "bad"})
            kernel.say(b"no message at all")
            kernel.say(delimiter, signature)
            kernel.say(delimiter, b"0" * 64, header, parent, metadata, content)
            for parts in ((b"{}", parent), (b"[]", parent), (b"not JSON", parent)):
                odd = (*parts, metadata, content)
                kernel.say(delimiter, kernel.codec.sign(odd), *odd)
            null = (header, b"null", metadata, b'{"text":"null parent"}')
            kernel.say(delimiter, kernel.codec.sign(null), *null)
            kernel.say(text="good")
            await until(texts, 2)
            return texts
        finally:
            await channels.close()

    assert asyncio.run(main()) == ["null parent", "good"]
    for said in (
        "no delimiter",
        "1 frames after the delimiter",
        "bad signature",
        "'msg_type'",
        "not a JSON object",
        "not JSON",
    ):
        assert said in caplog.text


def test_a_message_that_is_still_worked_on_holds_back_the_next_of_its_channel_alone(kernel: Kernel) -> None:
    async def main() -> list[str]:
        texts: list[str] = []
        go_on = asyncio.Event()

        def take(channel: str, message: Message) -> Awaitable[None] | None:
            texts.append(f"{channel} {message['content']['text']}")
            return work() if message["content"]["text"] == "slow" else None

        async def work() -> None:
            await go_on.wait()
            texts.append("worked")

        channels = Channels(kernel.connection, LARGEST, take)
        try:
            await asyncio.to_thread(kernel.sockets["iopub"].recv)
            channels.send("shell", "execute_request", {"code": "1"}, "asked")
            ident, *asked = await asyncio.to_thread(kernel.sockets["shell"].recv_multipart)
            assert kernel.codec.decode("shell", asked).header["msg_id"] == "asked"
            kernel.say(text="slow")
            kernel.say(text="next")
            await until(texts, 1)
            # Whoever asked on shell is found on stdin under the same name.
            channels.send("stdin", "input_reply", {"value": ""}, "here")
            assert (await asyncio.to_thread(kernel.sockets["stdin"].recv_multipart))[0] == ident
            kernel.sockets["shell"].send_multipart([ident, *kernel.codec.encode("execute_reply", {"text": "reply"})])
            await until(texts, 2)
            go_on.set()
            await until(texts, 4)
            return texts
        finally:
            await channels.close()

    assert asyncio.run(main()) == ["iopub slow", "shell reply", "worked", "iopub next"]


def test_a_bug_in_who_takes_a_message_costs_that_message_only(kernel: Kernel, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> list[str]:
        texts: list[str] = []
        channels = Channels(kernel.connection, LARGEST, lambda _, message: texts.append(message["content"]["text"]))
        try:
            await asyncio.to_thread(kernel.sockets["iopub"].recv)
            kernel.say(no_text="KeyError")
            kernel.say(text="good")
            await until(texts, 1)
            return texts
        finally:
            await channels.close()

    assert asyncio.run(main()) == ["good"]
    assert "could not take a message of iopub" in caplog.text


def test_messages_that_are_too_large_break_iopub_and_new_connections_tell_of_the_gaps(kernel: Kernel) -> None:
    async def main() -> list[str]:
        said: list[str] = []
        channels = Channels(kernel.connection, LARGEST, lambda _, message: said.append(message["header"]["msg_type"]))
        iopub = kernel.sockets["iopub"]
        try:
            await asyncio.to_thread(iopub.recv)
            kernel.say(msg_type="iopub_welcome")
            await until(said, 1)
            for times in range(1, 4):
                kernel.say(text="x" * (LARGEST + 1))
                while await asyncio.to_thread(iopub.recv) != b"\1":  # the old subscription ends, a new one begins
                    pass
                kernel.say(msg_type="iopub_welcome")
                kernel.say(text="after")
                await until(said, 1 + 2 * times)
            return said
        finally:
            await channels.close()

    assert asyncio.run(main()) == ["iopub_welcome", *[GAP, "stream"] * 3]
