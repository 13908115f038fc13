"""The five sockets: bound as the connection says, refused in one line, and a heartbeat that needs no Python."""

from __future__ import annotations

import json
import socket as socketlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zmq

from kernelet.protocol.connection import SOCKET_NAMES, Connection, InvalidConnection, SocketName, parse
from kernelet.runtime.sockets import Heartbeat, Sockets

Bind = Callable[[Connection], Sockets]
Client = Callable[..., zmq.Socket[bytes]]


def parsed(**fields: Any) -> Connection:
    return parse(json.dumps(fields))


def reaches(client: zmq.Socket[bytes], kernel: zmq.Socket[bytes]) -> bool:
    """Whether a message of a client's DEALER arrives at the kernel's ROUTER."""
    kernel.rcvtimeo = 30_000
    client.send(b"hello")
    return kernel.recv_multipart()[1] == b"hello"


def has_ipv6() -> bool:
    try:
        with socketlib.socket(socketlib.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def test_ports_that_are_left_open_are_chosen(bound: Bind, client: Client) -> None:
    sockets = bound(parsed())
    assert sockets.connection.complete
    assert len(set(sockets.connection.ports.values())) == 5
    assert reaches(client(zmq.DEALER, sockets.connection.endpoint("shell")), sockets.by_name["shell"])


def test_ports_that_are_given_are_taken(bound: Bind) -> None:
    with socketlib.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    sockets = bound(parsed(control_port=port))
    assert sockets.connection.ports["control"] == port
    assert str(port) in sockets.by_name["control"].last_endpoint.decode()


@pytest.mark.parametrize("name", SOCKET_NAMES)
def test_a_port_that_is_taken_is_named_in_one_line(bound: Bind, name: SocketName) -> None:
    with socketlib.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InvalidConnection, match=rf"^cannot bind {name} to tcp://127\.0\.0\.1:{port}: Address"):
            bound(parsed(**{f"{name}_port": port}))


@pytest.mark.parametrize("ip", ["no-such-interface", "300.0.0.1", "192.0.2.1"])
def test_an_address_that_is_not_ours_is_named_in_one_line(bound: Bind, ip: str) -> None:
    with pytest.raises(InvalidConnection, match=rf"^cannot bind shell to tcp://{ip}:\*: .+$"):
        bound(parsed(ip=ip))


@pytest.mark.skipif(not has_ipv6(), reason="another machine: it has IPv6")
def test_ipv6_is_bound(bound: Bind, client: Client) -> None:
    sockets = bound(parsed(ip="::1"))
    assert sockets.connection.complete
    assert reaches(client(zmq.DEALER, sockets.connection.endpoint("control")), sockets.by_name["control"])


def test_ipc_paths_are_bound_and_taken_ones_left_alone(bound: Bind, client: Client, tmp_path: Path) -> None:
    (tmp_path / "kernel-2").touch()
    sockets = bound(parsed(transport="ipc", ip=str(tmp_path / "kernel")))
    assert sorted(sockets.connection.ports.values()) == [1, 3, 4, 5, 6]
    assert reaches(client(zmq.DEALER, sockets.connection.endpoint("shell")), sockets.by_name["shell"])


def test_an_ipc_path_that_cannot_be_is_named_in_one_line(bound: Bind, tmp_path: Path) -> None:
    with pytest.raises(InvalidConnection, match=r"^cannot bind shell to ipc://.+absent/kernel-1: .+$"):
        bound(parsed(transport="ipc", ip=str(tmp_path / "absent" / "kernel"), shell_port=1))


def test_curve_lets_only_clients_in_that_know_the_key(bound: Bind, client: Client) -> None:
    public, secret = zmq.curve_keypair()
    sockets = bound(parsed(curve_publickey=public.decode(), curve_secretkey=secret.decode()))
    endpoint = sockets.connection.endpoint("shell")
    plain = client(zmq.DEALER, endpoint)
    plain.send(b"let me in")
    own_public, own_secret = zmq.curve_keypair()
    keys = {"curve_serverkey": public, "curve_publickey": own_public, "curve_secretkey": own_secret}
    assert reaches(client(zmq.DEALER, endpoint, **keys), sockets.by_name["shell"])


def test_a_curve_key_that_libzmq_refuses_is_told_in_one_line(bound: Bind) -> None:
    connection = Connection(curve=(b"~" * 40, b"~" * 40))
    with pytest.raises(InvalidConnection):
        bound(connection)


def test_a_client_that_comes_back_under_its_name_takes_it_over(bound: Bind, client: Client) -> None:
    sockets = bound(parsed())
    shell, endpoint = sockets.by_name["shell"], sockets.connection.endpoint("shell")
    first = client(zmq.DEALER, endpoint, routing_id=b"client")
    assert reaches(first, shell)
    second = client(zmq.DEALER, endpoint, routing_id=b"client")
    assert reaches(second, shell)
    shell.send_multipart([b"client", b"reply"])
    assert second.recv() == b"reply"


def test_the_heartbeat_answers_every_client_and_ends_with_its_context(bound: Bind, client: Client) -> None:
    sockets = bound(parsed())
    heartbeat = Heartbeat(sockets.by_name["hb"])
    heartbeat.start()
    for at in range(3):
        asker = client(zmq.REQ, sockets.connection.endpoint("hb"))
        asker.send(b"ping %d" % at)
        assert asker.recv() == b"ping %d" % at
    for name, socket in sockets.by_name.items():
        if name != "hb":
            socket.close(linger=0)
    sockets.context.term()
    heartbeat._thread.join(30)
    assert not heartbeat._thread.is_alive()


def test_a_heartbeat_that_nobody_asked_for_has_no_thread_and_lets_its_context_end(bound: Bind) -> None:
    sockets = bound(parsed())
    heartbeat = Heartbeat(sockets.by_name["hb"])
    heartbeat.close()
    for name, socket in sockets.by_name.items():
        if name != "hb":
            socket.close(linger=0)
    sockets.context.term()
    assert not heartbeat._thread.is_alive()
