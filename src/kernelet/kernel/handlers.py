"""HANDLERS, msg_type -> function: what each request is answered with.

Called by `handling.py`, in the lane that the request was routed to. They return content, and send nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..protocol.message import Content, error_content
from ..runtime.lane import FENCE
from ..runtime.replay import signed
from .language import Request

if TYPE_CHECKING:
    from .kernel import Kernel

# An answer that comes later, in another thread: the function takes what is to be called with the content.
Later = Callable[[Callable[[Content], None]], None]
Handler = Callable[["Kernel", Request], Content | Later | None]

# Requests on control that the wire may answer itself: no code of the user's runs, and nothing takes long.
_QUICK = frozenset(
    {
        "kernel_info_request",
        "connect_request",
        "interrupt_request",
        "shutdown_request",
        "create_subshell_request",
        "list_subshell_request",
    }
)


def is_quick(msg_type: str) -> bool:
    """Whether a request on control can be answered between two other things. Any thread."""
    return msg_type in _QUICK


def execute(kernel: Kernel, request: Request) -> Content:
    """Run a cell. When it fails, what had arrived by then is aborted: the fence comes before the reply leaves."""
    reply = kernel.language.execute(request)
    if reply["status"] == "error" and request.controls.stops_queue(request.content):
        lane = request.lane
        lane.aborting = True

        def fence() -> None:
            kernel.wire.receive_all()
            lane.post(FENCE)

        kernel.wire.barrier(fence)
    return reply


def complete(kernel: Kernel, request: Request) -> Content:
    return {"status": "ok", **kernel.language.complete(request)}


def inspect(kernel: Kernel, request: Request) -> Content:
    return {"status": "ok", **kernel.language.inspect(request)}


def is_complete(kernel: Kernel, request: Request) -> Content:
    return kernel.language.is_complete(request)


def history(kernel: Kernel, request: Request) -> Content:
    return {"status": "ok", **kernel.language.history(request)}


def comm_info(kernel: Kernel, request: Request) -> Content:
    return {"status": "ok", **kernel.language.comm_info(request)}


def comm(kernel: Kernel, request: Request) -> None:
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
    kernel.subshells.delete(request.content["subshell_id"])
    return {"status": "ok"}


def list_subshell(kernel: Kernel, request: Request) -> Content:
    return {"status": "ok", "subshell_id": kernel.subshells.ids()}


def replay(kernel: Kernel, request: Request) -> Content:
    """Send once more, to who asks and on the channel where it asks, what iopub said lately; then the reply."""
    wire = kernel.wire
    content, asked_by = request.content, request.message
    found = wire.recent.again(content.get("msg_ids"), content.get("after"), asked_by.header["msg_id"])
    for message in found.messages:
        wire.send_frames(asked_by.channel, signed(message, asked_by.idents, wire.codec.sign))
    running = kernel.running()
    for msg_id, told in found.requests.items():
        told["running"] = msg_id in running
    return {"status": "ok", "requests": found.requests, "after_found": found.after_found}


def branch(kernel: Kernel, request: Request) -> Content:
    """Make a second kernel with the same variables; an error reply says why not."""
    from .branch import BranchRefused
    from .branch import branch as make

    try:
        return make(kernel)
    except BranchRefused as error:
        return error_content(error)


def checkpoint(kernel: Kernel, request: Request) -> Content:
    """Keep the state of now under a name; an error reply says why not."""
    from .branch import BranchRefused
    from .checkpoints import take

    try:
        return take(kernel, request.content.get("name") or "default")
    except BranchRefused as error:
        return error_content(error)


def restore(kernel: Kernel, request: Request) -> Content:
    """Agree to go back to a checkpoint; `Kernel.after_reply` does it."""
    from .branch import BranchRefused
    from .checkpoints import choose

    try:
        return choose(kernel, request.content.get("name") or "default")
    except BranchRefused as error:
        return error_content(error)


def interrupt(kernel: Kernel, request: Request) -> Content:
    kernel.interrupt()
    return {"status": "ok"}


def debug(kernel: Kernel, request: Request) -> Later:
    """Ask the debugger, which answers when it can: control goes on meanwhile."""
    return lambda done: kernel.language.debug(request, done)


def shutdown(kernel: Kernel, request: Request) -> Content:
    """Agree to end; `Kernel.after_reply` does it, once the reply and its broadcast are queued."""
    return {"status": "ok", "restart": bool(request.content.get("restart"))}


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
    "replay_request": replay,
    "branch_request": branch,
    "checkpoint_request": checkpoint,
    "restore_request": restore,
    "interrupt_request": interrupt,
    "shutdown_request": shutdown,
    "debug_request": debug,
    "create_subshell_request": create_subshell,
    "delete_subshell_request": delete_subshell,
    "list_subshell_request": list_subshell,
}
