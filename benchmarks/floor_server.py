"""The least that can answer a Jupyter client: pyzmq, json, HMAC, one blocking loop, and no code is ever run.

It is measured like a kernel. What it takes is the floor: a kernel in Python on pyzmq can come near it, not below it.
"""

import hashlib
import hmac
import json
import sys
from itertools import count
from pathlib import Path
from typing import Any

import zmq

DELIMITER = b"<IDS|MSG>"
INFO = {
    "status": "ok",
    "protocol_version": "5.5",
    "implementation": "floor",
    "implementation_version": "0",
    "language_info": {"name": "python", "version": "3", "mimetype": "text/x-python", "file_extension": ".py"},
    "banner": "",
}


def serve(connection: dict[str, Any], lie: str = "") -> None:
    """Answer kernel_info, execute and shutdown requests until shut down.

    `lie` makes it misbehave, so that a test can see the benchmark notice: `no-reply`, `no-idle`, `status`, `signature`,
    `count`, `late`.
    """
    context = zmq.Context()
    blank = hmac.new(connection["key"].encode(), digestmod=hashlib.sha256)
    numbers = count(1)

    def bind(kind: int, port: str) -> zmq.Socket[bytes]:
        socket = context.socket(kind)
        socket.linger = 1000
        socket.bind(f"{connection['transport']}://{connection['ip']}:{connection[port]}")
        return socket

    def sign(parts: list[bytes]) -> bytes:
        digest = blank.copy()
        for part in parts:
            digest.update(part)
        return digest.hexdigest().encode()

    def send(
        socket: zmq.Socket[bytes], first: list[bytes], msg_type: str, parent: bytes, content: dict[str, Any]
    ) -> None:
        header = {
            "msg_id": f"floor-{next(numbers)}",
            "msg_type": msg_type,
            "username": "floor",
            "session": "floor",
            "date": "2025-01-01T00:00:00.000000Z",
            "version": "5.5",
        }
        parts = [json.dumps(header).encode(), parent, b"{}", json.dumps(content).encode()]
        signature = sign(parts) if lie != "signature" else b"0" * 64
        socket.send_multipart([*first, DELIMITER, signature, *parts])

    iopub = bind(zmq.PUB, "iopub_port")
    shell = bind(zmq.ROUTER, "shell_port")
    control = bind(zmq.ROUTER, "control_port")
    poller = zmq.Poller()
    poller.register(shell, zmq.POLLIN)
    poller.register(control, zmq.POLLIN)
    counter = 0
    while True:
        for socket, _ in poller.poll():
            frames = socket.recv_multipart()
            at = frames.index(DELIMITER)
            first, signature, parts = frames[:at], frames[at + 1], frames[at + 2 : at + 6]
            if not hmac.compare_digest(sign(parts), signature):
                continue
            parent, content = parts[0], json.loads(parts[3])
            msg_type = json.loads(parent)["msg_type"]
            send(iopub, [b"status"], "status", parent, {"execution_state": "busy"})
            reply: dict[str, Any]
            if msg_type == "execute_request":
                if not content["silent"]:
                    counter += 1 if lie != "count" else 2
                    told = {"code": content["code"], "execution_count": counter}
                    send(iopub, [b"execute_input"], "execute_input", parent, told)
                reply = {
                    "status": "ok" if lie != "status" else "error",
                    "execution_count": counter,
                    "user_expressions": {},
                    "payload": [],
                }
            elif msg_type == "kernel_info_request":
                reply = INFO
            else:
                reply = {"status": "ok", "restart": False}
            if lie != "no-reply" or msg_type == "kernel_info_request":
                send(socket, first, msg_type.replace("_request", "_reply"), parent, reply)
            if lie != "no-idle" or msg_type == "kernel_info_request":
                send(iopub, [b"status"], "status", parent, {"execution_state": "idle"})
            if lie == "late":
                send(iopub, [b"stream"], "stream", parent, {"name": "stdout", "text": "late"})
            if msg_type == "shutdown_request":
                for each in (shell, control, iopub):
                    each.close()
                context.term()
                return


if __name__ == "__main__":
    serve(json.loads(Path(sys.argv[2]).read_text()), *sys.argv[3:])
