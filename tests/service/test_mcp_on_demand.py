"""The MCP SDK costs a service nothing until somebody speaks MCP."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import needs

needs.need_module("mcp")
needs.need_module("pydantic_settings")

SCRIPT = """
import asyncio, sys
import httpx
from kernelet.service.http.app import create_app
from kernelet.service.settings import Settings

HELLO = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
    "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "0"}}}

async def main():
    app = create_app(Settings(token="t", zygote=False))
    headers = {"Authorization": "Bearer t", "Accept": "application/json, text/event-stream", "Host": "127.0.0.1"}
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=headers) as client:
            assert (await client.get("/v1/sessions")).status_code == 200
            print("mcp" in sys.modules)
            answers = await asyncio.gather(*(client.post("/mcp", json=HELLO) for _ in range(3)))
            print({answer.status_code for answer in answers}, "serverInfo" in answers[0].text, "mcp" in sys.modules)

asyncio.run(main())
"""


def test_the_sdk_is_imported_by_the_first_mcp_request(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False
    )
    assert (done.stdout, done.returncode) == ("False\n{200} True True\n", 0), done.stderr
