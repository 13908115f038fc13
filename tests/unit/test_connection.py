"""The connection file as a value: what it says is understood, what is wrong with it is told in one clear line."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest
import zmq
from hypothesis import example, given
from hypothesis import strategies as st

from kernelet.protocol.connection import SOCKET_NAMES, Connection, InvalidConnection, SocketName, parse

PORTS = {f"{name}_port": 5001 + at for at, name in enumerate(SOCKET_NAMES)}
FILE = {**PORTS, "transport": "tcp", "ip": "127.0.0.1", "key": "secret", "signature_scheme": "hmac-sha256"}
PUBLIC, SECRET = (key.decode() for key in zmq.curve_keypair())
REGISTERED = {"registration_ip": "127.0.0.1", "registration_port": 6000, "key": "k", "kernel_id": "id"}


def parsed(**fields: Any) -> Connection:
    return parse(json.dumps(fields))


def complaint(text: str | bytes) -> str:
    with pytest.raises(InvalidConnection) as caught:
        parse(text)
    said = str(caught.value)
    assert said
    assert "\n" not in said
    return said


def test_a_usual_file_is_understood() -> None:
    connection = parsed(**FILE)
    assert (connection.transport, connection.ip, connection.key) == ("tcp", "127.0.0.1", b"secret")
    assert connection.ports == {"shell": 5001, "iopub": 5002, "stdin": 5003, "control": 5004, "hb": 5005}
    assert (connection.curve, connection.registration) == (None, None)
    assert connection.complete
    assert connection.endpoint("shell") == "tcp://127.0.0.1:5001"


def test_an_empty_file_leaves_every_choice_to_the_kernel() -> None:
    connection = parsed()
    assert not connection.complete
    assert set(connection.ports.values()) == {0}
    assert (connection.key, connection.signature_scheme) == (b"", "hmac-sha256")
    assert connection.endpoint("hb") == "tcp://127.0.0.1:*"


def test_the_text_may_be_bytes() -> None:
    assert parse(json.dumps(FILE).encode()) == parsed(**FILE)


def test_ports_may_be_text() -> None:
    assert parsed(**{name: str(port) for name, port in PORTS.items()}).ports == parsed(**PORTS).ports


def test_one_missing_port_is_not_complete() -> None:
    assert not parsed(**{**PORTS, "hb_port": 0}).complete


def test_chosen_ports_are_added_to_the_given_ones() -> None:
    chosen = parsed(shell_port=5001).with_ports({"hb": 7})
    assert chosen.ports["shell"] == 5001
    assert chosen.ports["hb"] == 7


def test_a_port_may_be_chosen_by_the_kernel_for_several_sockets() -> None:
    assert parsed(**dict.fromkeys(PORTS, 0)).ports["shell"] == 0


def test_ipv6_addresses_stand_in_brackets() -> None:
    assert parsed(ip="::1", shell_port=5).endpoint("shell") == "tcp://[::1]:5"


def test_a_star_is_every_address() -> None:
    assert parsed(ip="*").ip == "0.0.0.0"


def test_ipc_endpoints_are_a_path_and_a_suffix() -> None:
    connection = parsed(transport="ipc", ip="/run/kernel", shell_port=1, hb_port=5)
    assert connection.endpoint("shell") == "ipc:///run/kernel-1"
    assert connection.endpoint("hb") == "ipc:///run/kernel-5"


# -- written back ------------------------------------------------------------------------------------------------------


def test_unknown_fields_are_kept_when_the_file_is_written_back() -> None:
    given = {"kernel_name": "kernelet", "jupyter_session": "/nb.ipynb", "provisioner": {"deep": [1, None]}}
    written = json.loads(parsed(**given).with_ports({"shell": 9}).dump())
    assert {name: written[name] for name in given} == given
    assert written["shell_port"] == 9


def test_what_is_written_is_complete_and_reads_back_the_same() -> None:
    connection = parsed(**FILE, curve_publickey=PUBLIC, curve_secretkey=SECRET)
    again = parse(connection.dump())
    assert again == connection
    assert json.loads(parsed().dump()) == {
        **dict.fromkeys(PORTS, 0),
        "transport": "tcp",
        "ip": "127.0.0.1",
        "key": "",
        "signature_scheme": "hmac-sha256",
    }


@given(st.permutations(range(1, 65536, 9000)), st.text(st.characters(codec="utf-8")), st.sampled_from(["tcp", "ipc"]))
def test_any_connection_survives_being_written(ports: list[int], key: str, transport: str) -> None:
    fields = {f"{name}_port": port for name, port in zip(SOCKET_NAMES, ports, strict=False)}
    connection = parsed(**fields, key=key, transport=transport, ip="kernel")
    again = parse(connection.dump())
    assert (again.ports, again.key, again.transport) == (connection.ports, key.encode(), transport)


# -- what is wrong -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "{", b"\xff\xfe\xfd", "[" * 100_000, "not JSON"])
def test_what_is_not_json_is_said(text: str | bytes) -> None:
    assert complaint(text).startswith("not JSON (")


@pytest.mark.parametrize("text", ["[]", "1", "null", '"text"'])
def test_what_is_no_object_is_said(text: str) -> None:
    assert complaint(text) == "not a JSON object"


@pytest.mark.parametrize("name", SOCKET_NAMES)
@pytest.mark.parametrize("port", ["", "http", "1.5", 1.5, True, None, [], {}, "0x10"])
def test_a_malformed_port_is_named(name: SocketName, port: Any) -> None:
    assert complaint(json.dumps({f"{name}_port": port})) == f"{name}_port is {port!r}, not a port number"


@pytest.mark.parametrize("port", [-1, 65536, 10**9, "-1", "65536"])
def test_a_port_out_of_range_is_named(port: int | str) -> None:
    assert complaint(json.dumps({"iopub_port": port})) == f"iopub_port is {port}, not in 0..65535"


@pytest.mark.parametrize("second", [5001, "5001"])
def test_one_port_for_two_sockets_is_named(second: int | str) -> None:
    assert complaint(json.dumps({"shell_port": 5001, "hb_port": second})) == "shell_port and hb_port are both 5001"


@pytest.mark.parametrize("transport", ["inproc", "", None, 1, ["tcp"]])
def test_an_unknown_transport_is_named(transport: Any) -> None:
    said = complaint(json.dumps({"transport": transport}))
    assert said == f"transport is {transport!r}; kernelet knows 'tcp' and 'ipc'"


@pytest.mark.parametrize("scheme", ["", "sha256", "hmac-", "hmac-sha257", "hmac-shake_128", "HMAC-sha256", None, 1, []])
def test_a_bad_signature_scheme_is_named(scheme: Any) -> None:
    said = complaint(json.dumps({"signature_scheme": scheme}))
    assert said.startswith(f"signature_scheme is {scheme!r}; kernelet knows hmac-<hash>")


def test_every_scheme_that_is_taken_can_sign() -> None:
    for digest in hashlib.algorithms_available:
        try:
            parsed(signature_scheme=f"hmac-{digest}")
        except InvalidConnection:
            continue
        assert hmac.new(b"k", b"text", digest).hexdigest()


@pytest.mark.parametrize("key", [None, 1, ["k"]])
def test_a_key_that_is_no_text_is_named(key: Any) -> None:
    assert complaint(json.dumps({"key": key})) == f"key is {key!r}, not text"


def test_a_key_that_is_no_unicode_is_said() -> None:
    assert complaint('{"key": "\\ud800"}').startswith("key is ")


@pytest.mark.parametrize("ip", ["", None, 1, []])
def test_an_ip_that_is_no_address_is_named(ip: Any) -> None:
    assert complaint(json.dumps({"ip": ip})) == f"ip is {ip!r}, not an address"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=4,
)
field_names = st.sampled_from(
    [*FILE, "registration_ip", "registration_port", "kernel_id", "curve_publickey", "curve_secretkey"]
)
near_values = st.sampled_from(["tcp", "ipc", "127.0.0.1", "::1", "hmac-sha256", 5, "5", PUBLIC, "~" * 40, "9" * 5000])


@example({"key": "\ud800"})
@example({**REGISTERED, "registration_port": "9" * 5000})
@given(st.dictionaries(field_names, near_values | json_values))
def test_whatever_the_file_says_it_is_understood_or_refused_in_one_line(fields: dict[str, Any]) -> None:
    text = json.dumps(fields)
    try:
        connection = parse(text)
    except InvalidConnection:
        complaint(text)
        return
    parse(connection.dump())
    assert all(connection.endpoint(name) for name in SOCKET_NAMES)


# -- CurveZMQ ----------------------------------------------------------------------------------------------------------


def test_curve_keys_are_taken() -> None:
    assert parsed(curve_publickey=PUBLIC, curve_secretkey=SECRET).curve == (PUBLIC.encode(), SECRET.encode())


def test_empty_curve_keys_are_none() -> None:
    assert parsed(curve_publickey="", curve_secretkey=None).curve is None


@pytest.mark.parametrize(
    "given, missing", [("curve_publickey", "curve_secretkey"), ("curve_secretkey", "curve_publickey")]
)
def test_one_curve_key_without_the_other_is_named(given: str, missing: str) -> None:
    assert complaint(json.dumps({given: PUBLIC})) == f"{given} is given without {missing}"


@pytest.mark.parametrize(
    "bad",
    ["short", PUBLIC + "x", PUBLIC[:-1] + " ", PUBLIC[:-1] + "é", 5, [PUBLIC]],
    ids=["short", "long", "with a space", "not ASCII", "number", "list"],  # the key differs in every run
)
def test_a_curve_key_of_the_wrong_shape_is_named(bad: Any) -> None:
    said = complaint(json.dumps({"curve_publickey": PUBLIC, "curve_secretkey": bad}))
    assert said == "curve_secretkey is not a Z85 key of 40 characters"


@pytest.mark.parametrize("char", list("~`_"))
def test_a_curve_key_with_a_character_that_z85_has_not_is_named(char: str) -> None:
    said = complaint(json.dumps({"curve_publickey": PUBLIC[:-1] + char, "curve_secretkey": SECRET}))
    assert said == "curve_publickey is not a Z85 key of 40 characters"


# -- registration (JEP 66) ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "ip, bound", [("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("localhost", "127.0.0.1"), ("10.0.0.1", "0.0.0.0")]
)
def test_a_registered_kernel_binds_where_its_launcher_is(ip: str, bound: str) -> None:
    connection = parsed(**{**REGISTERED, "registration_ip": ip})
    assert connection.ip == bound
    assert not connection.complete


def test_a_launcher_elsewhere_by_name_reaches_every_address() -> None:
    assert parsed(**{**REGISTERED, "registration_ip": "launcher.example"}).ip == "0.0.0.0"


def test_the_registration_endpoint_is_built() -> None:
    assert parsed(**REGISTERED).registration == "tcp://127.0.0.1:6000"
    assert parsed(**{**REGISTERED, "registration_port": "6000"}).registration == "tcp://127.0.0.1:6000"


def test_an_ipv6_launcher_stands_in_brackets() -> None:
    assert parsed(**{**REGISTERED, "registration_ip": "::1"}).registration == "tcp://[::1]:6000"


def test_an_ipc_launcher_gets_a_kernel_beside_it() -> None:
    connection = parsed(**{**REGISTERED, "transport": "ipc", "registration_ip": "/run/launcher"})
    assert connection.registration == "ipc:///run/launcher-6000"
    assert connection.ip == "/run/launcher-kernel-id"


def test_an_address_of_its_own_wins_over_the_launchers() -> None:
    assert parsed(**REGISTERED, ip="127.0.0.9").ip == "127.0.0.9"


@pytest.mark.parametrize("ip", [None, "", 5])
def test_a_bad_registration_ip_is_named(ip: Any) -> None:
    said = complaint(json.dumps({**REGISTERED, "registration_ip": ip}))
    assert said == f"registration_ip is {ip!r}, not an address"


@pytest.mark.parametrize("port", [None, "", 0, -1, 65536, "http", 1.5, True])
def test_a_bad_registration_port_is_named(port: Any) -> None:
    said = complaint(json.dumps({**REGISTERED, "registration_port": port}))
    assert said == f"registration_port is {port!r}, not a port number"


@pytest.mark.parametrize("missing", ["registration_ip", "registration_port"])
def test_half_a_registration_is_refused(missing: str) -> None:
    fields = {name: value for name, value in REGISTERED.items() if name != missing}
    assert complaint(json.dumps(fields)).startswith(f"{missing} is None")
