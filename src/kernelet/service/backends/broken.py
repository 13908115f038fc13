"""When a connection of ZMQ is broken for good, which it does after a message that is too large. Loop only."""

from __future__ import annotations

import asyncio
import struct
from typing import Any, Final

# Numbers of ZMQ's ABI; the socket is jupyter_client's, and the service imports no zmq of its own.
_CONNECT_RETRIED: Final = 0x0004
_DISCONNECTED: Final = 0x0200
_POLLIN: Final = 1

_RETRIED_WITHIN_S: Final = 0.2
"""Where ZMQ itself connects again, it says so long before."""
_LOOK_S: Final = 0.02


async def broken(socket: Any) -> None:
    """Return when this zmq.asyncio socket will never receive again: everything before has been read, too.

    Where the other side has closed its connection, ZMQ connects again by itself.
    """
    monitor = socket.get_monitor_socket(_DISCONNECTED | _CONNECT_RETRIED)
    try:
        disconnected = False
        while True:
            try:
                async with asyncio.timeout(_RETRIED_WITHIN_S if disconnected else None):
                    said, _ = await monitor.recv_multipart()
            except TimeoutError:
                break
            (event,) = struct.unpack_from("=H", said)
            disconnected = event == _DISCONNECTED
    finally:
        socket.disable_monitor()
    while int(socket.EVENTS) & _POLLIN:  # noqa: ASYNC110  # who reads it is told, nobody else
        await asyncio.sleep(_LOOK_S)
