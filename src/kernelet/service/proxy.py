"""The kernel proxy's Python interface, by its names: kernels of a Jupyter server, started, used and shut down."""

from __future__ import annotations

import logging
from types import TracebackType
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from kernelet.service import settings as service
from kernelet.service.cli import PROXY_URL
from kernelet.service.cli import proxy as main
from kernelet.service.engine import Engine, SessionOptions
from kernelet.service.execution import Options
from kernelet.service.log import configure

__all__ = ["JupyterClient", "KernelManager", "Settings", "StructuredLogger", "main"]


class Settings(service.Settings):
    """The service's settings for a Jupyter server; `token` is that server's, as the proxy has it."""

    backend: Literal["local", "remote"] = "remote"
    server_url: str = Field(default=PROXY_URL, validation_alias=service._also("server_url", "jupyter_server_url"))

    @model_validator(mode="before")
    @classmethod
    def _token_is_the_servers(cls, values: Any) -> Any:
        if isinstance(values, dict) and "token" in values and "backend_token" not in values:
            values = dict(values)
            values["backend_token"] = values.pop("token")
        return values


class StructuredLogger:
    """Logs JSON with the time zone: the keywords become fields."""

    def __init__(self, name: str = "kernelet.proxy", level: str = "INFO") -> None:
        configure(level)
        self._logger = logging.getLogger(name)

    def debug(self, message: str, **fields: Any) -> None:
        """Log details."""
        self._logger.debug(message, extra=fields)

    def info(self, message: str, **fields: Any) -> None:
        """Log what happens."""
        self._logger.info(message, extra=fields)

    def warning(self, message: str, **fields: Any) -> None:
        """Log what may be wrong."""
        self._logger.warning(message, extra=fields)

    def error(self, message: str, **fields: Any) -> None:
        """Log what is wrong."""
        self._logger.error(message, extra=fields)


class JupyterClient:
    """The connection to a Jupyter server: `async with JupyterClient(settings, logger) as client`."""

    def __init__(self, settings: service.Settings, logger: StructuredLogger | None = None) -> None:
        self.settings = settings
        self.engine = Engine(settings)
        self._logger = logger

    async def __aenter__(self) -> Self:
        await self.engine.open()
        if self._logger:
            self._logger.info("client opened", server_url=self.settings.server_url)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.engine.close()


class KernelManager:
    """Starts, uses and shuts down kernels by their ids."""

    def __init__(self, client: JupyterClient, logger: StructuredLogger | None = None) -> None:
        self._engine = client.engine
        self._logger = logger

    async def start_kernel(self, name: str = "") -> dict[str, str]:
        """Start a kernel and return its `id`. Raises Unavailable, NotFound, TooMany."""
        session = await self._engine.create(None, SessionOptions(kernel_name=name, include_stdlib=False))
        if self._logger:
            self._logger.info("kernel started", kernel_id=session.id)
        return {"id": session.id}

    async def execute_code(self, kernel_id: str, code: str, timeout: float | None = None) -> dict[str, Any]:  # noqa: ASYNC109  # it is sent along, not awaited here
        """Run code and return its Jupyter messages as `results`. Raises NotFound."""
        options = Options(timeout=timeout, include_messages=True, surface="proxy")
        result = await self._engine.session(kernel_id).run(code, options)
        return {"results": result.messages or []}

    async def shutdown_kernel(self, kernel_id: str) -> dict[str, str]:
        """End a kernel. Raises NotFound."""
        await self._engine.destroy(kernel_id)
        return {"message": f"Kernel {kernel_id} shutdown"}


if __name__ == "__main__":
    raise SystemExit(main())
