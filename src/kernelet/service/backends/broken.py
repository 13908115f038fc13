"""When a connection of ZMQ is broken for good, which it does after a message that is too large. Loop only."""

from __future__ import annotations

import asyncio
import struct
from typing import Final

import zmq
import zmq.asyncio

_RETRIED_WITHIN_S: Final = 0.2
"""Where ZMQ itself connects again, it says so long before."""


async def broken(socket: zmq.Socket[bytes]) -> None:
    """Return when this socket will never receive again, but for what lies in it.

    Where the other side has closed its connection, ZMQ connects again by itself.
    """
    events = int(zmq.EVENT_DISCONNECTED | zmq.EVENT_CONNECT_RETRIED)
    source = socket.get_monitor_socket(events)
    monitor = zmq.asyncio.Socket.shadow(source)
    try:
        disconnected = False
        while True:
            try:
                async with asyncio.timeout(_RETRIED_WITHIN_S if disconnected else None):
                    said, _ = await monitor.recv_multipart()
            except TimeoutError:
                return
            (event,) = struct.unpack_from("=H", said)
            disconnected = event == int(zmq.EVENT_DISCONNECTED)
    finally:
        socket.disable_monitor()  # first: it says good-bye there, and waits for somebody who could hear it
        monitor.close()
        source.close(0)
