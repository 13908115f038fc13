"""Comms: the `comm` package's objects, published on our wire.

Publishing may happen in any thread; requests are handled in the lane of their shell.
Source: https://jupyter-client.readthedocs.io/en/stable/messaging.html#custom-messages
"""

from __future__ import annotations

import logging
from typing import Any

import comm
from comm.base_comm import BaseComm
from comm.base_comm import CommManager as BaseCommManager

from ..runtime.host import Host
from ..runtime.log import Level


class CommManager(BaseCommManager):
    """The kernel's comms and targets. `kernel` is the one that ipywidgets and friends see."""

    def __init__(self, host: Host) -> None:
        super().__init__()
        self.host = host
        self.kernel: Any = None

    def install(self, kernel: Any) -> None:
        """Let the comm package make and find comms here."""
        self.kernel = kernel
        manager = self

        class Comm(BaseComm):
            """A comm of this kernel."""

            __module__ = "ipykernel.comm.comm"

            @property
            def kernel(self) -> Any:
                return manager.kernel

            def publish_msg(
                self,
                msg_type: str,
                data: dict[str, Any] | None = None,
                metadata: dict[str, Any] | None = None,
                buffers: list[bytes] | None = None,
                **keys: Any,
            ) -> None:
                """Send one message to the front end's side. Raises TypeError when data has no JSON form."""
                manager.host.wire.publish(
                    msg_type,
                    {"data": data or {}, "comm_id": self.comm_id, **keys},
                    manager.host.attribution.current(),
                    metadata=metadata,
                    buffers=buffers or (),
                    topic=f"comm-{self.comm_id}",
                )

        comm.create_comm = Comm
        comm.get_comm_manager = lambda: manager
        _log_to(manager.host)

    def info(self, target_name: str | None) -> dict[str, Any]:
        """Return comm_id -> {target_name} of the open comms, of one target or of all."""
        return {
            comm_id: {"target_name": one.target_name}
            for comm_id, one in dict(self.comms).items()
            if target_name is None or one.target_name == target_name
        }


class _ToKernelLog(logging.Handler):
    """Sends what the comm package logs to the kernel's log, and a callback's error to the user as well."""

    def __init__(self, host: Host) -> None:
        super().__init__()
        self._host = host

    def emit(self, record: logging.LogRecord) -> None:
        level: Level = "info"
        if record.levelno >= logging.WARNING:
            level = "error" if record.levelno >= logging.ERROR else "warning"
        text = record.getMessage()
        if record.exc_info:
            text += "\n" + logging.Formatter().formatException(record.exc_info)
            self._host.wire.write("stderr", self._host.attribution.current(), text + "\n")
        self._host.log(level, text)


def _log_to(host: Host) -> None:
    logger = logging.getLogger("Comm")
    logger.addHandler(_ToKernelLog(host))
    logger.propagate = False
