"""A notebook-like client: the cells of a file run in one session, and their output comes over server-sent events.

    kernelet serve                                                       # prints its URL and token
    python examples/notebook_over_sse.py http://127.0.0.1:8000 TOKEN cells.py

Cells are separated by lines that begin with `# %%`, as editors have them. Only HTTP and JSON: any language can do this.
"""

from __future__ import annotations

import base64
import json
import sys
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import httpx


def cells(source: str) -> Iterator[str]:
    """Yield the cells of a file."""
    lines: list[str] = []
    for line in [*source.splitlines(), "# %%"]:
        if line.startswith("# %%"):
            if code := "\n".join(lines).strip():
                yield code
            lines = []
        else:
            lines.append(line)


def events(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Yield the events of a stream: an event is its `data:` lines up to an empty line; other lines say nothing new."""
    data: list[str] = []
    for line in lines:
        if line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))
        elif not line and data:
            yield json.loads("\n".join(data))
            data = []


class Notebook:
    """One session of the service."""

    def __init__(self, url: str, token: str, plots: Path) -> None:
        self.http = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=None)
        self.session = f"notebook-{uuid.uuid4().hex[:8]}"
        self.plots = plots
        self.number = 0
        self.http.post("/v1/sessions", json={"session_id": self.session}).raise_for_status()

    def close(self) -> None:
        self.http.delete(f"/v1/sessions/{self.session}").raise_for_status()
        self.http.close()

    def run(self, code: str) -> str:
        """Run a cell, showing what it says as it says it; return its status."""
        status = "error"
        path, headers = f"/v1/sessions/{self.session}/execute", {"Accept": "text/event-stream"}
        with self.http.stream("POST", path, json={"code": code}, headers=headers) as response:
            response.raise_for_status()
            for event in events(response.iter_lines()):
                self.show(event)
                if event["type"] == "done":
                    status = event["result"]["status"]
        return status

    def show(self, event: dict[str, Any]) -> None:
        match event["type"]:
            case "started":
                print(f"[{event['execution_count']}]")
            case "stdout" | "stderr":
                print(event["text"], end="", flush=True)
            case "result" | "display":
                if "image/png" in event["data"]:
                    self.number += 1
                    path = self.plots / f"{self.session}-{self.number}.png"
                    path.write_bytes(base64.b64decode(event["data"]["image/png"]))
                    print(f"<plot in {path}>")
                else:
                    print(event["data"].get("text/plain", ""))
            case "error":
                print(f"{event['name']}: {event['value']}")


def main(url: str, token: str, file: str) -> int:
    notebook = Notebook(url, token, Path.cwd())
    try:
        for code in cells(Path(file).read_text(encoding="utf-8")):
            print("\n".join(f"    {line}" for line in code.splitlines()))
            if notebook.run(code) != "ok":
                return 1  # as Run All does, at the first cell that fails
    finally:
        notebook.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
