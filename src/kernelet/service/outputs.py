"""What one execution has put out, within its budgets: text with its head and its tail, images made to fit.

Runs in the loop; only a large image goes to a worker thread. Memory is bounded whatever the code prints.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from kernelet.service.images import ImageError, fit_base64, is_raster
from kernelet.service.result import Cut, Output, Truncated, chars
from kernelet.service.settings import Settings
from kernelet.service.spool import Spool
from kernelet.service.text_budget import TextBudget, fit_text

_READABLE = frozenset({"text/plain", "text/markdown", "text/latex"})
"""Text of which a part is worth something; half a page of HTML is not."""

MAX_RESULTS = 10_000
"""Results and displays of one execution: whoever makes more has a loop that does not end."""


_SHARES = 16
"""What is no image may be so many times as long as one image, all together."""


def _text_chars(data: Mapping[str, Any]) -> int:
    return chars({mime: value for mime, value in data.items() if not is_raster(mime)})


class Outputs:
    """Collects what goes into the result."""

    def __init__(self, settings: Settings, spool: Spool) -> None:
        self._settings = settings
        self._spool = spool
        self._text = {name: self._budget(name) for name in ("stdout", "stderr")}
        self._results: list[Output] = []
        self._displays: dict[str, list[Output]] = {}
        self._images = 0
        self._clear_at_next = False
        self._cut_results = 0
        self._size = 0
        self._kept = 0

    @property
    def full(self) -> bool:
        """Whether one more result or display is one too many."""
        return len(self._results) >= MAX_RESULTS

    def _budget(self, name: str) -> TextBudget:
        return TextBudget(self._settings.max_output_chars, lambda text: self._spool.append(name, text))

    def allow(self, size: int) -> int:
        """Return how many of `size` more characters are within the limit, and take them into account."""
        allowed = max(0, min(size, self._settings.max_output_bytes - self._size))
        self._size += allowed
        return allowed

    def add_text(self, name: str, text: str) -> None:
        """Take text of stdout or stderr."""
        self._clear_if_due()
        self._text[name].add(text)

    def clear(self, wait: bool) -> None:
        """Forget what was shown, now or when the next output comes."""
        self._clear_at_next = wait
        if not wait:
            self._clear()

    def _clear_if_due(self) -> None:
        if self._clear_at_next:
            self._clear_at_next = False
            self._clear()

    def _clear(self) -> None:
        self._text = {name: self._budget(name) for name in self._text}
        self._results.clear()
        self._displays.clear()
        self._images = self._cut_results = self._kept = 0

    def add_rich(self, output: Output) -> None:
        """Take a result or a display that fits."""
        self._clear_if_due()
        self._results.append(output)
        self._kept += _text_chars(output.data)
        if output.display_id:
            self._displays.setdefault(output.display_id, []).append(output)

    def update(self, display_id: str, data: dict[str, Any], metadata: dict[str, Any]) -> None:
        """Give displays of this execution new contents."""
        for output in self._displays.get(display_id, ()):
            self._kept += _text_chars(data) - _text_chars(output.data)
            output.data, output.metadata = data, metadata

    def needs_thread(self, data: Mapping[str, Any]) -> bool:
        """Tell whether `fit` has to look at an image that is large enough to take time."""
        return any(is_raster(mime) and isinstance(value, str) for mime, value in data.items())

    async def fit(self, data: dict[str, Any], metadata: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return a mime bundle within the budgets, and its metadata with what was done to it."""
        fitted: dict[str, Any] = {}
        notes: dict[str, Any] = {}
        omitted: dict[str, Any] = {}
        for mime, value in data.items():
            if is_raster(mime) and isinstance(value, str):
                await self._fit_image(mime, value, fitted, notes, omitted)
            else:
                self._fit_text(mime, value, fitted, omitted)
        if omitted:
            self._cut_results += 1
            if not fitted:
                sizes = ", ".join(f"{mime} ({note.get('reason', 'over the budget')})" for mime, note in omitted.items())
                fitted["text/plain"] = f"... [left out: {sizes}] ..."
            notes["omitted"] = omitted
        return fitted, {**metadata, **notes} if notes else metadata

    async def _fit_image(
        self, mime: str, value: str, fitted: dict[str, Any], notes: dict[str, Any], omitted: dict[str, Any]
    ) -> None:
        settings = self._settings
        self._images += 1
        number = self._images
        if number > settings.max_images:
            omitted[mime] = {"reason": f"more than {settings.max_images} images", **self._keep(number, mime, value)}
            return
        try:
            image = await asyncio.to_thread(
                fit_base64, value, mime, max_bytes=settings.max_image_bytes, max_side=settings.max_image_side
            )
        except ImageError as error:
            omitted[mime] = {"reason": str(error), **self._keep(number, mime, value)}
            return
        if not image.changed:
            fitted[mime] = value
            return
        import base64

        fitted[image.mime] = base64.b64encode(image.data).decode("ascii")
        notes["original_bytes"] = image.original_bytes
        notes["original_mime"] = mime
        notes.update({"original_path": kept["path"]} if (kept := self._keep(number, mime, value)) else {})

    def _keep(self, number: int, mime: str, value: str) -> dict[str, Any]:
        import base64
        import binascii

        try:
            raw = base64.b64decode(value)
        except binascii.Error:
            return {}
        path = self._spool.append(f"{number}.{mime.partition('/')[2]}", raw)
        return {"path": path} if path else {}

    def _fit_text(self, mime: str, value: Any, fitted: dict[str, Any], omitted: dict[str, Any]) -> None:
        limit = self._settings.max_output_chars
        if isinstance(value, str):
            text = value
        else:
            text, limit = json.dumps(value), max(limit, self._settings.max_image_bytes)
        room = _SHARES * self._settings.max_image_bytes - self._kept
        if len(text) <= min(limit, room):
            fitted[mime] = value
            return
        path = self._spool.append(f"{len(self._results) + 1}.{mime.partition('/')[2].partition('+')[0]}", text)
        if mime in _READABLE and limit <= room:
            fitted[mime] = fit_text(text, limit, path)
            self._cut_results += 1
        else:
            reason = f"{len(text)} chars" if len(text) > limit else "over the budget of all outputs"
            omitted[mime] = {"reason": reason, "chars": len(text), **({"path": path} if path else {})}

    def finish(self) -> tuple[str, str, list[Output], Truncated | None, str | None]:
        """Return stdout, stderr, the results, what was cut of them, and where the whole text is."""
        texts, cuts = {}, {}
        for name, budget in self._text.items():
            budget.finish()
            texts[name] = budget.text(self._spool.path(name))
            cuts[name] = Cut(total=budget.total, kept=budget.kept) if budget.truncated else None
        cut = self._cut_results
        results = Cut(total=len(self._results), kept=len(self._results) - cut) if cut else None
        truncated = None
        if results or any(cuts.values()):
            truncated = Truncated(stdout=cuts["stdout"], stderr=cuts["stderr"], results=results)
        full = next(iter(self._spool.written), None)
        return texts["stdout"], texts["stderr"], self._results, truncated, full
