"""A proxy to the kernels of a Jupyter server elsewhere: start one, run code in it, end it, over plain HTTP.

    python examples/remote_proxy.py http://127.0.0.1:8888 JUPYTER_TOKEN

`kernelet-proxy --server-url URL --token TOKEN` is the same as a command. Here the service runs inside this program, on
a port of its own choice; kernels run wherever the Jupyter server (or Kernel Gateway, or Enterprise Gateway) puts them.
"""

from __future__ import annotations

import asyncio
import sys

import httpx

from kernelet.service.server import make_server, with_token
from kernelet.service.settings import Settings


async def use(url: str, token: str) -> str:
    """Talk to the proxy as any program would; return what the remote kernel said."""
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=60) as http:
        kernel = (await http.post("/start_kernel", json={})).raise_for_status().json()
        request = {"id": kernel["id"], "code": "import platform; print('hello from', platform.node())"}
        answer = (await http.post("/execute_code", json=request)).raise_for_status().json()
        (await http.post("/shutdown_kernel", json={"id": kernel["id"]})).raise_for_status()
    messages = [message for message in answer["results"] if message["header"]["msg_type"] == "stream"]
    return "".join(message["content"]["text"] for message in messages)


async def main(server_url: str, server_token: str) -> str:
    settings = with_token(Settings(backend="remote", server_url=server_url, backend_token=server_token, port=0))
    loop = asyncio.get_running_loop()
    address: asyncio.Future[str] = loop.create_future()
    server = make_server(settings, announce=address.set_result)
    serving = asyncio.create_task(server.serve())
    try:
        await asyncio.wait({address, serving}, return_when=asyncio.FIRST_COMPLETED)
        if not address.done():
            raise SystemExit("The proxy could not start; its log says why.")
        return await use(address.result(), settings.token)
    finally:
        server.should_exit = True
        await serving


if __name__ == "__main__":
    print(asyncio.run(main(*sys.argv[1:])), end="")
