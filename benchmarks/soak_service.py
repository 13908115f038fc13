"""The service for a long time: an execution a second, a session that comes and goes every minute, and what grows.

    python benchmarks/soak_service.py [--minutes 3 | --day] [--json FILE]

`--day` is the work of a day, 86,400 executions and 1,440 sessions, one after the other as fast as they go: what grows
with the work shows in some ten minutes; what grows with time alone needs the minutes.

The first tenth (at most ten minutes) is for warming up. Its exit status is 1 if an execution failed, or the resident
memory of the service drifted by more than 5 MB, or its descriptors became more, or its threads than asyncio's pool has.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from service import TOKEN, free_port, served

SESSIONS = 4
A_DAY = 86_400
CHURN_EVERY = 60
"""Executions in the life of a session, where they are not spread over time."""
# asyncio's pool of threads grows until it has as many as it may have.
DRIFT = {"rss_mb": 5.0, "descriptors": 0.0, "threads": min(32, (os.cpu_count() or 1) + 4)}
CODE = "import sys; print('x' * 2_000, file=sys.stderr); [n ** 2 for n in range(100)]"


@dataclass(frozen=True, slots=True)
class Sample:
    """What the service's process had at one moment, between two executions."""

    second: float
    rss_mb: float
    descriptors: int
    threads: int


class Soak:
    """One service under a light load."""

    def __init__(self, http: httpx.AsyncClient, process: psutil.Process, seconds: float) -> None:
        self.http = http
        self.process = process
        self.seconds = seconds
        self.samples: list[Sample] = []
        self.times_ms: list[float] = []
        self.failures: list[str] = []

    async def post(self, path: str, body: dict[str, Any]) -> Any:
        answer = await self.http.post(path, json=body)
        answer.raise_for_status()
        return answer.json()

    async def run(self) -> None:
        begun = time.monotonic()
        paths = [await self.create() for _ in range(SESSIONS)]
        churn_s, churned, number = min(60.0, self.seconds / 6), 0, 0
        while (passed := time.monotonic() - begun) < self.seconds:
            await self.execute(paths[number % SESSIONS])
            number += 1
            if passed > (churned + 1) * churn_s:
                churned += 1
                await self.churn(paths)
            self.sample(passed)
            await asyncio.sleep(max(0.0, begun + number - time.monotonic()))

    async def run_a_day(self) -> None:
        """Do a day's work; a sample's second is its execution, as if there were one each second."""
        paths = [await self.create() for _ in range(SESSIONS)]
        for number in range(A_DAY):
            await self.execute(paths[number % SESSIONS])
            if number % CHURN_EVERY == CHURN_EVERY - 1:
                await self.churn(paths)
            if number % CHURN_EVERY == CHURN_EVERY // 2:
                self.sample(number)

    async def churn(self, paths: list[str]) -> None:
        """End the oldest session and begin another."""
        (await self.http.delete(paths.pop(0))).raise_for_status()
        paths.append(await self.create())

    async def create(self) -> str:
        return f"/v1/sessions/{(await self.post('/v1/sessions', {}))['session_id']}"

    async def execute(self, path: str) -> None:
        begun = time.perf_counter()
        try:
            result = await self.post(f"{path}/execute", {"code": CODE})
        except httpx.HTTPError as error:
            self.failures.append(repr(error))
            return
        self.times_ms.append(1000 * (time.perf_counter() - begun))
        if result["status"] != "ok":
            self.failures.append(json.dumps(result)[:500])

    def sample(self, passed: float) -> None:
        with self.process.oneshot():
            rss, threads = self.process.memory_info().rss / 1e6, self.process.num_threads()
        descriptors = self.process.num_fds() - len(self.process.net_connections())
        self.samples.append(Sample(passed, rss, descriptors, threads))

    def report(self) -> dict[str, Any]:
        """Return what the first tenth after warming up had, what the last tenth has, and what is wrong with it."""
        warm = [one for one in self.samples if one.second >= min(600.0, self.seconds / 10)]
        tenth = max(1, len(warm) // 10)
        first, last = warm[:tenth], warm[-tenth:]
        found: dict[str, Any] = {"executions": len(self.times_ms), "failures": self.failures}
        wrong = ["executions failed"] if self.failures else []
        for what, drift in DRIFT.items():
            then, now = (statistics.median(getattr(one, what) for one in some) for some in (first, last))
            found[what] = {"first": then, "last": now}
            if now - then > drift:
                wrong.append(f"{what} grew from {then:g} to {now:g}")
        ordered = sorted(self.times_ms)
        found["execution_ms"] = {"p50": ordered[len(ordered) // 2], "p99": ordered[int(0.99 * len(ordered))]}
        return {**found, "wrong": wrong}


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=3.0, help="up to 1440, which is a day")
    parser.add_argument("--day", action="store_true", help="a day's work, as fast as it goes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report and every sample there, too")
    options = parser.parse_args()
    port = free_port()
    async with served(["-m", "kernelet", "serve", "--port", str(port)], port) as process:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        address = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=address, headers=headers, timeout=120, trust_env=False) as http:
            soak = Soak(http, process, A_DAY if options.day else 60 * options.minutes)
            await (soak.run_a_day() if options.day else soak.run())
    report = soak.report()
    print(json.dumps(report, indent=1))
    if options.json:
        options.json.write_text(json.dumps({**report, "samples": [asdict(one) for one in soak.samples]}))
    return int(bool(report["wrong"]))


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main()))
