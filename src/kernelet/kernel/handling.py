"""How every request is handled: status busy, its handler from the table `HANDLERS`, the reply or an error, status idle.

Runs in the lane that the request was routed to. Handlers return content; only the wrap sends.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..protocol.codec import MalformedMessage, loads_object
from ..protocol.message import Content, Message, Parent, error_content, reply_type
from ..runtime.deadline import Deadline
from ..runtime.lane import Lane
from .controls import NO_CONTROLS, InvalidControl, parse
from .fields import InvalidField, MissingField, check
from .handlers import HANDLERS, Later
from .language import Request
from .measure import Measure, reply_metadata
from .status import conclude
from .subshells import UnknownSubshellError

if TYPE_CHECKING:
    from .kernel import Kernel

# Messages that are told something rather than asked: nothing answers them, not even an error.
_WITHOUT_REPLY = frozenset({"comm_open", "comm_msg", "comm_close"})


class UnknownMessageType(ValueError):
    """A request of a type that this kernel does not know."""


def handle(kernel: Kernel, lane: Lane, message: Message) -> None:
    """Answer one request: status busy, its handler's reply, status idle, whatever happens in between."""
    if lane is kernel.control and kernel.concurrent.from_control(message):
        return
    try:
        request = _request(lane, message)
    except (MalformedMessage, InvalidControl) as error:
        malformed = Parent(message.header_raw, message.header, message.idents, message.channel)
        answer = _answerable(message, error)
        _wrap(kernel, message, malformed, None, lambda: answer)
        return
    if request.controls.concurrency is not None and not lane.aborting and kernel.concurrent.take(request, finish):
        return
    measure = None
    if message.msg_type == "execute_request":
        measure = Measure(kernel.clock, request.controls.measure_memory)
    outer, lane.running = lane.running, request.parent
    try:
        _wrap(kernel, message, request.parent, measure, lambda: _dispatch(kernel, request), request.deadline)
    finally:
        lane.running = outer
    if outer is not None:  # a comm message in the middle of a cell: front ends took its idle for the kernel's
        kernel.publish_status("busy", outer)
    elif lane is kernel.main:
        kernel.greeting.concluded()


def _request(lane: Lane, message: Message) -> Request:
    """Decode a message. Raises MalformedMessage, InvalidControl."""
    content: Content = loads_object(message.content_raw, "content")
    metadata = loads_object(message.metadata_raw, "metadata")
    controls = parse(metadata) if metadata and message.msg_type == "execute_request" else NO_CONTROLS
    deadline = None if controls.timeout_s is None else Deadline(controls.timeout_s)
    return Request(message, content, metadata, message.parent(content, metadata), lane, controls, deadline)


def _answerable(message: Message, error: BaseException) -> Content | None:
    return None if message.msg_type in _WITHOUT_REPLY else error_content(error)


def _wrap(
    kernel: Kernel,
    message: Message,
    parent: Parent,
    measure: Measure | None,
    dispatch: Callable[[], Content | Later | None],
    deadline: Deadline | None = None,
) -> None:
    kernel.publish_status("busy", parent)
    try:
        reply = dispatch()
        if callable(reply):
            reply(lambda content: _finish(kernel, message, parent, None, content))
            return
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  # whatever went wrong, the request is answered
        if not isinstance(error, UnknownMessageType | MissingField | InvalidField | UnknownSubshellError):
            kernel.log.crash(f"could not handle {message.msg_type}")
        else:
            kernel.log("warning", str(error))
        reply = _answerable(message, error)
    _finish(kernel, message, parent, measure, reply, deadline)


def _finish(
    kernel: Kernel,
    message: Message,
    parent: Parent,
    measure: Measure | None,
    reply: Content | None,
    deadline: Deadline | None = None,
) -> None:
    metadata = reply_metadata(kernel.wire.codec.session, measure, reply, deadline)
    if kernel.main is not None and parent is kernel.main.running:
        kernel.greeting.concluding()
    conclude(kernel.wire, message, reply, parent, metadata)
    kernel.after_reply(message, reply)


def finish(kernel: Kernel, request: Request, measure: Measure, reply: Content) -> None:
    """Answer a cell that ran beside others. The thread in which it ended."""
    metadata = reply_metadata(kernel.wire.codec.session, measure, reply, request.deadline)
    conclude(kernel.wire, request.message, reply, request.parent, metadata)


def _reply(
    kernel: Kernel,
    message: Message,
    parent: Parent,
    measure: Measure | None,
    reply: Content | None,
    deadline: Deadline | None = None,
) -> None:
    if reply is not None:
        metadata = reply_metadata(kernel.wire.codec.session, measure, reply, deadline)
        kernel.wire.send(message.channel, reply_type(message.msg_type), reply, parent, metadata=metadata)
        if message.msg_type == "shutdown_request":
            kernel.wire.publish("shutdown_reply", reply, parent)


def answer(kernel: Kernel, message: Message) -> None:
    """Handle a message that user code gives back, and reply; no handler of the user's is asked, no status told."""
    lane = kernel.control if message.channel == "control" else kernel.main
    assert lane is not None
    request = _request(lane, message)
    measure = Measure(kernel.clock) if message.msg_type == "execute_request" else None
    outer, lane.running = lane.running, request.parent
    try:
        reply = _own(kernel, request)
        if callable(reply):
            reply(lambda content: _reply(kernel, message, request.parent, None, content))
            return
    except Exception as error:  # noqa: BLE001  # whatever went wrong, the request is answered
        kernel.log.crash(f"could not handle {message.msg_type}")
        reply = _answerable(message, error)
    finally:
        lane.running = outer
    _reply(kernel, message, request.parent, measure, reply, request.deadline)
    kernel.after_reply(message, reply)


def _dispatch(kernel: Kernel, request: Request) -> Content | Later | None:
    subshell_id = request.message.subshell_id
    if subshell_id is not None and request.message.channel == "shell" and kernel.subshells.get(subshell_id) is None:
        raise UnknownSubshellError(f"no subshell {subshell_id!r}")
    hooks = kernel.overrides.hooks if request.message.channel == "shell" else None
    if hooks is None:
        return _by_user_or_kernel(kernel, request)
    hooks.pre_handler_hook()
    try:
        return _by_user_or_kernel(kernel, request)
    finally:
        hooks.post_handler_hook()


def _by_user_or_kernel(kernel: Kernel, request: Request) -> Content | Later | None:
    """Let the user's handler have the request, or the kernel's own."""
    custom = kernel.overrides.find(request.message.channel, request.message.msg_type)
    if custom is None or _aborted(request):
        return _own(kernel, request)
    if kernel.overrides.call(custom, request.message, request.parent, request.lane):
        return _own(kernel, request)
    return None


def _aborted(request: Request) -> bool:
    return request.lane.aborting and request.message.msg_type == "execute_request"


def _own(kernel: Kernel, request: Request) -> Content | Later | None:
    msg_type = request.message.msg_type
    handler = HANDLERS.get(msg_type)
    if handler is None:
        if not msg_type.endswith("_request"):
            kernel.log("warning", f"nothing to do for a message of type {msg_type!r}")
            return None
        raise UnknownMessageType(f"kernelet has no answer to a message of type {msg_type!r}")
    if _aborted(request):
        return {"status": "aborted"}
    check(msg_type, request.content)
    return handler(kernel, request)
