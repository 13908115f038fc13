"""One execution: code that waits for its turn or runs, what comes out of it, and who listens. Loop only.

Messages of the kernel go in (`take`), events go out to the subscriptions, and both make the result.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from kernelet.service.backends.backend import Message
from kernelet.service.errors import ServiceError
from kernelet.service.outputs import Outputs
from kernelet.service.recorder import Recorder
from kernelet.service.request import Request
from kernelet.service.result import (
    Cause,
    ClearOutput,
    Done,
    Error,
    Event,
    ExecutionResult,
    InputRequest,
    Notice,
    Output,
    OutputFile,
    Raised,
    Rich,
    Started,
    Text,
    Timing,
    chars,
)
from kernelet.service.settings import Settings
from kernelet.service.spool import Spool
from kernelet.service.subscription import Subscription
from kernelet.service.text_budget import fit_lines
from kernelet.service.verdict import Verdict

_BEFORE_A_QUESTION_S = 0.02


@dataclass(frozen=True, slots=True)
class Options:
    """What a caller may choose for one execution."""

    timeout: float | None = None
    """Seconds that it may run; waiting in the queue is not counted. None is the settings' default."""
    envs: Mapping[str, str] = field(default_factory=dict)
    """Environment variables during this execution."""
    restart: bool = False
    """Run it in a new interpreter."""
    allow_stdin: bool = False
    include_messages: bool = False
    keep_ansi: bool = False
    surface: str = "python"
    """Where the call came from, for the metrics."""


class Execution(Request):
    """Code on its way through a session. `result` is done when everything is known."""

    def __init__(
        self, session_id: str, code: str, options: Options, timeout: float, output: Path | None, settings: Settings
    ) -> None:
        super().__init__(uuid.uuid4().hex)
        self.session_id = session_id
        self.code = code
        self.options = options
        self.timeout = timeout
        self.result: asyncio.Future[ExecutionResult] = asyncio.get_running_loop().create_future()
        self.error: Error | None = None
        self.asked_to_exit = False
        self.execution_count: int | None = None
        self.stop_requested: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.stopped_for: Cause | None = None
        self.accepted = False
        """The kernel has begun with it: it must never be sent again."""
        self.generation = 0
        self.extra_notice: str | None = None
        self.needs_more_input = False
        self._settings = settings
        self._outputs = Outputs(settings, Spool(output, self.id))
        self._recorder = Recorder(settings.max_image_bytes * 16) if options.include_messages else None
        self._subscriptions: list[Subscription] = []
        self._seq = 0
        self._submitted = time.monotonic()
        self._submitted_at = datetime.now(UTC)
        self._started: float | None = None
        self._started_at: datetime | None = None

    def subscribe(self) -> Subscription:
        """Return a subscription to all events from now on."""
        subscription = Subscription(self.id, self._settings.ping_interval)
        self._subscriptions.append(subscription)
        return subscription

    def stop(self, cause: Cause) -> None:
        """Ask for its end; the first cause is the one that is told."""
        if not self.result.done() and self.stopped_for is None:
            self.stopped_for = cause
            self.stop_requested.set_result(None)

    def begin(self) -> None:
        """Its turn has come."""
        self._started, self._started_at = time.monotonic(), datetime.now(UTC)

    @property
    def queued_s(self) -> float:
        """How long it waited for its turn."""
        return (self._started or time.monotonic()) - self._submitted

    def publish(self, event: Event) -> None:
        """Number an event and hand it to whoever listens."""
        event.id, event.seq = self.id, self._seq
        self._seq += 1
        for subscription in self._subscriptions:
            subscription.publish(event)

    def notice(self, text: str) -> None:
        """Tell a person something, at once and in the result."""
        self.extra_notice = f"{self.extra_notice} {text}" if self.extra_notice else text
        self.publish(Notice(text=text))

    def take(self, channel: str, message: Message) -> Awaitable[None] | None:
        """Handle a message of the kernel that answers us; what is returned must be awaited before the next."""
        if self._recorder:
            self._recorder.take(channel, message)
        content = message["content"]
        match channel, message["header"]["msg_type"]:
            case "iopub", "stream":
                if text := self._within_limit(content.get("text", "")):
                    name: Literal["stdout", "stderr"] = "stderr" if content.get("name") == "stderr" else "stdout"
                    self._outputs.add_text(name, text)
                    self.publish(Text(type=name, text=text))
            case "iopub", ("execute_result" | "display_data" | "update_display_data") as msg_type:
                return self._rich(msg_type, content)
            case "iopub", "clear_output":
                wait = bool(content.get("wait"))
                self._outputs.clear(wait)
                self.publish(ClearOutput(wait=wait))
            case "iopub", "error":
                self._raised(content)
            case "iopub", "execute_input":
                self.accepted = True
                self.execution_count = content.get("execution_count")
                self.publish(Started(execution_count=self.execution_count))
            case "iopub", "status":
                self.accepted = True
            case "shell", "execute_reply":
                self._replied(content)
            case "stdin", "input_request":
                # What was printed before the question comes by another socket, which may be read a moment later.
                asked = InputRequest(prompt=content.get("prompt", ""), password=bool(content.get("password")))
                asyncio.get_running_loop().call_later(_BEFORE_A_QUESTION_S, self._ask, asked)
        super().take(channel, message)
        return None

    def gap(self) -> None:
        """Hear that something was too large to be taken: it is over, as with any other output beyond the limit."""
        self.stop("output_limit")
        self.notice("Some output was too large to be taken, and is lost with what came right after it.")

    def _ask(self, asked: InputRequest) -> None:
        if not self.result.done():
            self.publish(asked)

    def _within_limit(self, text: str) -> str:
        """Return what of `text` may still come out."""
        allowed = self._outputs.allow(len(text))
        if allowed < len(text):
            self.stop("output_limit")
            text = text[:allowed]
        return text

    def _rich(self, msg_type: str, content: dict[str, Any]) -> Awaitable[None] | None:
        data = content.get("data", {})
        size = chars(data)
        if self._outputs.allow(size) < size or (msg_type != "update_display_data" and self._outputs.full):
            self.stop("output_limit")
            return None
        fitting = self._fit_rich(msg_type, content)
        if self._outputs.needs_thread(data):
            return fitting
        # Nothing in it waits: it runs to its end here, without a task.
        try:
            fitting.send(None)
        except StopIteration:
            return None
        raise AssertionError("text was to be fitted at once")

    async def _fit_rich(self, msg_type: str, content: dict[str, Any]) -> None:
        data, metadata = await self._outputs.fit(content.get("data", {}), content.get("metadata", {}))
        display_id = content.get("transient", {}).get("display_id")
        if msg_type == "update_display_data":
            self._outputs.update(display_id, data, metadata)
            self.publish(Rich(type="update_display", data=data, metadata=metadata, display_id=display_id))
            return
        output = Output(
            type="result" if msg_type == "execute_result" else "display",
            data=data,
            metadata=metadata,
            display_id=display_id,
        )
        self._outputs.add_rich(output)
        self.publish(Rich(type=output.type, data=data, metadata=metadata, display_id=display_id))

    def _raised(self, content: dict[str, Any]) -> None:
        limit = self._settings.max_output_chars
        lines = fit_lines(content.get("traceback", []), limit, keep_ansi=self.options.keep_ansi)
        value = str(content.get("evalue", ""))
        self.error = Error(name=str(content.get("ename", "")), value=value[:limit], traceback=lines)
        self.publish(Raised(name=self.error.name, value=self.error.value, traceback=lines))

    def _replied(self, content: dict[str, Any]) -> None:
        self.accepted = True
        self.execution_count = content.get("execution_count", self.execution_count)
        if content.get("status") == "error" and self.error is None:
            self._raised(content)
        for payload in content.get("payload", []):
            match payload:
                case {"source": "ask_exit"}:
                    self.asked_to_exit = not payload.get("keepkernel")
                case {"source": "page", "data": {"text/plain": str(text)}}:
                    # `name?` answers through the pager of a front end: here it is text like any other.
                    if text := self._within_limit(text):
                        self._outputs.add_text("stdout", text)
                        self.publish(Text(type="stdout", text=text))

    def conclude(self, said: Verdict, files: list[OutputFile]) -> ExecutionResult:
        """Make the result, and tell it to all who wait."""
        now = time.monotonic()
        stdout, stderr, results, truncated, full_output = self._outputs.finish()
        notices = [text for text in (said.notice, self.extra_notice) if text]
        result = ExecutionResult(
            execution_id=self.id,
            session_id=self.session_id,
            status=said.status,
            stdout=stdout,
            stderr=stderr,
            results=results,
            error=self.error,
            execution_count=self.execution_count,
            needs_more_input=self.needs_more_input,
            exit_code=said.exit_code,
            timed_out=said.timed_out,
            state_lost=said.state_lost,
            cause=said.cause,
            truncated=truncated,
            full_output=full_output,
            timing=Timing(
                queued_ms=round(1000 * self.queued_s, 3),
                exec_ms=round(1000 * (now - self._started), 3) if self._started is not None else 0.0,
                total_ms=round(1000 * (now - self._submitted), 3),
                started_at=self._started_at,
                ended_at=datetime.now(UTC),
            ),
            files=files,
            notice=" ".join(notices) or None,
            generation=self.generation,
            messages=self._recorder.messages if self._recorder else None,
        )
        self.publish(Done(result=result.model_copy(update={"stdout": "", "stderr": ""})))
        if not self.result.done():
            self.result.set_result(result)
        return result

    def fail(self, error: ServiceError) -> None:
        """End it without a kernel: whoever waits for the result gets `error`, a stream ends with what it says."""
        if not self.result.done():
            self.result.set_exception(error)
            self.result.exception()  # asked for here: a stream never does
        self.conclude(Verdict("exit", "crash", state_lost=True, notice=str(error)), [])
