"""What a session has done: counts, times, the latest code. Kept when its kernel is replaced. A value, loop only."""

from __future__ import annotations

import logging
import time
from collections import deque
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from kernelet.service.execution import Execution
from kernelet.service.metrics import Metrics
from kernelet.service.result import ExecutionResult
from kernelet.service.settings import Settings
from kernelet.service.text_budget import fit_text

logger = logging.getLogger("kernelet.service")

_KEPT = 1000


class Journal:
    """Writes down each execution: here, in the metrics and in the log."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self.created_at = datetime.now(UTC)
        self.created = time.monotonic()
        self.idle_since = time.monotonic()
        """When it last did something for somebody: looking at it does not count."""
        self.last_executed: datetime | None = None
        self.execution_count = 0
        self.entries: deque[dict[str, Any]] = deque(maxlen=_KEPT)

    def write(self, execution: Execution, result: ExecutionResult) -> None:
        """Write down an execution that has ended."""
        self.idle_since = time.monotonic()
        if execution.accepted:
            self.execution_count += 1
            self.last_executed = result.timing.ended_at
        self.entries.append(
            {
                "code": fit_text(execution.code, self._settings.max_output_chars),
                "timestamp": result.timing.started_at or result.timing.ended_at,
                "execution_time": result.timing.exec_ms / 1000,
                "execution_count": result.execution_count,
                "status": result.status,
            }
        )
        surface = execution.options.surface
        self._metrics.ended(result, surface)
        code = {"code": execution.code} if self._settings.log_code else _fingerprint(execution.code)
        logger.info(
            "execution ended",
            extra={
                "execution_id": result.execution_id,
                "session_id": result.session_id,
                "status": result.status,
                "cause": result.cause,
                "queued_ms": result.timing.queued_ms,
                "exec_ms": result.timing.exec_ms,
                "surface": surface,
                **code,
            },
        )


def _fingerprint(code: str) -> dict[str, object]:
    """Return what tells two pieces of code apart and says nothing about them."""
    return {"code_sha256": sha256(code.encode("utf-8", "replace")).hexdigest(), "code_chars": len(code)}
