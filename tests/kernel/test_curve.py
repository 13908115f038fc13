"""CurveZMQ: with keys in the connection file, all five sockets are encrypted and refuse clients without them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import pytest
import zmq

from frontend import DEADLINE_S, Frontend, Json, RawKernel, Sandbox, connection
from sandbox import PORTS


def curve_connection(**changes: Any) -> Json:
    public, secret = zmq.curve_keypair()
    return connection(curve_publickey=public.decode(), curve_secretkey=secret.decode(), **changes)


def test_curve_on_all_five_sockets() -> None:
    with RawKernel(content=curve_connection()) as kernel:
        kernel.assert_works()


def test_curve_with_ports_of_zero_keeps_the_keys() -> None:
    content = curve_connection(**dict.fromkeys(PORTS, 0))
    with RawKernel(content=content) as kernel:
        completed = kernel.completed_file()
        for name in ("curve_publickey", "curve_secretkey", "key"):
            assert completed[name] == content[name]
        kernel.assert_works(completed)


def test_curve_over_ipc() -> None:
    sandbox = Sandbox()
    try:
        ports = dict(zip(PORTS, range(1, 6), strict=True))
        content = curve_connection(transport="ipc", ip=str(sandbox.runtime / "k"), **ports)
        with RawKernel(content=content, sandbox=sandbox) as kernel:
            kernel.assert_works()
    finally:
        sandbox.close()


KINDS = {"shell": zmq.DEALER, "control": zmq.DEALER, "stdin": zmq.DEALER, "iopub": zmq.SUB, "hb": zmq.REQ}


@pytest.mark.parametrize("name", KINDS)
def test_a_client_without_the_keys_is_refused_on_every_socket(name: str) -> None:
    refused = zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    refused |= zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_DISCONNECTED
    context = zmq.Context()
    context.set(zmq.BLOCKY, 0)
    try:
        with RawKernel(content=curve_connection()) as kernel:
            kernel.client().ready()
            plain = context.socket(KINDS[name])
            monitor = plain.get_monitor_socket(refused | zmq.EVENT_HANDSHAKE_SUCCEEDED)
            plain.connect(f"tcp://127.0.0.1:{kernel.content[f'{name}_port']}")
            assert monitor.poll(int(DEADLINE_S * 1000))
            event = int.from_bytes(monitor.recv_multipart()[0][:2], sys.byteorder)
            plain.disable_monitor()
            monitor.close()
            assert event & refused
    finally:
        context.destroy(linger=0)


def test_curve_through_jupyter_client(start_kernel: Callable[..., Frontend]) -> None:
    kernel = start_kernel(transport_encryption="required")
    assert "curve_publickey" in json.loads((kernel.sandbox.runtime / "kernel-test.json").read_text())
    assert kernel.execute("input()", answers=["encrypted"]).result == {"text/plain": "'encrypted'"}
    kernel.restart()
    assert kernel.execute("1 + 1").result == {"text/plain": "2"}
