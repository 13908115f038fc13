"""What a tool answers: the text and the images of an execution in the order in which they came. Pure."""

from __future__ import annotations

import json
from typing import Any, Final

import mcp_types as types

from kernelet.service.images import is_raster
from kernelet.service.result import Error, Event, ExecutionResult, Notice, Output, Raised, Rich, Text
from kernelet.service.text_budget import TextBudget, strip_ansi

_READABLE: Final = ("text/markdown", "text/latex", "text/plain")
"""What a model reads of a bundle without an image, best first."""

Block = types.TextContent | types.ImageContent


class Transcript:
    """Collects the events of an execution; `blocks` is what a model gets to see of them."""

    def __init__(self, max_chars: int) -> None:
        self._budget = TextBudget(max_chars)
        self._max_chars = max_chars
        self._parts: list[str | Block] = []
        self._rich: list[Block] = []
        self._chars = 0
        self.last_line = ""
        """What the code said last, for a progress message."""

    def add(self, event: Event) -> None:
        """Take an event."""
        match event:
            case Text(text=text):
                self._add_text(text)
            case Rich(type="result" | "display", data=data):
                block = _block(data)
                self._parts.append(block)
                self._rich.append(block)
            case Raised(name=name, value=value, traceback=traceback):
                self._parts.append(_text(_traceback(Error(name=name, value=value, traceback=traceback))))
                self._rich.append(self._parts[-1])  # type: ignore[arg-type]  # a block, just appended
            case Notice(text=text):
                self._add_text(f"\n[{text}]\n")
            case _:
                pass

    def _add_text(self, text: str) -> None:
        self._budget.add(text)
        self._chars += len(text)
        if self._chars <= 2 * self._max_chars:  # beyond it the parts are of no use: the budget has head and tail
            if self._parts and isinstance(self._parts[-1], str):
                self._parts[-1] += text
            else:
                self._parts.append(text)
        lines = [line for line in text.replace("\r", "\n").split("\n") if line.strip()]
        if lines:
            self.last_line = strip_ansi(lines[-1])[:200]

    def blocks(self, result: ExecutionResult) -> list[Block]:
        """Return text and images in order, then what a reader must know. Never empty: clients dislike that."""
        self._budget.finish()
        found: list[Block] = []
        if self._budget.truncated or self._chars > 2 * self._max_chars:
            found = [_text(self._budget.text(result.full_output)), *self._rich]
        else:
            for part in self._parts:
                if isinstance(part, str):
                    collapsed = TextBudget(self._max_chars)
                    collapsed.add(part)
                    collapsed.finish()
                    if text := collapsed.text():
                        found.append(_text(text))
                else:
                    found.append(part)
        if result.error is not None and not any(
            isinstance(part, types.TextContent) and result.error.name in part.text for part in found
        ):
            found.append(_text(_traceback(result.error)))
        said = notes(result)
        if said or not found:
            found.append(_text(said or "(no output)"))
        return found


def notes(result: ExecutionResult) -> str:
    """Return the sentences about a result that are not its output."""
    lines = [result.notice] if result.notice else []
    if result.files:
        lines.append("Files written: " + ", ".join(f"{file.path} ({file.size} bytes)" for file in result.files))
    return "\n".join(lines)


def structured(result: ExecutionResult) -> dict[str, Any]:
    """Return the result as JSON without image data, which is in the content, and without what is not set."""
    slim = result.model_copy(
        update={"messages": None, "results": [_without_images(output) for output in result.results]}
    )
    return slim.model_dump(mode="json", exclude_none=True)


def json_block(answer: dict[str, Any]) -> types.TextContent:
    """Return an answer of the REPL tools as the text that clients without structured content read."""
    return _text(json.dumps(answer, ensure_ascii=False, indent=1))


def image_blocks(result: ExecutionResult) -> list[Block]:
    """Return the images of a result."""
    blocks = [_block(output.data) for output in result.results]
    return [block for block in blocks if isinstance(block, types.ImageContent)]


def _text(text: str) -> types.TextContent:
    return types.TextContent(type="text", text=text)


def _traceback(error: Error) -> str:
    return strip_ansi("\n".join(error.traceback)) if error.traceback else f"{error.name}: {error.value}"


def _block(data: dict[str, Any]) -> Block:
    for mime, value in data.items():
        if is_raster(mime) and isinstance(value, str):
            return types.ImageContent(type="image", data="".join(value.split()), mime_type=mime)
    for mime in _READABLE:
        if isinstance(data.get(mime), str):
            return _text(data[mime] if data[mime].endswith("\n") else data[mime] + "\n")
    for mime, value in data.items():
        if isinstance(value, str):
            return _text(value)
        return _text(f"{mime}: {json.dumps(value)}")
    return _text("")


def _without_images(output: Output) -> Output:
    data = {
        mime: f"<{len(value) * 3 // 4} bytes>" if is_raster(mime) and isinstance(value, str) else value
        for mime, value in output.data.items()
    }
    return output.model_copy(update={"data": data})
