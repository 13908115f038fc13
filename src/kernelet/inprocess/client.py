"""A jupyter_client KernelClient whose kernel is in the same process. In the thread that uses it."""

from __future__ import annotations

from typing import Any

from jupyter_client.client import KernelClient
from jupyter_client.clientabc import KernelClientABC
from traitlets import Any as AnyTrait
from traitlets import Type, default

from .channels import InProcessChannel, InProcessHBChannel


class InProcessKernelClient(KernelClient):
    """Sends what KernelClient sends, on channels that lead to `kernel`; a request is handled before it returns."""

    shell_channel_class = Type(InProcessChannel)  # type: ignore[assignment]  # a trait is its value's type
    iopub_channel_class = Type(InProcessChannel)  # type: ignore[assignment]  # a trait is its value's type
    stdin_channel_class = Type(InProcessChannel)  # type: ignore[assignment]  # a trait is its value's type
    control_channel_class = Type(InProcessChannel)  # type: ignore[assignment]  # a trait is its value's type
    hb_channel_class = Type(InProcessHBChannel)  # type: ignore[assignment]  # a trait is its value's type

    kernel = AnyTrait(allow_none=True)

    @default("blocking_class")
    def _default_blocking_class(self) -> Any:
        from .blocking import BlockingInProcessKernelClient

        return BlockingInProcessKernelClient

    def get_connection_info(self, session: bool = False) -> Any:
        """Return the connection information, with the kernel itself in it."""
        return {**super().get_connection_info(session=session), "kernel": self.kernel}

    def start_channels(self, *args: Any, **kwargs: Any) -> None:
        """Start the channels and hear what the kernel says from now on."""
        super().start_channels(*args, **kwargs)
        if self.kernel is not None and self not in self.kernel.frontends:
            self.kernel.frontends.append(self)

    def stop_channels(self) -> None:
        """Stop the channels."""
        super().stop_channels()
        if self.kernel is not None and self in self.kernel.frontends:
            self.kernel.frontends.remove(self)

    def _channel(self, name: str) -> Any:
        channel = getattr(self, f"_{name}_channel")
        if channel is None:
            channel = getattr(self, f"{name}_channel_class")(self)
            setattr(self, f"_{name}_channel", channel)
        return channel

    @property
    def shell_channel(self) -> Any:
        return self._channel("shell")

    @property
    def iopub_channel(self) -> Any:
        return self._channel("iopub")

    @property
    def stdin_channel(self) -> Any:
        return self._channel("stdin")

    @property
    def control_channel(self) -> Any:
        return self._channel("control")

    @property
    def hb_channel(self) -> Any:
        return self._channel("hb")

    def shutdown(self, restart: bool = False) -> str:
        """Raise NotImplementedError: the kernel ends with its manager's `shutdown_kernel`, or with the process."""
        raise NotImplementedError("Cannot shutdown in-process kernel")

    def input(self, string: str) -> None:
        """Answer the question that the kernel asks."""
        self._kernel().raw_input_str = string

    def get_shell_msg(self, block: bool = True, timeout: float | None = None) -> dict[str, Any]:
        """Return a message of the shell channel (of a blocking client)."""
        message: dict[str, Any] = self.shell_channel.get_msg(block, timeout)
        return message

    def get_iopub_msg(self, block: bool = True, timeout: float | None = None) -> dict[str, Any]:
        """Return a message of the iopub channel (of a blocking client)."""
        message: dict[str, Any] = self.iopub_channel.get_msg(block, timeout)
        return message

    def get_stdin_msg(self, block: bool = True, timeout: float | None = None) -> dict[str, Any]:
        """Return a message of the stdin channel (of a blocking client)."""
        message: dict[str, Any] = self.stdin_channel.get_msg(block, timeout)
        return message

    def get_control_msg(self, block: bool = True, timeout: float | None = None) -> dict[str, Any]:
        """Return a message of the control channel (of a blocking client)."""
        message: dict[str, Any] = self.control_channel.get_msg(block, timeout)
        return message

    def _kernel(self) -> Any:
        if self.kernel is None:
            raise RuntimeError("Cannot send request. No kernel exists.")
        return self.kernel

    def _dispatch_to_kernel(self, msg: dict[str, Any]) -> None:
        self._kernel().dispatch(self, msg)


KernelClientABC.register(InProcessKernelClient)
