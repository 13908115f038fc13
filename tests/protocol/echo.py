"""A kernel of the echo language: kernelet's wire, lanes and handlers with thirty lines where IPython would be.

`python echo.py -f connection.json`. The environment says what a test needs: ECHO_PARKING=plain, or ECHO_LATE=1 for a
language that is attached at SIGUSR1. The code `linger` is put away only once somebody has been greeted.
ECHO_PATIENT=1 gives the end all the time that its readers need.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kernelet.kernel.kernel
import kernelet.runtime.sockets
from kernelet.kernel.kernel import Kernel
from kernelet.kernel.language import Request
from kernelet.protocol.connection import parse
from kernelet.protocol.message import Content, Message, Parent, error_content
from kernelet.runtime.lane import Lane
from kernelet.runtime.log import Log
from kernelet.runtime.parking import ParkedLoop
from kernelet.runtime.plain_parking import PlainParking
from kernelet.runtime.sockets import bind
from kernelet.runtime.wire import Wire


class Failure(Exception):
    """What the code `fail` raises."""


class Arrivals:
    """Which messages have reached a lane's inbox: a cell waits for one that the test sends behind it."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._more = threading.Condition()

    def add(self, msg_id: str) -> None:
        with self._more:
            self._seen.add(msg_id)
            self._more.notify_all()

    def wait(self, msg_id: str) -> None:
        with self._more:
            self._more.wait_for(lambda: msg_id in self._seen)


class Echo:
    """The language: streams its code back, but for the few commands in `_run`."""

    def __init__(self, wire: Wire, arrivals: Arrivals) -> None:
        self.wire, self.arrivals, self.count = wire, arrivals, 0

    def execute(self, request: Request) -> Content:
        code, self.count = request.content["code"], self.count + 1
        self.wire.publish("execute_input", {"code": code, "execution_count": self.count}, request.parent, lazy=True)
        try:
            request.lane.parking.call(self._run, code, request.parent)
        except (Failure, KeyboardInterrupt) as error:
            failed = error_content(error)
            shown = {name: failed[name] for name in ("ename", "evalue", "traceback")}
            self.wire.publish("error", shown, request.parent)
            return {**failed, "execution_count": self.count}
        return {"status": "ok", "execution_count": self.count, "user_expressions": {}, "payload": []}

    def _run(self, code: str, parent: Parent) -> None:
        match code.split():
            case ["fail", *after]:
                for msg_id in after:
                    self.arrivals.wait(msg_id)
                raise Failure(code)
            case ["wait", msg_id]:
                self.arrivals.wait(msg_id)
            case ["crash"]:
                raise ZeroDivisionError(code)
            case ["count", number]:
                sum(1 for _ in range(int(number)))
            case ["texts", number]:
                for n in range(int(number)):
                    self.wire.write("stdout", parent, f"{n}\n")
            case ["buffers", number, size]:
                for n in range(int(number)):
                    data = {"comm_id": "echo", "data": {"n": n}}
                    self.wire.publish("comm_msg", data, parent, buffers=[buffer(n, int(size)), b""], topic="comm-echo")
            case ["modules"]:
                self.wire.write("stdout", parent, "\n".join(sys.modules))
            case _:
                self.wire.write("stdout", parent, code)

    def _answer(self, request: Request, **content: Any) -> Content:
        if request.content.get("crash"):
            raise ZeroDivisionError("crash")
        return content

    def complete(self, request: Request) -> Content:
        return self._answer(request, matches=["echo"], cursor_start=0, cursor_end=0, metadata={})

    def inspect(self, request: Request) -> Content:
        return self._answer(request, found=False, data={}, metadata={})

    def is_complete(self, request: Request) -> Content:
        return self._answer(request, status="complete")

    def history(self, request: Request) -> Content:
        return self._answer(request, history=[])

    def comm_info(self, request: Request) -> Content:
        return self._answer(request, comms={})

    def comm(self, request: Request) -> None:
        self._answer(request)

    def debug(self, request: Request, done: Callable[[Content], None]) -> None:
        """Answer from another thread, with what was asked."""
        threading.Thread(target=done, args=(request.content,)).start()

    def close(self) -> None:
        self.wire.log("warning", "echo says goodbye")


class EchoKernel(Kernel):
    """A kernel that tells its language what has arrived, and whose wire a test can break."""

    def __init__(self, *arguments: Any) -> None:
        self.arrivals = Arrivals()
        self.greeted = threading.Event()
        super().__init__(*arguments)

    def _greet(self) -> None:
        super()._greet()
        self.greeted.set()

    def after_reply(self, message: Message, reply: Content | None) -> None:
        if b'"linger"' in bytes(message.content_raw):
            self.greeted.wait()
        super().after_reply(message, reply)

    def route(self, message: Message) -> None:
        if message.msg_type == "break_the_wire":
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # what the kernel says must go to the stderr that it saved
            raise RuntimeError("broken by a test")
        super().route(message)
        self.arrivals.add(str(message.header["msg_id"]))


def buffer(n: int, size: int) -> bytes:
    """Return the n-th buffer: `size` bytes that tell it from every other one."""
    return (n.to_bytes(4, "big") * (size // 4 + 1))[:size]


def be_patient() -> None:
    """Wait for slow readers at the end for longer than any machine takes."""
    kernelet.kernel.kernel._WIRE_GRACE_S = kernelet.kernel.kernel._ATEXIT_GRACE_S = 60
    kernelet.runtime.sockets.LINGER_MS = 60_000


def main() -> int:
    if os.environ.get("ECHO_PATIENT"):
        be_patient()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    path = Path(sys.argv[-1])
    sockets = bind(parse(path.read_text()))
    log = Log(os.dup(2))
    kernel = EchoKernel(sockets, {"implementation": "echo"}, log)
    kernel.start()
    whole = path.with_suffix(".whole")
    whole.write_text(sockets.connection.dump())
    whole.replace(path)
    if os.environ.get("ECHO_LATE"):
        signal.sigwait({signal.SIGUSR1})
    plain = os.environ.get("ECHO_PARKING") == "plain"
    parking = PlainParking() if plain else ParkedLoop(kernel.interrupts, log, kernel.task_error)
    return kernel.run(Echo(kernel.wire, kernel.arrivals), Lane("main", parking, kernel.handle, log))


if __name__ == "__main__":
    sys.exit(main())
