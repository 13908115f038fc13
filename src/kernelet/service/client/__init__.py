"""The typed client of the service: `Client` blocks, `AsyncClient` awaits; both return what the server's models are."""

from .aio import AsyncClient, AsyncSession
from .calls import ClientError
from .sync import Client, Session

__all__ = ["AsyncClient", "AsyncSession", "Client", "ClientError", "Session"]
