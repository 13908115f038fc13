"""Registration with a launcher that lets the kernel choose its ports (JEP 66, protocol 5.6).

Runs once in the main thread, after the sockets are bound and before anything else starts.
"""

from __future__ import annotations

import json
import uuid

import zmq

from ..protocol.codec import DELIMITER, Codec
from ..protocol.connection import InvalidConnection
from .sockets import Sockets

ANSWER_WITHIN_MS = 5_000


def register(sockets: Sockets) -> None:
    """Tell the launcher the ports, and wait for its signed answer.

    Sent: `<IDS|MSG>`, signature, one JSON object with kernel_id and the five ports as text. Raises InvalidConnection
    when the launcher cannot be reached or answers nothing that it signed. Source: JEP 66.
    """
    connection = sockets.connection
    assert connection.registration is not None
    codec = Codec(connection.key, connection.signature_scheme, uuid.uuid4().hex, lambda: "")
    told = {"kernel_id": str(connection.fields.get("kernel_id", ""))}
    told.update({f"{name}_port": str(port) for name, port in connection.ports.items()})
    body = json.dumps(told).encode()
    dealer = sockets.context.socket(zmq.DEALER)
    dealer.linger = 0
    dealer.ipv6 = "[" in connection.registration
    try:
        dealer.connect(connection.registration)
        dealer.send_multipart([DELIMITER, codec.sign([body]), body])
        while dealer.poll(ANSWER_WITHIN_MS):
            if _acknowledged(dealer.recv_multipart(), codec):
                return
        raise InvalidConnection(f"the launcher at {connection.registration} did not acknowledge the registration")
    except zmq.ZMQError as error:
        raise InvalidConnection(f"cannot register at {connection.registration}: {error.strerror}") from None
    finally:
        dealer.close()


def _acknowledged(frames: list[bytes], codec: Codec) -> bool:
    """Whether the launcher signed what it answered (its content is free)."""
    if DELIMITER not in frames:
        return False
    at = frames.index(DELIMITER)
    signature, parts = frames[at + 1 : at + 2], frames[at + 2 :]
    return bool(signature) and signature[0] == codec.sign(parts)
