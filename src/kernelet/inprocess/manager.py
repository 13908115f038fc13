"""A jupyter_client KernelManager whose kernel is in the same process."""

from __future__ import annotations

from typing import Any

from jupyter_client.manager import KernelManager
from jupyter_client.managerabc import KernelManagerABC
from traitlets import Any as AnyTrait
from traitlets import DottedObjectName, default

from .kernel import InProcessKernel


class InProcessKernelManager(KernelManager):
    """Makes an InProcessKernel, and clients of it."""

    kernel = AnyTrait(allow_none=True)
    client_class = DottedObjectName("kernelet.inprocess.BlockingInProcessKernelClient")

    @default("blocking_class")
    def _default_blocking_class(self) -> Any:
        from .blocking import BlockingInProcessKernelClient

        return BlockingInProcessKernelClient

    def start_kernel(self, **kwargs: Any) -> None:
        """Start the kernel; `kwargs` (user_module, user_ns) go to its shell."""
        self.kernel = InProcessKernel(
            **{name: one for name, one in kwargs.items() if name in ("user_module", "user_ns")}
        )

    def shutdown_kernel(self, now: bool = False, restart: bool = False) -> None:
        """End the kernel."""
        if self.kernel is not None:
            self.kernel.close()
            self.kernel = None

    def restart_kernel(self, now: bool = False, newports: bool = False, **kwargs: Any) -> None:
        """End the kernel and start another, which the clients of the old one know from then on."""
        frontends = [] if self.kernel is None else list(self.kernel.frontends)
        self.shutdown_kernel()
        self.start_kernel(**kwargs)
        for frontend in frontends:
            frontend.kernel = self.kernel
            self.kernel.frontends.append(frontend)

    @property
    def has_kernel(self) -> bool:
        return self.kernel is not None

    def interrupt_kernel(self) -> None:
        """Interrupt the cell that runs: called in another thread, or by one of its callbacks."""
        if self.kernel is None:
            raise RuntimeError("Cannot interrupt kernel. No kernel is running!")
        self.kernel.interrupt()

    def signal_kernel(self, signum: int) -> None:
        """Raise NotImplementedError: a signal would be for the whole program."""
        raise NotImplementedError("Cannot signal in-process kernel.")

    def is_alive(self) -> bool:
        """Whether there is a kernel."""
        return self.kernel is not None

    def client(self, **kwargs: Any) -> Any:
        """Return a client of the kernel."""
        kwargs["kernel"] = self.kernel
        return super().client(**kwargs)


KernelManagerABC.register(InProcessKernelManager)
