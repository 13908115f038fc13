"""The connection file as a value: transport, endpoints, key, CurveZMQ keys, and the registration address of JEP 66.

Sources: https://jupyter-client.readthedocs.io/en/stable/kernels.html#connection-files, JEP 66 (registration),
JEP 106 (schema), draft JEP 145 (CurveZMQ).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, get_args

SocketName = Literal["shell", "iopub", "stdin", "control", "hb"]
SOCKET_NAMES: tuple[SocketName, ...] = get_args(SocketName)
_CURVE_KEY_CHARS = 40
_Z85 = r"[0-9a-zA-Z.\-:+=^!/*?&<>()\[\]{}@%$#]"  # ZeroMQ RFC 32


class InvalidConnection(ValueError):
    """A connection file that cannot be used; the text says in one line what is wrong."""


class Connection(NamedTuple):
    """Where to bind and how to sign. A port of 0 means that the kernel chooses it.

    `ports` are numbers after the address for tcp, suffixes of the path `ip` for ipc. `keys` are the CurveZMQ public and
    secret key (Z85 text), None without encryption. `registration` is the endpoint of a JEP 66 launcher, None without.
    `fields` is the whole file, so that writing it back keeps what we do not know.
    """

    transport: Literal["tcp", "ipc"] = "tcp"
    ip: str = "127.0.0.1"
    ports: Mapping[SocketName, int] = MappingProxyType(dict.fromkeys(SOCKET_NAMES, 0))
    key: bytes = b""
    signature_scheme: str = "hmac-sha256"
    curve: tuple[bytes, bytes] | None = None
    registration: str | None = None
    fields: Mapping[str, Any] = MappingProxyType({})

    @property
    def complete(self) -> bool:
        """Whether every port is chosen."""
        return all(self.ports.values())

    def endpoint(self, name: SocketName) -> str:
        """Return the ZMQ address of a socket; an unchosen tcp port is `*`."""
        if self.transport == "ipc":
            return f"ipc://{self.ip}-{self.ports[name]}"
        host = f"[{self.ip}]" if ":" in self.ip else self.ip
        return f"tcp://{host}:{self.ports[name] or '*'}"

    def with_ports(self, ports: Mapping[SocketName, int]) -> Connection:
        """Return this connection with the ports that were bound."""
        return self._replace(ports={**self.ports, **ports})

    def dump(self) -> str:
        """Return the text of the connection file, unknown fields kept."""
        written: dict[str, Any] = dict(self.fields)
        written.update({f"{name}_port": port for name, port in self.ports.items()})
        written.update(
            transport=self.transport, ip=self.ip, key=self.key.decode(), signature_scheme=self.signature_scheme
        )
        return json.dumps(written, indent=1) + "\n"


def parse(text: str | bytes) -> Connection:
    """Return the connection that the text of a connection file describes.

    Raises InvalidConnection with one line that says what is wrong.
    """
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidConnection(f"not JSON ({error})") from None
    if not isinstance(fields, dict):
        raise InvalidConnection("not a JSON object")
    transport = fields.get("transport", "tcp")
    if transport not in ("tcp", "ipc"):
        raise InvalidConnection(f"transport is {transport!r}; kernelet knows 'tcp' and 'ipc'")
    scheme = fields.get("signature_scheme", "hmac-sha256")
    _check_scheme(scheme)
    key = fields.get("key", "")
    if not isinstance(key, str) or any("\ud800" <= character <= "\udfff" for character in key):
        raise InvalidConnection(f"key is {key!r}, not text")
    registration = _registration(fields)
    ip = fields.get("ip", "127.0.0.1" if registration is None else _registered_ip(fields))
    if not isinstance(ip, str) or not ip:
        raise InvalidConnection(f"ip is {ip!r}, not an address")
    return Connection(
        transport,
        "0.0.0.0" if ip == "*" and transport == "tcp" else ip,
        _ports(fields),
        key.encode(),
        scheme,
        _curve(fields),
        registration,
        fields,
    )


def _ports(fields: Mapping[str, Any]) -> dict[SocketName, int]:
    ports: dict[SocketName, int] = {}
    users: dict[int, str] = {}
    for name in SOCKET_NAMES:
        given = fields.get(f"{name}_port", 0)
        try:
            port = given if isinstance(given, int) and not isinstance(given, bool) else int(str(given), 10)
        except ValueError:
            raise InvalidConnection(f"{name}_port is {given!r}, not a port number") from None
        if not 0 <= port <= 65535:
            raise InvalidConnection(f"{name}_port is {port}, not in 0..65535")
        if port and port in users:
            raise InvalidConnection(f"{users[port]}_port and {name}_port are both {port}")
        users[port] = name
        ports[name] = port
    return ports


def _check_scheme(scheme: Any) -> None:
    prefix, _, digest = str(scheme).partition("-")
    usable = prefix == "hmac" and digest in hashlib.algorithms_available and not digest.startswith("shake")
    if not isinstance(scheme, str) or not usable:
        raise InvalidConnection(f"signature_scheme is {scheme!r}; kernelet knows hmac-<hash>, for instance hmac-sha256")


def _curve(fields: Mapping[str, Any]) -> tuple[bytes, bytes] | None:
    names = ("curve_publickey", "curve_secretkey")
    given = [name for name in names if fields.get(name)]
    if not given:
        return None
    if len(given) == 1:
        raise InvalidConnection(f"{given[0]} is given without {(set(names) - set(given)).pop()}")
    for name in names:
        if not isinstance(fields[name], str) or not re.fullmatch(rf"{_Z85}{{{_CURVE_KEY_CHARS}}}", fields[name]):
            raise InvalidConnection(f"{name} is not a Z85 key of {_CURVE_KEY_CHARS} characters")
    return fields[names[0]].encode(), fields[names[1]].encode()


def _registration(fields: Mapping[str, Any]) -> str | None:
    if "registration_port" not in fields and "registration_ip" not in fields:
        return None
    ip, port = fields.get("registration_ip"), fields.get("registration_port")
    if not isinstance(ip, str) or not ip:
        raise InvalidConnection(f"registration_ip is {ip!r}, not an address")
    if fields.get("transport", "tcp") == "ipc":
        return f"ipc://{ip}-{port}"
    if not re.fullmatch(r"[0-9]{1,5}", str(port)) or not 0 < int(str(port)) <= 65535:
        raise InvalidConnection(f"registration_port is {port!r}, not a port number")
    return f"tcp://[{ip}]:{port}" if ":" in ip else f"tcp://{ip}:{port}"


def _registered_ip(fields: Mapping[str, Any]) -> str:
    """Return where to bind for a launcher at `registration_ip`: loopback when it is there, everywhere otherwise."""
    ip = str(fields.get("registration_ip"))
    if fields.get("transport", "tcp") == "ipc":
        return f"{ip}-kernel-{fields.get('kernel_id', 'unnamed')}"
    import ipaddress  # only a registered kernel needs it

    try:
        return ip if ipaddress.ip_address(ip).is_loopback else "0.0.0.0"
    except ValueError:
        return "127.0.0.1" if ip == "localhost" else "0.0.0.0"
