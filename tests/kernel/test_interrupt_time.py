"""The promise of 50 ms from an interrupt to the error. The best of some counts: the machine may be late."""

from __future__ import annotations

import time

import pytest

from frontend import Frontend

PROMISED_S = 0.05
TRIES = 12
CELLS = {
    "computing": "while True: pass",
    "sleeping": "import time; time.sleep(60)",
    "lock": "import threading; threading.Event().wait(60)",
    "subprocess": "import subprocess; subprocess.run(['sleep', '60'])",
    "await": "import asyncio; await asyncio.sleep(60)",
    "gathered": "import asyncio; await asyncio.gather(*[asyncio.sleep(60) for _ in range(3)])",
    "blocking task": "import asyncio, time\nasync def block(): time.sleep(60)\nawait asyncio.gather(block(), block())",
    "loop of its own": "import asyncio; asyncio.run(asyncio.sleep(60))",
    "input": "input('? ')",
}


def best(kernel: Frontend, code: str, subshell: str | None = None) -> float:
    """Interrupt the cell as often as need be, and return the shortest time until its error was there."""
    shortest = 60.0
    for _ in range(TRIES):
        msg_id = kernel.send_execute("print('on', flush=True)\n" + code, subshell_id=subshell)
        kernel.see_text("on", msg_id)
        if code.startswith("input"):
            kernel.take("stdin", lambda message: message["msg_type"] == "input_request")
        began = time.monotonic()
        kernel.interrupt()
        error = kernel.see(lambda m, cell=msg_id: m["msg_type"] == "error" and m["parent_header"]["msg_id"] == cell)
        shortest = min(shortest, time.monotonic() - began)
        assert error["content"]["ename"] == "KeyboardInterrupt"
        assert kernel.result(msg_id).ename == "KeyboardInterrupt"
        if shortest < PROMISED_S:
            break
    return shortest


@pytest.mark.better_than_ipykernel("an await is not interrupted; nothing is promised")
@pytest.mark.parametrize("cell", CELLS)
def test_an_interrupt_takes_50_ms_at_most(kernel: Frontend, cell: str) -> None:
    assert best(kernel, CELLS[cell]) < PROMISED_S


@pytest.mark.better_than_ipykernel("an interrupt does not reach subshells")
@pytest.mark.parametrize("cell", ["computing", "await", "gathered", "input"])
def test_an_interrupt_of_a_subshell_takes_50_ms_at_most(kernel: Frontend, cell: str) -> None:
    subshell = str(kernel.request("create_subshell_request", channel="control").content["subshell_id"])
    shortest = best(kernel, CELLS[cell], subshell)
    kernel.request("delete_subshell_request", {"subshell_id": subshell}, "control")
    assert shortest < PROMISED_S
