"""HANDLERS, msg_type -> function, and the wrap around each of them: busy, the handler, the reply or an error, idle.

Runs in the lane that the request was routed to. Handlers return content; only the wrap sends.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..protocol.codec import MalformedMessage, loads_object
from ..protocol.message import Content, Message, Parent, error_content, reply_type
from ..runtime.lane import FENCE, Lane
from .language import Request
from .subshells import UnknownSubshellError

if TYPE_CHECKING:
    from .kernel import Kernel

Handler = Callable[["Kernel", Request], Content | None]

# Messages that are told something rather than asked: nothing answers them, not even an error.
_WITHOUT_REPLY = frozenset({"comm_open", "comm_msg", "comm_close"})


class UnknownMessageType(ValueError):
    """A request of a type that this kernel does not know."""


class MissingField(ValueError):
    """A request without a field that its handling needs."""


def handle(kernel: Kernel, lane: Lane, message: Message) -> None:
    """Answer one request: status busy, its handler's reply, status idle, whatever happens in between."""
    started = kernel.clock()
    try:
        content: Content = loads_object(message.content_raw, "content")
        metadata = loads_object(message.metadata_raw, "metadata")
    except MalformedMessage as error:
        malformed = Parent(message.header_raw, message.header, message.idents, message.channel)
        answer = _answerable(message, error)
        _wrap(kernel, message, malformed, started, lambda: answer)
        return
    request = Request(message, content, metadata, message.parent(content, metadata), lane)
    outer, lane.running = lane.running, request.parent
    _wrap(kernel, message, request.parent, started, lambda: _dispatch(kernel, request))
    lane.running = outer
    if outer is not None:  # a comm message in the middle of a cell: front ends took its idle for the kernel's
        kernel.publish_status("busy", outer)


def _answerable(message: Message, error: BaseException) -> Content | None:
    return None if message.msg_type in _WITHOUT_REPLY else error_content(error)


def _wrap(
    kernel: Kernel, message: Message, parent: Parent, started: str, dispatch: Callable[[], Content | None]
) -> None:
    kernel.publish_status("busy", parent)
    try:
        reply = dispatch()
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  # whatever went wrong, the request is answered
        if not isinstance(error, UnknownMessageType | MissingField | UnknownSubshellError):
            kernel.log.crash(f"could not handle {message.msg_type}")
        else:
            kernel.log("warning", str(error))
        reply = _answerable(message, error)
    _reply(kernel, message, parent, started, reply)
    kernel.publish_status("idle", parent, lazy=False)
    kernel.after_reply(message, reply)


def _reply(kernel: Kernel, message: Message, parent: Parent, started: str, reply: Content | None) -> None:
    if reply is None:
        return
    metadata = _execute_metadata(kernel, started, reply) if message.msg_type == "execute_request" else None
    kernel.wire.send(message.channel, reply_type(message.msg_type), reply, parent, metadata=metadata, lazy=True)
    if message.msg_type == "shutdown_request":
        kernel.wire.publish("shutdown_reply", reply, parent)


def answer(kernel: Kernel, message: Message) -> None:
    """Handle a message that user code gives back, and reply; no handler of the user's is asked, no status told."""
    lane = kernel.control if message.channel == "control" else kernel.main
    assert lane is not None
    content, metadata = loads_object(message.content_raw, "content"), loads_object(message.metadata_raw, "metadata")
    request = Request(message, content, metadata, message.parent(content, metadata), lane)
    started = kernel.clock()
    outer, lane.running = lane.running, request.parent
    try:
        reply = _own(kernel, request)
    except Exception as error:  # noqa: BLE001  # whatever went wrong, the request is answered
        kernel.log.crash(f"could not handle {message.msg_type}")
        reply = _answerable(message, error)
    finally:
        lane.running = outer
    _reply(kernel, message, request.parent, started, reply)
    kernel.after_reply(message, reply)


def _dispatch(kernel: Kernel, request: Request) -> Content | None:
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


def _by_user_or_kernel(kernel: Kernel, request: Request) -> Content | None:
    """Let the user's handler have the request, or the kernel's own."""
    custom = kernel.overrides.find(request.message.channel, request.message.msg_type)
    if custom is None or _aborted(request):
        return _own(kernel, request)
    if kernel.overrides.call(custom, request.message, request.parent, request.lane):
        return _own(kernel, request)
    return None


def _aborted(request: Request) -> bool:
    return request.lane.aborting and request.message.msg_type == "execute_request"


def _own(kernel: Kernel, request: Request) -> Content | None:
    msg_type = request.message.msg_type
    handler = HANDLERS.get(msg_type)
    if handler is None:
        if not msg_type.endswith("_request"):
            kernel.log("warning", f"nothing to do for a message of type {msg_type!r}")
            return None
        raise UnknownMessageType(f"kernelet has no answer to a message of type {msg_type!r}")
    if _aborted(request):
        return {"status": "aborted"}
    return handler(kernel, request)


def _execute_metadata(kernel: Kernel, started: str, reply: Content) -> dict[str, Any]:
    """Return what clients (JupyterLab's timing, ipyparallel) read beside an execute_reply."""
    return {
        "started": started,
        "dependencies_met": True,
        "engine": kernel.wire.codec.session,
        "status": reply["status"],
    }


def _need_text(request: Request, name: str) -> None:
    if not isinstance(request.content.get(name), str):
        raise MissingField(f"{request.message.msg_type} has no text {name!r}")


def execute(kernel: Kernel, request: Request) -> Content:
    """Run a cell. When it fails, what had arrived by then is aborted: the fence comes before the reply leaves."""
    _need_text(request, "code")
    reply = kernel.language.execute(request)
    if reply["status"] == "error" and request.content.get("stop_on_error", True):
        lane = request.lane
        lane.aborting = True

        def fence() -> None:
            kernel.wire.receive_all()
            lane.post(FENCE)

        kernel.wire.barrier(fence)
    return reply


def complete(kernel: Kernel, request: Request) -> Content:
    _need_text(request, "code")
    return {"status": "ok", **kernel.language.complete(request)}


def inspect(kernel: Kernel, request: Request) -> Content:
    _need_text(request, "code")
    return {"status": "ok", **kernel.language.inspect(request)}


def is_complete(kernel: Kernel, request: Request) -> Content:
    _need_text(request, "code")
    return kernel.language.is_complete(request)


def history(kernel: Kernel, request: Request) -> Content:
    return {"status": "ok", **kernel.language.history(request)}


def comm_info(kernel: Kernel, request: Request) -> Content:
    return {"status": "ok", **kernel.language.comm_info(request)}


def comm(kernel: Kernel, request: Request) -> None:
    for name in ("comm_id", "target_name") if request.message.msg_type == "comm_open" else ("comm_id",):
        _need_text(request, name)
    kernel.language.comm(request)


def kernel_info(kernel: Kernel, request: Request) -> Content:
    return {"status": "ok", **kernel.info}


def connect(kernel: Kernel, request: Request) -> Content:
    return {"status": "ok", **{f"{name}_port": port for name, port in kernel.connection.ports.items()}}


def usage(kernel: Kernel, request: Request) -> Content:
    return {"status": "ok", **kernel.usage()}


def create_subshell(kernel: Kernel, request: Request) -> Content:
    return {"status": "ok", "subshell_id": kernel.subshells.create()}


def delete_subshell(kernel: Kernel, request: Request) -> Content:
    _need_text(request, "subshell_id")
    kernel.subshells.delete(request.content["subshell_id"])
    return {"status": "ok"}


def list_subshell(kernel: Kernel, request: Request) -> Content:
    return {"status": "ok", "subshell_id": kernel.subshells.ids()}


def interrupt(kernel: Kernel, request: Request) -> Content:
    kernel.interrupt()
    return {"status": "ok"}


def shutdown(kernel: Kernel, request: Request) -> Content:
    """Agree to end; `Kernel.after_reply` does it, once the reply and its broadcast are queued."""
    return {"status": "ok", "restart": request.content.get("restart", False) is True}


HANDLERS: dict[str, Handler] = {
    "execute_request": execute,
    "complete_request": complete,
    "inspect_request": inspect,
    "is_complete_request": is_complete,
    "history_request": history,
    "comm_info_request": comm_info,
    "comm_open": comm,
    "comm_msg": comm,
    "comm_close": comm,
    "kernel_info_request": kernel_info,
    "connect_request": connect,
    "usage_request": usage,
    "interrupt_request": interrupt,
    "shutdown_request": shutdown,
    "create_subshell_request": create_subshell,
    "delete_subshell_request": delete_subshell,
    "list_subshell_request": list_subshell,
}
