"""Comms: the `comm` package's objects, published on our wire.

Publishing may happen in any thread; requests are handled in the lane of their shell.
Source: https://jupyter-client.readthedocs.io/en/stable/messaging.html#custom-messages
"""

from __future__ import annotations

import logging
import uuid
import warnings
from typing import Any, ClassVar

import comm
from comm.base_comm import BaseComm as CommOfThePackage
from comm.base_comm import CommManager as ManagerOfThePackage
from traitlets import Any as AnyTrait
from traitlets import Bool, Bytes, Dict, Unicode, default
from traitlets.config import LoggingConfigurable

from ..runtime.host import Host
from ..runtime.log import Level


class BaseComm(CommOfThePackage):
    """A comm of this kernel: what `comm.create_comm` makes."""

    __module__ = "ipykernel.comm.comm"

    # Set once, by `CommManager.install`: user code makes comms by calling the class.
    manager: ClassVar[CommManager]

    @property
    def kernel(self) -> Any:
        """`get_ipython().kernel`; ipywidgets takes None here for "there is no comm"."""
        return self.manager.kernel

    def publish_msg(
        self,
        msg_type: str,
        data: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
        buffers: list[bytes] | None = None,
        **keys: Any,
    ) -> None:
        """Send one message to the front end's side. Raises TypeError when data has no JSON form."""
        host = self.manager.host
        host.wire.publish(
            msg_type,
            {"data": data or {}, "comm_id": self.comm_id, **keys},
            host.attribution.current(),
            metadata=metadata,
            buffers=buffers or (),
            topic=f"comm-{self.comm_id}",
            lazy=True,
        )


class Comm(BaseComm, LoggingConfigurable):
    """A comm with traits, for code that makes or subclasses `ipykernel.comm.Comm` (bokeh, pyviz_comms, vpython)."""

    __module__ = "ipykernel.comm.comm"

    kernel = AnyTrait(allow_none=True)
    comm_id = Unicode()
    primary = Bool(True)
    target_name = Unicode("comm")
    target_module = Unicode(None, allow_none=True)
    topic = Bytes()

    def __init__(
        self,
        target_name: str = "",
        data: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
        buffers: list[bytes] | None = None,
        show_warning: bool = True,
        **kwargs: Any,
    ) -> None:
        """Open a comm, unless it is not `primary`: then it is the other end of one that the front end opened."""
        if show_warning:
            warnings.warn("ipykernel.comm.Comm is deprecated: use comm.create_comm", DeprecationWarning, stacklevel=2)
        name = target_name or self.target_name
        super().__init__(name, data=data, metadata=metadata, buffers=buffers, **kwargs)

    @default("kernel")
    def _default_kernel(self) -> Any:
        return self.manager.kernel

    @default("comm_id")
    def _default_comm_id(self) -> str:
        return uuid.uuid4().hex


class CommManager(ManagerOfThePackage, LoggingConfigurable):
    """The kernel's comms and targets. `kernel` is the one that ipywidgets and friends see."""

    __module__ = "ipykernel.comm.manager"

    kernel = AnyTrait(allow_none=True)
    comms = Dict()
    targets = Dict()

    def __init__(self, host: Host | None = None, **kwargs: Any) -> None:
        """`host` is the kernel's; a manager that user code makes shares the one of the kernel."""
        ManagerOfThePackage.__init__(self)
        LoggingConfigurable.__init__(self, **kwargs)
        self.host: Host = host or BaseComm.manager.host

    def install(self, kernel: Any) -> None:
        """Let the comm package make and find comms here."""
        self.kernel = kernel
        BaseComm.manager = self
        comm.create_comm = BaseComm
        comm.get_comm_manager = lambda: self
        _log_to(self.host)

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
