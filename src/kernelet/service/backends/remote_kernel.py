"""One kernel of a Jupyter server: REST for its life, a WebSocket for its messages, opened again when it breaks.

The same session_id is shown each time: a Jupyter server keeps what a kernel says meanwhile for who comes back with it.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.typing import Subprotocol

from kernelet.service.backends.backend import Listener, Message
from kernelet.service.backends.ws_frames import V1, FrameError, decode, encode
from kernelet.service.errors import Unavailable
from kernelet.service.settings import Settings

logger = logging.getLogger("kernelet.service")

_FIRST_PAUSE_S = 0.1
_REPLAY_S = 1.0
"""How long a server may take to send what it kept for us."""


class RemoteKernel:
    """A kernel that the server runs for us."""

    pid: int | None = None

    def __init__(
        self,
        http: httpx.AsyncClient,
        settings: Settings,
        kernel_id: str,
        session_id: str,
        subprotocols: Sequence[str] | None,
    ) -> None:
        self.kernel_id = kernel_id
        self.gone: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        self._http = http
        self._settings = settings
        self._session_id = session_id
        self._offered = [Subprotocol(name) for name in ([V1] if subprotocols is None else subprotocols)]
        self._listener: Listener = lambda channel, message: None
        self._socket: ClientConnection | None = None
        self._connected = asyncio.Event()
        self._reader: asyncio.Task[None] | None = None
        self._pending: dict[str, str] = {}
        """Requests on shell without a reply: msg_id to msg_type."""
        self._background: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Connect. Raises Unavailable."""
        try:
            self._socket = await self._connect()
        except (OSError, InvalidHandshake, TimeoutError) as error:
            raise Unavailable(f"The Jupyter server refuses the WebSocket of its kernel: {error}") from error
        self._connected.set()
        self._reader = asyncio.create_task(self._read(), name=f"remote kernel {self.kernel_id}")

    async def _connect(self) -> ClientConnection:
        base = str(self._http.base_url).rstrip("/")
        address = f"ws{base.removeprefix('http')}/api/kernels/{self.kernel_id}/channels?session_id={self._session_id}"
        return await connect(
            address,
            subprotocols=self._offered or None,
            additional_headers={
                name: value for name, value in self._http.headers.items() if name.lower() == "authorization"
            },
            open_timeout=self._settings.timeout_connect,
            max_size=self._settings.max_message_bytes,
            close_timeout=1,
        )

    def listen(self, listener: Listener) -> None:
        """Hand all messages to `listener` from now on."""
        self._listener = listener

    async def send(self, channel: str, msg_type: str, content: Mapping[str, Any], msg_id: str) -> None:
        """Send a request. While the connection is being made anew it waits, since nothing has been sent yet."""
        try:
            await asyncio.wait_for(self._connected.wait(), self._settings.timeout_connect)
        except TimeoutError:
            raise ConnectionError("the connection to the Jupyter server is lost") from None
        if self.gone.done() or self._socket is None:
            raise ConnectionError("the kernel is gone")
        message = {
            "header": {
                "msg_id": msg_id,
                "msg_type": msg_type,
                "session": self._session_id,
                "username": "kernelet",
                "date": datetime.now(UTC).isoformat(),
                "version": "5.4",
            },
            "parent_header": {},
            "metadata": {},
            "content": dict(content),
            "buffers": [],
        }
        try:
            await self._socket.send(encode(channel, message, self._socket.subprotocol))
        except ConnectionClosed as error:
            raise ConnectionError(f"the connection broke: {error}") from error
        if channel == "shell":
            self._pending[msg_id] = msg_type

    async def interrupt(self) -> None:
        """Ask the server to interrupt the kernel. That it cannot be reached is told by the log: the kill comes next."""
        try:
            await self._http.post(f"/api/kernels/{self.kernel_id}/interrupt")
        except httpx.HTTPError as error:
            logger.warning("kernel %s could not be interrupted: %r", self.kernel_id, error)

    async def kill(self) -> None:
        """Have the server end the kernel."""
        if not self.gone.done():
            self.gone.set_result(None)
            try:
                await self._http.delete(f"/api/kernels/{self.kernel_id}")
            except httpx.HTTPError as error:
                logger.warning("kernel %s could not be deleted: %r", self.kernel_id, error)
        if self._reader is not None and self._reader is not asyncio.current_task():
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)
        if self._socket is not None:
            await self._socket.close()

    async def shutdown(self) -> None:
        """Have the server end the kernel: it asks nicely first."""
        await self.kill()

    async def _read(self) -> None:
        while not self.gone.done():
            assert self._socket is not None
            try:
                frame = await self._socket.recv()
            except ConnectionClosed:
                self._connected.clear()
                if not await self._reconnect():
                    self._die()
                    return
                continue
            try:
                channel, message = decode(frame, self._socket.subprotocol)
            except FrameError as error:
                logger.warning("the Jupyter server sent %s", error)
                continue
            await self._hear(channel, message)

    async def _hear(self, channel: str, message: Message) -> None:
        parent = message.get("parent_header") or {}
        if channel == "shell":
            self._pending.pop(parent.get("msg_id", ""), None)
        state = message["content"].get("execution_state")
        waiting = self._listener(channel, message)
        if waiting is not None:
            await waiting
        # The server says so itself when the process has died; a kernel never does.
        if channel == "iopub" and state in ("restarting", "dead"):
            self._die()

    def _die(self) -> None:
        if not self.gone.done():
            task = asyncio.create_task(self._forget())
            self._background.add(task)
            task.add_done_callback(self._background.discard)
            self.gone.set_result(None)

    async def _forget(self) -> None:
        """Delete what is left of it: a kernel that the server restarts has lost the variables all the same."""
        try:
            await self._http.delete(f"/api/kernels/{self.kernel_id}")
        except httpx.HTTPError as error:
            logger.info("kernel %s could not be deleted: %r", self.kernel_id, error)

    async def _reconnect(self) -> bool:
        """Connect again under the same session_id; tell whether the kernel is still there."""
        pause = _FIRST_PAUSE_S
        give_up = asyncio.get_running_loop().time() + self._settings.timeout_total
        while asyncio.get_running_loop().time() < give_up:
            logger.info("connection to kernel %s lost, connecting again", self.kernel_id)
            try:
                model = await self._http.get(f"/api/kernels/{self.kernel_id}")
                if model.status_code == httpx.codes.NOT_FOUND:
                    return False
                self._socket = await self._connect()
            except (OSError, httpx.HTTPError, InvalidHandshake, TimeoutError) as error:
                if isinstance(error, InvalidStatus) and error.response.status_code == httpx.codes.NOT_FOUND:
                    return False
                await asyncio.sleep(pause)
                pause = min(pause * 2, max(self._settings.crash_sleep_duration, _FIRST_PAUSE_S))
            else:
                self._connected.set()
                if self._pending:
                    task = asyncio.create_task(self._account(dict(self._pending)))
                    self._background.add(task)
                    task.add_done_callback(self._background.discard)
                return True
        return False

    async def _account(self, pending: dict[str, str]) -> None:
        """End the requests whose replies were lost with the connection: the kernel is idle, and nothing comes."""
        while not self.gone.done():
            await asyncio.sleep(_REPLAY_S)
            missing = {msg_id: kind for msg_id, kind in pending.items() if msg_id in self._pending}
            if not missing:
                return
            try:
                model = await self._http.get(f"/api/kernels/{self.kernel_id}")
            except httpx.HTTPError:
                continue
            if model.is_success and model.json().get("execution_state") == "idle":
                for msg_id, kind in missing.items():
                    await self._say_lost(msg_id, kind)
                return

    async def _say_lost(self, msg_id: str, kind: str) -> None:
        reason = "The connection broke, and the server did not keep the rest of the output and the reply."
        error = {"ename": "ReplyLost", "evalue": reason, "traceback": []}
        for channel, msg_type, content in (
            ("shell", kind.replace("_request", "_reply"), {"status": "error", **error}),
            ("iopub", "status", {"execution_state": "idle"}),
        ):
            await self._hear(
                channel,
                {
                    "header": {"msg_id": uuid.uuid4().hex, "msg_type": msg_type, "session": self._session_id},
                    "parent_header": {"msg_id": msg_id},
                    "metadata": {},
                    "content": content,
                    "buffers": [],
                },
            )
