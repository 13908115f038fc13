"""The service under load, beside a plain FastAPI server on ipykernel with the same endpoints, in one run.

    python benchmarks/service.py [--quick] [--json FILE]

One asyncio loader on the same machine; p50, p99 and the worst of each figure, and what failed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

TARGETS = {
    "session create": "30 / 100",
    "sessions created, one after the other ends": "20 / s",
    "execute x=1, one client": "4 / 9",
    "10 sessions, closed loop": "- / 80",
    "10 sessions, closed loop: rate": "300 / s",
    "50 sessions, 2/s each": "8 / 60",
    "one-shot: create, run, destroy": "50 / 150",
    "one-shots side by side": "12 / s",
    "SSE, first byte": "5 / 12",
    "MCP over HTTP": "5 / 12",
    "timeout 1 s on `while True`": "1200",
    "timeout 1 s, killed, usable": "4200",
    "memory of an idle session (USS)": "12",
    "with numpy, pandas, matplotlib (USS)": "15",
    "service RSS": "90",
}
"""What the design asks: p50 / p99 in milliseconds, executions or sessions a second, or MB."""

HERE = Path(__file__).parent
TOKEN = "benchmark"


@dataclass
class Figure:
    """The samples of one figure, in milliseconds unless `unit` says otherwise."""

    name: str
    samples: list[float] = field(default_factory=list)
    failures: int = 0
    unit: str = "ms"

    def at(self, share: float) -> float:
        ordered = sorted(self.samples)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")

    def line(self) -> str:
        aim = f"  (target {TARGETS[self.name]})" if self.name in TARGETS else ""
        shown = f"{self.at(0.5):9.1f} {self.at(0.99):9.1f} {self.at(1):9.1f} {self.unit}"
        return f"{self.name:42} {shown:34} n={len(self.samples)} failed={self.failures}{aim}"

    async def take(self, call: Callable[[], Awaitable[Any]]) -> Any:
        """Time a call."""
        begun = time.perf_counter()
        try:
            answer = await call()
        except (httpx.HTTPError, AssertionError) as error:
            print(f"{self.name}: {error!r}", file=sys.stderr)
            self.failures += 1
            return None
        self.samples.append(1000 * (time.perf_counter() - begun))
        return answer


class Loader:
    """Measures one server."""

    def __init__(self, url: str, process: psutil.Process, scale: float) -> None:
        limits = httpx.Limits(max_connections=200, max_keepalive_connections=200)
        self.http = httpx.AsyncClient(
            base_url=url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=120, limits=limits, trust_env=False
        )
        self.process = process
        self.scale = scale
        self.figures: list[Figure] = []

    def figure(self, name: str, unit: str = "ms") -> Figure:
        self.figures.append(Figure(name, unit=unit))
        return self.figures[-1]

    def count(self, usual: int) -> int:
        return max(2, round(usual * self.scale))

    async def post(self, path: str, body: dict[str, Any]) -> Any:
        answer = await self.http.post(path, json=body)
        assert answer.is_success, answer.text
        return answer.json()

    async def create(self) -> str:
        return f"/v1/sessions/{(await self.post('/v1/sessions', {}))['session_id']}"

    async def execute(self, path: str, code: str, **more: Any) -> Any:
        result = await self.post(f"{path}/execute", {"code": code, **more})
        assert result["status"] in ("ok", "interrupted", "exit"), result
        return result

    async def run(self) -> None:
        """Take the figures that both servers have."""
        created = self.figure("session create")
        paths = [path for _ in range(self.count(50)) if (path := await created.take(self.create))]
        one = self.figure("execute x=1, one client")
        for path in [paths[0]] * self.count(300):
            await one.take(lambda path=path: self.execute(path, "x=1"))
        await self.closed_loop(paths[:10])
        await self.open_loop(paths)
        oneshot = self.figure("one-shot: create, run, destroy")
        for _ in range(self.count(20)):
            await oneshot.take(self.oneshot)
        await self.rate("one-shots side by side", self.count(40), 4, self.oneshot)
        for path in paths[10:]:
            await self.end(path)
        await self.rate("sessions created, one after the other ends", self.count(60), 4, self.come_and_go)
        self.figure("service RSS", "MB").samples.append(self.process.memory_info().rss / 1e6)

    async def end(self, path: str) -> None:
        (await self.http.delete(path)).raise_for_status()

    async def come_and_go(self) -> None:
        await self.end(await self.create())

    async def rate(self, name: str, number: int, workers: int, call: Callable[[], Awaitable[Any]]) -> None:
        """Measure how many calls a second some workers get done together."""
        figure, begun, waiting = self.figure(name, "/ s"), time.perf_counter(), iter(range(number))
        each = Figure(name)

        async def worker() -> None:
            for _ in waiting:
                await each.take(call)

        await asyncio.gather(*(worker() for _ in range(workers)))
        figure.failures = each.failures
        figure.samples.append(len(each.samples) / (time.perf_counter() - begun))

    async def closed_loop(self, paths: list[str]) -> None:
        name = f"{len(paths)} sessions, closed loop"
        figure, begun, number = self.figure(name), time.perf_counter(), self.count(50)

        async def client(path: str) -> None:
            for _ in range(number):
                await figure.take(lambda: self.execute(path, "print(1)"))

        await asyncio.gather(*map(client, paths))
        rate = self.figure(f"{name}: rate", "exec/s")
        rate.samples.append(len(figure.samples) / (time.perf_counter() - begun))

    async def open_loop(self, paths: list[str]) -> None:
        """Send 2 executions a second to each session, ready or not."""
        figure = self.figure(f"{len(paths)} sessions, 2/s each")

        async def client(number: int, path: str) -> None:
            await asyncio.sleep(0.5 * number / len(paths))
            async with asyncio.TaskGroup() as group:
                for _ in range(self.count(10)):
                    group.create_task(figure.take(lambda: self.execute(path, "print(1)")))
                    await asyncio.sleep(0.5)

        await asyncio.gather(*(client(number, path) for number, path in enumerate(paths)))

    async def oneshot(self) -> None:
        path = await self.create()
        await self.execute(path, "1 + 1")
        await self.end(path)


class KerneletLoader(Loader):
    """Takes also what the peer has not."""

    async def oneshot(self) -> None:
        await self.post("/process/interpreter/execute", {"code": "1 + 1"})

    async def run(self) -> None:
        await super().run()
        path = await self.create()
        await self.execute(path, "x=1")  # as the others: what a kernel's first cell takes is in `one-shot`
        first = self.figure("SSE, first byte")
        for _ in range(self.count(300)):  # as of the others: p99 of a hundred is the worst one
            await first.take(lambda: self.first_byte(path))
        timed = self.figure("timeout 1 s on `while True`")
        for _ in range(self.count(5)):
            await timed.take(lambda: self.execute(path, "while True: pass", timeout=1))
        forced = self.figure("timeout 1 s, killed, usable")
        for _ in range(self.count(3)):
            await forced.take(lambda: self.forced(path))
        mcp = self.figure("MCP over HTTP")
        await self.mcp("x=1")  # which imports the SDK, and makes the session
        for _ in range(self.count(300)):
            await mcp.take(lambda: self.mcp("x=1"))
        for name, code in (
            ("memory of an idle session (USS)", ""),
            ("with numpy, pandas, matplotlib (USS)", "import numpy, pandas, matplotlib.pyplot"),
        ):
            unique = self.figure(name, "MB")
            for _ in range(self.count(5)):
                path = await self.create()
                pid = int((await self.execute(path, f"{code}\nimport os; print(os.getpid())"))["stdout"])
                await asyncio.sleep(1)  # it tidies up behind its first cell
                unique.samples.append(psutil.Process(pid).memory_full_info().uss / 1e6)
                await self.end(path)

    async def mcp(self, code: str) -> None:
        """Call the tool `ipython`, without the handshake that a client makes once."""
        call = {"name": "ipython", "arguments": {"code": code}}
        answer = await self.http.post(
            "/mcp",
            json={"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call},
            headers={"Accept": "application/json, text/event-stream"},
        )
        assert answer.is_success, answer.text
        assert '"isError":true' not in answer.text.replace(" ", ""), answer.text
        assert "error" not in json.loads(answer.text.partition("data: ")[2] or answer.text), answer.text

    async def first_byte(self, path: str) -> None:
        headers = {"Accept": "text/event-stream"}
        async with self.http.stream("POST", f"{path}/execute", json={"code": "x=1"}, headers=headers) as answer:
            async for _ in answer.aiter_raw():
                return

    async def forced(self, path: str) -> None:
        code = "import time\nwhile True:\n try: time.sleep(9)\n except KeyboardInterrupt: pass"
        result = await self.execute(path, code, timeout=1)
        assert result["state_lost"], result
        await self.execute(path, "1")


@asynccontextmanager
async def served(command: list[str], port: int) -> AsyncIterator[psutil.Process]:
    """Run a server until the block ends, which begins when it is ready (its zygote has what it imports)."""
    environment = {**os.environ, "KERNELET_TOKEN": TOKEN, "KERNELET_LOG_LEVEL": "WARNING"}
    process = subprocess.Popen([sys.executable, *command], env=environment)  # noqa: ASYNC220  # once
    try:
        async with httpx.AsyncClient(trust_env=False) as http:
            for _ in range(600):
                with contextlib.suppress(httpx.TransportError):
                    if (await http.get(f"http://127.0.0.1:{port}/ready")).status_code in (200, 404):
                        break
                await asyncio.sleep(0.1)
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(60)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a fifth of everything")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    options = parser.parse_args()
    scale = 0.2 if options.quick else 1.0
    found: dict[str, list[Figure]] = {}
    for name, loader in (("kernelet", KerneletLoader), ("naive (FastAPI + ipykernel)", Loader)):
        port = free_port()
        command = ["-m", "kernelet", "serve", "--port", str(port)]
        if loader is Loader:
            command = [str(HERE / "naive_server.py"), str(port)]
        async with served(command, port) as process:
            load = loader(f"http://127.0.0.1:{port}", process, scale)
            await load.run()
            await load.http.aclose()
        found[name] = load.figures
        print(f"\n{name}: p50, p99, worst (load average {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores)")
        print("\n".join(figure.line() for figure in load.figures), flush=True)
    if options.json:
        report = {name: {one.name: sorted(one.samples) for one in figures} for name, figures in found.items()}
        options.json.write_text(json.dumps(report, indent=1))
    return int(any(figure.failures for figure in found["kernelet"]))


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main()))
