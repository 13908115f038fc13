"""Registration (JEP 66): the kernel chooses its ports and tells them to a launcher, played by the test."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Self

import pytest
import zmq

from frontend import Json, RawKernel
from rawkernel import DELIMITER
from sandbox import PORTS


class Launcher:
    """Plays the launcher: a ROUTER where kernels register."""

    def __init__(self) -> None:
        self.context = zmq.Context()
        self.context.set(zmq.BLOCKY, 0)
        self.router = self.context.socket(zmq.ROUTER)
        self.router.linger = 0
        self.port = self.router.bind_to_random_port("tcp://127.0.0.1")
        self.content: Json = {
            "kernel_id": "kernel-of-the-test",
            "transport": "tcp",
            "registration_ip": "127.0.0.1",
            "registration_port": self.port,
            "signature_scheme": "hmac-sha256",
            "key": "a key of the launcher",
        }

    def sign(self, raw: bytes) -> bytes:
        return hmac.new(self.content["key"].encode(), raw, hashlib.sha256).hexdigest().encode()

    def registered(self, kernel: RawKernel) -> tuple[list[bytes], Json]:
        """Wait for a registration; return its identities and content."""
        kernel.eventually(lambda: self.router.poll(50) or None, "registration")
        frames = self.router.recv_multipart()
        at = frames.index(DELIMITER)
        signature, raw = frames[at + 1 :]
        assert signature == self.sign(raw)
        content: Json = json.loads(raw)
        return frames[:at], content

    def acknowledge(self, idents: list[bytes], *, signature: bytes | None = None) -> None:
        self.router.send_multipart([*idents, DELIMITER, signature or self.sign(b"ACK"), b"ACK"])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.context.destroy(linger=0)


@pytest.mark.better_than_ipykernel("does not know registration")
@pytest.mark.parametrize("as_text", [False, True])
def test_a_kernel_registers_its_ports_and_waits_for_the_acknowledgement(as_text: bool) -> None:
    with Launcher() as launcher:
        if as_text:
            launcher.content["registration_port"] = str(launcher.port)
        with RawKernel(content=launcher.content) as kernel:
            idents, told = launcher.registered(kernel)
            assert told["kernel_id"] == "kernel-of-the-test"
            assert set(told) >= {"kernel_id", *PORTS}
            assert all(isinstance(told[port], str) and int(told[port]) > 0 for port in PORTS)
            launcher.acknowledge(idents)
            ports = {port: int(told[port]) for port in PORTS}
            kernel.assert_works({**launcher.content, "ip": "127.0.0.1", **ports})


@pytest.mark.better_than_ipykernel("does not know registration")
def test_other_clients_find_a_registered_kernel_by_its_connection_file() -> None:
    with Launcher() as launcher, RawKernel(content=launcher.content) as kernel:
        idents, told = launcher.registered(kernel)
        launcher.acknowledge(idents)
        completed = kernel.completed_file()
        assert {port: str(completed[port]) for port in PORTS} == {port: told[port] for port in PORTS}
        kernel.assert_works({"ip": "127.0.0.1", **completed})


@pytest.mark.better_than_ipykernel("does not know registration")
def test_a_kernel_whose_acknowledgement_is_forged_does_not_stay() -> None:
    with Launcher() as launcher, RawKernel(content=launcher.content) as kernel:
        idents, _ = launcher.registered(kernel)
        launcher.acknowledge(idents, signature=b"0" * 64)
        assert kernel.exit_status() != 0
        assert "Traceback" not in kernel.stderr


@pytest.mark.better_than_ipykernel("does not know registration")
def test_a_kernel_that_is_not_acknowledged_gives_up() -> None:
    with Launcher() as launcher, RawKernel(content=launcher.content) as kernel:
        launcher.registered(kernel)
        assert kernel.exit_status() != 0
        assert "Traceback" not in kernel.stderr
