"""What the same work costs after a pause: CPU of a bare cell, of a message's JSON and HMAC, and of a loop.

    python benchmarks/paced.py

A request finds the kernel asleep. On a machine that others use, too, the caches are theirs by then, and CPU time grows
with everything that has to be fetched again: much for IPython's `run_cell`, nothing for a loop. No kernel can have less
than `run_cell` after the pause of a round trip, and the floor server's share on top.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import tempfile
import time
from collections.abc import Callable
from statistics import median

PAUSES_MS = (0.0, 0.3, 5.0)
BLOCKS = 5
HEADER = {"msg_id": "x" * 40, "msg_type": "status", "session": "s" * 32, "date": "2025-01-01T00:00:00Z"}


def cpu_us(work: Callable[[], object], pause_ms: float, number: int) -> float:
    """Return the CPU, in us, of `work` called `number` times with a pause before each."""
    used = 0
    for _ in range(number):
        if pause_ms:
            time.sleep(pause_ms / 1e3)
        begun = time.thread_time_ns()
        work()
        used += time.thread_time_ns() - begun
    return used / number / 1e3


def works() -> dict[str, Callable[[], object]]:
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    config = Config()
    config.HistoryManager.enabled = False
    shell = InteractiveShell.instance(config=config)
    blank = hmac.new(b"key", digestmod=hashlib.sha256)

    def messages() -> None:
        for _ in range(3):
            raw = json.dumps(HEADER).encode()
            digest = blank.copy()
            digest.update(raw)
            digest.hexdigest()
            json.loads(raw)

    def loop() -> None:
        for _ in range(2000):
            pass

    return {
        "IPython's run_cell('pass'), silent": lambda: shell.run_cell("pass", silent=True, store_history=False),
        "three messages' JSON and HMAC": messages,
        "a loop of 2,000": loop,
    }


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        os.environ["IPYTHONDIR"] = home
        measured = works()
        print("CPU in us after a pause, least and median of blocks:")
        for name, work in measured.items():
            cpu_us(work, 0, 200)
            told = []
            for pause_ms in PAUSES_MS:
                number = 100 if pause_ms > 1 else 300
                blocks = [cpu_us(work, pause_ms, number) for _ in range(BLOCKS)]
                told.append(f"{pause_ms:g} ms: {min(blocks):.0f} / {median(blocks):.0f}")
            print(f"{name:36} {'   '.join(told)}", flush=True)


if __name__ == "__main__":
    main()
