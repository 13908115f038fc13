"""Registration with a launcher (JEP 66): the ports are told, signed, and a signed answer is waited for."""

from __future__ import annotations

import json
import socket as socketlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import zmq

from kernelet.protocol.codec import DELIMITER, Codec
from kernelet.protocol.connection import SOCKET_NAMES, Connection, InvalidConnection, parse
from kernelet.runtime import registration
from kernelet.runtime.registration import register
from kernelet.runtime.sockets import Sockets

KEY = b"secret"
CODEC = Codec(KEY, "hmac-sha256", "launcher", lambda: "")
Answers = Callable[[], list[list[bytes]]]


def acknowledge(body: bytes = b"{}") -> list[bytes]:
    return [DELIMITER, CODEC.sign([body]), body]


class Launcher:
    """A launcher's ROUTER: takes one registration, and sends what it is told to."""

    def __init__(self, answers: list[list[bytes]], ip: str) -> None:
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.router = self.context.socket(zmq.ROUTER)
        self.router.linger = 0
        self.router.rcvtimeo = 10_000
        self.router.ipv6 = ":" in ip
        host = f"[{ip}]" if ":" in ip else ip
        self.port = self.router.bind_to_random_port(f"tcp://{host}")
        self.ip = ip
        self.answers = answers
        self.frames: list[bytes] = []
        self.thread = threading.Thread(target=self.run)

    def run(self) -> None:
        try:
            ident, *self.frames = self.router.recv_multipart()
        except zmq.Again:
            return
        for frames in self.answers:
            self.router.send_multipart([ident, *frames])

    def connection(self, key: bytes = KEY) -> Connection:
        fields = {"registration_ip": self.ip, "registration_port": self.port, "key": key.decode(), "kernel_id": "id"}
        return parse(json.dumps(fields))


@contextmanager
def launching(*answers: list[bytes], ip: str = "127.0.0.1") -> Iterator[Launcher]:
    launcher = Launcher(list(answers), ip)
    launcher.thread.start()
    yield launcher
    launcher.thread.join()
    launcher.router.close()
    launcher.context.term()


Bind = Callable[[Connection], Sockets]


def test_the_ports_that_were_bound_are_told_signed(bound: Bind) -> None:
    with launching(acknowledge()) as launcher:
        sockets = bound(launcher.connection())
        register(sockets)
    delimiter, signature, body = launcher.frames
    assert delimiter == DELIMITER
    assert signature == CODEC.sign([body])
    ports = {f"{name}_port": str(sockets.connection.ports[name]) for name in SOCKET_NAMES}
    assert json.loads(body) == {"kernel_id": "id", **ports}


def test_without_a_key_nothing_is_signed(bound: Bind) -> None:
    with launching([DELIMITER, b"", b"{}"]) as launcher:
        register(bound(launcher.connection(key=b"")))
    assert launcher.frames[1] == b""


def test_an_answer_of_several_frames_is_an_answer(bound: Bind) -> None:
    parts = [b"{}", b"{}", b"{}", b'{"status": "ok"}']
    with launching([b"ident", DELIMITER, CODEC.sign(parts), *parts]) as launcher:
        register(bound(launcher.connection()))


def test_answers_that_are_not_the_launchers_are_passed_over(bound: Bind) -> None:
    forged = [[b"what?"], [DELIMITER], [DELIMITER, b"forged", b"{}"], [DELIMITER, b"", b"{}"]]
    with launching(*forged, acknowledge()) as launcher:
        register(bound(launcher.connection()))


@pytest.mark.parametrize("answers", [[], [[DELIMITER, b"forged", b"{}"]]])
def test_a_launcher_that_never_acknowledges_is_named(
    bound: Bind, monkeypatch: pytest.MonkeyPatch, answers: list[list[bytes]]
) -> None:
    monkeypatch.setattr(registration, "ANSWER_WITHIN_MS", 300)
    with launching(*answers) as launcher:
        said = rf"^the launcher at tcp://127\.0\.0\.1:{launcher.port} did not acknowledge the registration$"
        with pytest.raises(InvalidConnection, match=said):
            register(bound(launcher.connection()))


def test_an_address_that_is_none_is_named(bound: Bind) -> None:
    connection = parse(json.dumps({"registration_ip": "no such host", "registration_port": 5}))
    with pytest.raises(InvalidConnection, match=r"^cannot register at tcp://no such host:5: .+$"):
        register(bound(connection))


def test_a_launcher_on_ipv6_is_reached(bound: Bind, monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        with socketlib.socket(socketlib.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("another machine: it has IPv6")
    monkeypatch.setattr(registration, "ANSWER_WITHIN_MS", 5000)
    with launching(acknowledge(), ip="::1") as launcher:
        register(bound(launcher.connection()))
