"""An in-process client whose channels keep messages until they are asked for."""

from __future__ import annotations

import queue
import sys
from typing import Any

from traitlets import Type

from .channels import InProcessChannel
from .client import InProcessKernelClient


class BlockingInProcessChannel(InProcessChannel):
    """Keeps what arrives."""

    def __init__(self, client: Any = None) -> None:
        super().__init__(client)
        self._messages: queue.Queue[dict[str, Any]] = queue.Queue()

    def call_handlers(self, msg: dict[str, Any]) -> None:
        """Keep a message."""
        self._messages.put(msg)

    def get_msg(self, block: bool = True, timeout: float | None = None) -> dict[str, Any]:
        """Return the oldest message. Raises queue.Empty when there is none in time."""
        return self._messages.get(block, timeout)

    def get_msgs(self) -> list[dict[str, Any]]:
        """Return all messages that are here."""
        found = []
        while self.msg_ready():
            found.append(self._messages.get())
        return found

    def msg_ready(self) -> bool:
        """Whether there is a message."""
        return not self._messages.empty()


class BlockingInProcessStdInChannel(BlockingInProcessChannel):
    """Asks the person at the program's own terminal."""

    def call_handlers(self, msg: dict[str, Any]) -> None:
        """Print the prompt, read a line from the program's stdin and answer with it."""
        if msg["header"]["msg_type"] != "input_request":
            return
        stdout = sys.__stdout__
        if stdout is not None:
            stdout.write(msg["content"]["prompt"])
            stdout.flush()
        line = sys.__stdin__.readline() if sys.__stdin__ is not None else ""
        self.client.input(line.rstrip("\n") if line else "\x04")


class BlockingInProcessKernelClient(InProcessKernelClient):
    """A client that is asked for messages."""

    shell_channel_class = Type(BlockingInProcessChannel)
    iopub_channel_class = Type(BlockingInProcessChannel)
    stdin_channel_class = Type(BlockingInProcessStdInChannel)
    control_channel_class = Type(BlockingInProcessChannel)

    def wait_for_ready(self, timeout: float | None = None) -> None:
        """Ask for kernel_info, and drop what came until it was answered: an in-process kernel is ready at once."""
        self.kernel_info()
        self._handle_kernel_info_reply(self.get_shell_msg(timeout=timeout))
        self.iopub_channel.get_msgs()
