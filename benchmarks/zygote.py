"""Measure kernels that are forked from a zygote beside spawned ones: `python benchmarks/zygote.py [--count N]`.

Times are from the call of jupyter_client's `start_kernel` (ports, connection file and all) to an answer; the kernels
take turns. Memory is private to the process (USS), after the first cell. `all at once` starts that many kernels from
one event loop, and ends when each has answered kernel_info.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

sys.path[0] = str(Path(__file__).resolve().parent.parent)

import zmq  # noqa: E402
from jupyter_client.manager import AsyncKernelManager  # noqa: E402

from benchmarks import procfs  # noqa: E402
from benchmarks.client import Client  # noqa: E402

INFO: dict[str, Any] = {}
CELL = {"code": "1", "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False}
DATA = "numpy,pandas,matplotlib.pyplot"
VARIANTS: dict[str, tuple[str, dict[str, str]]] = {
    "instant": ("kernelet-instant", {}),
    "instant, numpy pandas matplotlib": ("kernelet-instant", {"KERNELET_PRELOAD": DATA}),
    "spawned": ("kernelet", {}),
}


async def start(name: str, env: dict[str, str]) -> AsyncKernelManager:
    manager = AsyncKernelManager(kernel_name=name)
    await manager.start_kernel(env={**os.environ, **env})
    return manager


def client_of(manager: AsyncKernelManager, context: zmq.Context[zmq.Socket[bytes]]) -> Client:
    info = manager.get_connection_info()
    return Client(context, {**info, "key": info["key"].decode()})


async def one(name: str, env: dict[str, str], context: zmq.Context[zmq.Socket[bytes]]) -> tuple[float, float, float]:
    """Start a kernel, ask it twice, end it; return milliseconds to both answers, and its USS in MiB."""
    began = time.perf_counter()
    manager = await start(name, env)
    client = client_of(manager, context)
    client.shell.send_multipart(client.request("kernel_info_request", INFO).frames)
    client.shell.recv_multipart()
    informed = time.perf_counter()
    client.shell.send_multipart(client.request("execute_request", CELL).frames)
    client.shell.recv_multipart()
    executed = time.perf_counter()
    provisioner: Any = manager.provisioner
    uss = procfs.memory([provisioner.pid]).uss
    client.close()
    await manager.shutdown_kernel(now=True)
    return 1e3 * (informed - began), 1e3 * (executed - began), uss


async def all_at_once(count: int, context: zmq.Context[zmq.Socket[bytes]]) -> float:
    """Return the seconds until `count` kernels, started together, have all answered."""
    began = time.perf_counter()
    managers = await asyncio.gather(*(start("kernelet-instant", {}) for _ in range(count)))
    clients = [client_of(manager, context) for manager in managers]
    for client in clients:
        client.shell.send_multipart(client.request("kernel_info_request", INFO).frames)
    for client in clients:
        client.shell.recv_multipart()
    seconds = time.perf_counter() - began
    for client in clients:
        client.close()
    await asyncio.gather(*(manager.shutdown_kernel(now=True) for manager in managers))
    return seconds


async def measure(rounds: int, count: int) -> None:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    samples: dict[str, list[tuple[float, float, float]]] = {label: [] for label in VARIANTS}
    for name, env in VARIANTS.values():  # the zygotes start, and files are read once
        await one(name, env, context)
    for _ in range(rounds):
        for label, (name, env) in VARIANTS.items():
            samples[label].append(await one(name, env, context))
    print(f"load {procfs.load()[0]:.1f}, Python {sys.version.split()[0]}, {rounds} rounds, medians (quickest)")
    for label, rows in samples.items():
        info, cell, uss = zip(*rows, strict=True)
        print(
            f"{label:34} kernel_info {statistics.median(info):4.0f} ms ({min(info):3.0f})   "
            f"first reply {statistics.median(cell):4.0f} ms ({min(cell):3.0f})   USS {statistics.median(uss):5.1f} MiB"
        )
    print(f"{count} instant kernels all at once: {await all_at_once(count, context):.2f} s")
    context.destroy(linger=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--count", type=int, default=30, help="kernels started at once")
    options = parser.parse_args()
    with TemporaryDirectory(prefix="knl-") as runtime:
        os.environ["JUPYTER_RUNTIME_DIR"] = runtime
        os.chmod(runtime, 0o700)
        try:
            asyncio.run(measure(options.rounds, options.count))
        finally:
            from kernelet.launch.zygotes import Zygotes

            Zygotes(Path(runtime, "kernelet-zygotes")).end()


if __name__ == "__main__":
    main()
