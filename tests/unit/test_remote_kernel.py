from __future__ import annotations

import asyncio
from typing import Any

import httpx

from kernelet.service.backends.remote_kernel import RemoteKernel
from kernelet.service.settings import Settings


def test_a_reply_that_nobody_kept_ends_its_request_once_the_kernel_is_idle() -> None:
    states = iter(["busy", "idle"])

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"execution_state": next(states)})

    async def scenario() -> list[tuple[str, str, Any]]:
        heard: list[tuple[str, str, Any]] = []
        async with httpx.AsyncClient(base_url="http://server", transport=httpx.MockTransport(answer)) as http:
            kernel = RemoteKernel(http, Settings(), "k", "s", None)
            kernel.listen(
                lambda channel, message: heard.append((channel, message["parent_header"]["msg_id"], message["content"]))
            )
            kernel._pending = {"lost": "execute_request", "later": "execute_request"}
            await kernel._account({"lost": "execute_request", "answered": "execute_request"})
        return heard

    (shell, lost, reply), (iopub, also_lost, status) = asyncio.run(scenario())
    assert (shell, iopub, lost, also_lost) == ("shell", "iopub", "lost", "lost")
    assert (reply["status"], reply["ename"], status) == ("error", "ReplyLost", {"execution_state": "idle"})
