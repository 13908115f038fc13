"""Whether this process can be forked and go on as another kernel with the same variables: what would not survive.

A fork copies memory and one thread. Other threads, connections, GPU contexts and what hides in libraries are lost,
or are shared in a way that breaks both sides; each is a reason not to. Linux only; the thread that would fork.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Collection, Iterator
from typing import Final

# Of our own: they are made anew. zmq's and IPython's are told by where their classes come from.
_REMADE: Final = ("zmq.", "IPython.core.history")
# libzmq's own threads: one for its sockets, one that closes them.
_ZMQ_THREADS: Final = 2
_DEVICES: Final = ("/dev/nvidia", "/dev/kfd", "/dev/dri/")


def obstacles(ports: Collection[int]) -> list[str]:
    """Return why not, in words; [] when it can be forked. `ports` are the kernel's own."""
    found = [*_threads(), *_descriptors(ports)]
    return found or [*_native_threads()]


def _is_remade(thread: threading.Thread) -> bool:
    ours = getattr(thread, "pydev_do_not_trace", False) and thread.name.startswith("kernelet-")
    return ours or type(thread).__module__.startswith(_REMADE)


def _threads() -> Iterator[str]:
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not _is_remade(thread):
            yield f"the thread {thread.name!r} runs"


def _native_threads() -> Iterator[str]:
    """Look for threads that libraries have started without Python: OpenMP's, CUDA's, jax's."""
    extra = _extra()
    if extra > 0:
        # OpenBLAS ends its own before every fork, and starts them again: see whether they are such.
        pid = os.fork()
        if not pid:
            os._exit(0)
        os.waitpid(pid, 0)
        extra = _extra()
    if extra > 0:
        yield f"{extra} threads of libraries run"


def _extra() -> int:
    return len(os.listdir("/proc/self/task")) - threading.active_count() - _ZMQ_THREADS


def _descriptors(ports: Collection[int]) -> Iterator[str]:
    for fd, link in _links():
        if link.startswith(_DEVICES):
            yield f"the device {link} is open"
        elif link.startswith("socket:") and (name := _network(fd, ports)):
            yield f"a network connection is open: {name}"


def _links() -> Iterator[tuple[int, str]]:
    for name in os.listdir("/proc/self/fd"):
        try:
            yield int(name), os.readlink(f"/proc/self/fd/{name}")
        except OSError:  # the one that lists them
            continue


def _network(fd: int, ports: Collection[int]) -> str | None:
    """Return the address of a socket of the network, None for another one and for the kernel's own."""
    try:
        with socket.socket(fileno=os.dup(fd)) as one:
            if one.family not in (socket.AF_INET, socket.AF_INET6) or one.getsockname()[1] in ports:
                return None
            host, port = (_peer(one) or one.getsockname())[:2]
            return f"{host}:{port}"
    except OSError:
        return None


def _peer(one: socket.socket) -> tuple[str, int] | None:
    try:
        host, port = one.getpeername()[:2]
    except OSError:  # it listens, or is not connected
        return None
    return host, port


def close_sockets(is_kernels: Callable[[socket.socket], bool]) -> None:
    """Close the descriptors of the sockets that `is_kernels` says yes to. In a fork: the parent keeps its own."""
    for fd, link in list(_links()):
        if link.startswith("socket:"):
            try:
                with socket.socket(fileno=os.dup(fd)) as one:
                    wanted = is_kernels(one)
            except OSError:
                continue
            if wanted:
                os.close(fd)
