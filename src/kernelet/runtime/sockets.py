"""The five sockets, bound as a connection says: options, CurveZMQ, choice of ports; and the heartbeat, which never
leaves C.

Bound in the thread that starts the kernel, then owned by the wire thread (the heartbeat by its own).
"""

from __future__ import annotations

import atexit
import os
import socket as socketlib
import threading
from collections.abc import Mapping
from typing import NamedTuple

import zmq

from ..protocol.connection import SOCKET_NAMES, Connection, InvalidConnection, SocketName

LINGER_MS = 1000
# Messages that libzmq may hold for one subscriber before the outbox holds them (counted by us, in bytes) instead.
IOPUB_HWM = 200
_TYPES: dict[SocketName, int] = {
    "shell": zmq.ROUTER,
    "control": zmq.ROUTER,
    "stdin": zmq.ROUTER,
    "iopub": zmq.XPUB,
    "hb": zmq.ROUTER,
}


class Sockets(NamedTuple):
    """The bound sockets with the context that they share."""

    context: zmq.Context[zmq.Socket[bytes]]
    by_name: Mapping[SocketName, zmq.Socket[bytes]]
    connection: Connection


def bind(connection: Connection) -> Sockets:
    """Bind the five sockets and return them with the connection completed by the ports that were chosen.

    Raises InvalidConnection when an address cannot be bound or CurveZMQ is asked for and libzmq lacks it.
    """
    if connection.curve and not zmq.has("curve"):
        raise InvalidConnection("it asks for CurveZMQ, which this libzmq was built without")
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    by_name: dict[SocketName, zmq.Socket[bytes]] = {}
    ports: dict[SocketName, int] = {}
    try:
        for name in SOCKET_NAMES:
            by_name[name] = _socket(context, name, connection)
            ports[name] = _bind_one(by_name[name], name, connection)
    except zmq.ZMQError as error:  # setting up a socket: libzmq refuses a key
        context.destroy(linger=0)
        raise InvalidConnection(f"libzmq refuses its CurveZMQ keys ({error.strerror})") from None
    except BaseException:
        context.destroy(linger=0)
        raise
    return Sockets(context, by_name, connection.with_ports(ports))


def _socket(context: zmq.Context[zmq.Socket[bytes]], name: SocketName, connection: Connection) -> zmq.Socket[bytes]:
    socket = context.socket(_TYPES[name])
    socket.linger = LINGER_MS
    if ":" in connection.ip:
        socket.ipv6 = True
    if name == "iopub":
        # Manual: a subscription begins when the wire says so, after its welcome. (Verbose is part of it.)
        socket.setsockopt(zmq.XPUB_MANUAL, 1)
        socket.setsockopt(zmq.XPUB_NODROP, 1)
        socket.sndhwm = IOPUB_HWM
    else:
        # A ROUTER at its high-water mark drops silently; replies were asked for, so they are never dropped.
        socket.sndhwm = 0
        socket.setsockopt(zmq.ROUTER_HANDOVER, 1)
        if name == "stdin":  # the wire wants to know when it asks a client that is not connected there yet
            socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
    if connection.curve:
        socket.curve_publickey, socket.curve_secretkey = connection.curve
        socket.curve_server = True
    return socket


def _bind_one(socket: zmq.Socket[bytes], name: SocketName, connection: Connection) -> int:
    port = connection.ports[name]
    try:
        if connection.transport == "tcp":
            socket.bind(connection.endpoint(name))
            return port or int(bytes(socket.getsockopt(zmq.LAST_ENDPOINT)).rstrip(b"\0").rpartition(b":")[2])
        if not port:
            port = _free_suffix(connection.ip)
        socket.bind(f"ipc://{connection.ip}-{port}")
        return port
    except zmq.ZMQError as error:
        where = connection.with_ports({name: port}).endpoint(name)
        raise InvalidConnection(f"cannot bind {name} to {where}: {error.strerror}") from None


def _free_suffix(path: str) -> int:
    suffix = 1
    while os.path.exists(f"{path}-{suffix}"):
        suffix += 1
    return suffix


class Heartbeat:
    """Echoes what it receives. The loop is libzmq's own, so it answers while a cell holds the GIL in C.

    Its thread is started for the first client that connects: many front ends (JupyterLab, VS Code) have no heartbeat.
    Until then the socket is the wire thread's.
    """

    def __init__(self, socket: zmq.Socket[bytes]) -> None:
        self._socket = socket
        self._started = False
        self._thread = threading.Thread(target=self._run, name="kernelet-heartbeat", daemon=True)
        mark_service_thread(self._thread)

    def start(self) -> None:
        """Start the thread; it ends when the sockets' context is terminated."""
        self._started = True
        self._thread.start()

    def close(self) -> None:
        """Close the socket, unless the thread has it."""
        if not self._started:
            self._socket.close(linger=0)

    def _run(self) -> None:
        try:
            zmq.proxy(self._socket, self._socket)
        except zmq.ContextTerminated:
            pass
        finally:
            self._socket.close(linger=0)


def mark_service_thread(thread: threading.Thread) -> None:
    """Keep debuggers (pydevd) out of a thread of the kernel's own."""
    thread.pydev_do_not_trace = True  # type: ignore[attr-defined]  # pydevd looks for the attribute
    thread.is_pydev_daemon_thread = True  # type: ignore[attr-defined]  # pydevd looks for the attribute


def is_service_thread(thread: threading.Thread) -> bool:
    """Whether a thread is one of the kernel's own."""
    return bool(getattr(thread, "is_pydev_daemon_thread", False))


def keep_zero_copy_alive() -> None:
    """Let large messages be sent while and after atexit functions run.

    pyzmq ends its collector of zero-copy buffers at exit, and refuses to send without it; the process ends by os._exit
    once all has left.
    """
    from zmq.utils.garbage import gc

    atexit.unregister(gc._atexit)


def wake_pair() -> tuple[int, int]:
    """Return descriptors to poll and to write to: one eventfd where there is one, else a socket pair."""
    if hasattr(os, "eventfd"):
        fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        return fd, fd
    reader, writer = socketlib.socketpair()
    reader.setblocking(False)
    writer.setblocking(False)
    return reader.detach(), writer.detach()
