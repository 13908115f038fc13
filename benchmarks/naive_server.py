"""What one writes first: FastAPI around jupyter_client and ipykernel, with the service's endpoints. A peer."""

from __future__ import annotations

import subprocess
import sys
import uuid
from typing import Any

import uvicorn
from fastapi import FastAPI
from jupyter_client.manager import start_new_async_kernel

app = FastAPI()
sessions: dict[str, tuple[Any, Any]] = {}


@app.get("/health")
async def health() -> dict[str, str]:
    return {"status": "ok"}


@app.post("/v1/sessions", status_code=201)
async def create() -> dict[str, str]:
    session_id = uuid.uuid4().hex
    sessions[session_id] = await start_new_async_kernel(kernel_name="python3", stderr=subprocess.DEVNULL)
    return {"session_id": session_id}


@app.delete("/v1/sessions/{session_id}")
async def destroy(session_id: str) -> dict[str, bool]:
    manager, client = sessions.pop(session_id)
    client.stop_channels()
    await manager.shutdown_kernel(now=True)
    return {"success": True}


@app.post("/v1/sessions/{session_id}/execute")
async def execute(session_id: str, body: dict[str, Any]) -> dict[str, Any]:
    client = sessions[session_id][1]
    outputs: list[Any] = []
    reply = await client.execute_interactive(
        body["code"], output_hook=lambda message: outputs.append(message["content"]), timeout=body.get("timeout", 60)
    )
    text = "".join(one.get("text", "") for one in outputs)
    return {"status": reply["content"]["status"], "stdout": text}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
