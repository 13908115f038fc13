"""Channels between a client and a kernel of one process: `send` runs a request, `call_handlers` gets messages."""

from __future__ import annotations

from typing import Any

from jupyter_client.channelsabc import HBChannelABC


class InProcessChannel:
    """One channel of a client. Subclasses say in `call_handlers` what becomes of a message."""

    proxy_methods: list[object] = []

    def __init__(self, client: Any = None) -> None:
        super().__init__()
        self.client = client
        self._is_alive = False

    def is_alive(self) -> bool:
        """Whether the channel was started."""
        return self._is_alive

    def start(self) -> None:
        """Start the channel."""
        self._is_alive = True

    def stop(self) -> None:
        """Stop the channel."""
        self._is_alive = False

    def send(self, msg: dict[str, Any]) -> None:
        """Give a message to the kernel, which has handled it when this returns."""
        self.client._dispatch_to_kernel(msg)

    def call_handlers(self, msg: dict[str, Any]) -> None:
        """Take a message of the kernel's."""
        raise NotImplementedError("call_handlers must be defined in a subclass.")

    def call_handlers_later(self, *args: Any, **kwargs: Any) -> None:
        """Take a reply; a GUI may do it later, in its event loop."""
        self.call_handlers(*args, **kwargs)

    def flush(self, timeout: float = 1.0) -> None:
        """Nothing: messages do not wait here."""

    def process_events(self) -> None:
        """Let the GUI handle events, while the kernel waits for the answer to a question."""
        raise NotImplementedError


class InProcessHBChannel:
    """A heartbeat that beats: the kernel lives as long as the client does."""

    time_to_dead = 3.0

    def __init__(self, client: Any = None) -> None:
        super().__init__()
        self.client = client
        self._is_alive = False
        self._pause = True

    def is_alive(self) -> bool:
        """Whether the channel was started."""
        return self._is_alive

    def start(self) -> None:
        """Start the channel."""
        self._is_alive = True

    def stop(self) -> None:
        """Stop the channel."""
        self._is_alive = False

    def pause(self) -> None:
        """Stop beating."""
        self._pause = True

    def unpause(self) -> None:
        """Beat."""
        self._pause = False

    def is_beating(self) -> bool:
        """Whether the kernel is there."""
        return not self._pause


HBChannelABC.register(InProcessHBChannel)
