"""Every kind of connection file: complete, to be completed, over ipc, and those that cannot be used."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
from collections.abc import Callable

import pytest

from frontend import Frontend, RawKernel, Sandbox, connection
from needs import OTHER_MACHINE
from rawkernel import run
from sandbox import PORTS

# -- no file


def test_without_a_file_the_kernel_writes_its_own() -> None:
    with RawKernel([]) as kernel:
        path = kernel.sandbox.runtime / f"kernel-{kernel.process.pid}.json"
        kernel.file = path
        kernel.eventually(lambda: path.exists() or None, "connection file")
        content = kernel.completed_file()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert content["key"]
        assert content["signature_scheme"] == "hmac-sha256"
        kernel.assert_works(content)
        assert not path.exists(), "what the kernel wrote, it takes away"


def test_a_file_without_ports_is_completed_in_place() -> None:
    content = connection(**dict.fromkeys(PORTS, 0), jupyter_session="a notebook.ipynb", unknown={"a": [1]})
    with RawKernel(content=content) as kernel:
        completed = kernel.completed_file()
        assert {name: completed[name] for name in content if name not in PORTS} == {
            name: value for name, value in content.items() if name not in PORTS
        }
        assert stat.S_IMODE(kernel.file.stat().st_mode) == 0o600
        assert len({completed[port] for port in PORTS}) == 5
        kernel.assert_works(completed)


def test_one_port_of_zero_is_completed_and_the_others_are_kept() -> None:
    content = connection(iopub_port=0)
    with RawKernel(content=content) as kernel:
        completed = kernel.completed_file()
        assert {name: completed[name] for name in PORTS if name != "iopub_port"} == {
            name: content[name] for name in PORTS if name != "iopub_port"
        }
        kernel.assert_works(completed)


def test_a_complete_file_is_left_as_it_is() -> None:
    with RawKernel() as kernel:
        before = kernel.file.read_bytes(), kernel.file.stat().st_mtime_ns
        kernel.assert_works()
        assert (kernel.file.read_bytes(), kernel.file.stat().st_mtime_ns) == before


@pytest.mark.better_than_ipykernel("ends with a traceback")
def test_ports_may_be_text() -> None:
    content = connection()
    with RawKernel(content=content | {port: str(content[port]) for port in PORTS}) as kernel:
        kernel.assert_works(content)


def test_unknown_keys_are_ignored() -> None:
    with RawKernel(content=connection(jupyter_session="x.ipynb", no_such_key={"a": 1}, kernel_name=None)) as kernel:
        kernel.assert_works()


@pytest.mark.better_than_ipykernel("cannot bind it")
def test_an_ipv6_address() -> None:
    try:
        with socket.socket(socket.AF_INET6) as one:
            one.bind(("::1", 0))
    except OSError:
        pytest.skip(f"{OTHER_MACHINE}it has IPv6")
    with RawKernel(content=connection(ip="::1")) as kernel:
        client = kernel.client(kernel.content | {"ip": "[::1]"}, ipv6=True)
        request = client.execute("1 + 1")
        assert client.reply(request)["content"]["status"] == "ok"
        assert client.heartbeat() == b"ping"


# -- files that cannot be used

WRONG: dict[str, bytes] = {
    "empty": b"",
    "not JSON": b"{not json",
    "not UTF-8": b"\xff\xfe\x00",
    "a list": b"[]",
    "a number": b"1",
    "unknown transport": json.dumps(connection(transport="carrier pigeon")).encode(),
    "scheme without hmac": json.dumps(connection(signature_scheme="sha256")).encode(),
    "scheme of no hash": json.dumps(connection(signature_scheme="hmac-nonsense")).encode(),
    "port is a word": json.dumps(connection(shell_port="shell")).encode(),
    "port is too large": json.dumps(connection(shell_port=65536)).encode(),
    "port is negative": json.dumps(connection(shell_port=-1)).encode(),
    "port is a list": json.dumps(connection(shell_port=[1])).encode(),
    "two equal ports": json.dumps(connection(shell_port=4567, iopub_port=4567)).encode(),
    "key is a number": json.dumps(connection(key=5)).encode(),
    "ip is a number": json.dumps(connection(ip=5)).encode(),
    "ip that is nobody's": json.dumps(connection(ip="192.0.2.1")).encode(),
    "half of a Curve key pair": json.dumps(connection(curve_publickey="x" * 40)).encode(),
    "Curve keys of no length": json.dumps(connection(curve_publickey="a", curve_secretkey="b")).encode(),
    "registration without address": json.dumps(connection(registration_port=4567)).encode(),
}
REFUSES = pytest.mark.better_than_ipykernel("starts all the same, or ends with a traceback")


def assert_refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """Assert exit status 2 and one line on stderr that has all `words`."""
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    (line,) = done.stderr.splitlines()
    for word in words:
        assert word in line


def run_with_file(content: bytes) -> subprocess.CompletedProcess[str]:
    sandbox = Sandbox()
    try:
        path = sandbox.path / "conn.json"
        path.write_bytes(content)
        return run("-f", str(path))
    finally:
        sandbox.close()


@REFUSES
@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_file_is_refused_with_one_line(what: str) -> None:
    assert_refused(run_with_file(WRONG[what]), "conn.json")


@REFUSES
def test_a_missing_file_is_refused_with_one_line() -> None:
    assert_refused(run("-f", "no-such-file.json"), "no-such-file.json")


@REFUSES
def test_a_directory_is_refused_with_one_line() -> None:
    assert_refused(run("-f", "."))


@REFUSES
def test_an_unreadable_file_is_refused_with_one_line() -> None:
    if os.geteuid() == 0:
        pytest.skip(f"{OTHER_MACHINE}its tests do not run as root, who reads everything")
    sandbox = Sandbox()
    try:
        path = sandbox.path / "conn.json"
        path.write_text(json.dumps(connection()))
        path.chmod(0)
        assert_refused(run("-f", str(path)), "conn.json")
    finally:
        sandbox.close()


@REFUSES
def test_f_without_a_file_is_refused() -> None:
    done = run("-f")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


@REFUSES
def test_a_port_that_is_taken_is_told_in_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert_refused(run_with_file(json.dumps(connection(iopub_port=port)).encode()), str(port))


# -- ipc


def test_ipc_with_ports_of_the_launcher() -> None:
    sandbox = Sandbox()
    try:
        ports = dict(zip(PORTS, range(1, 6), strict=True))
        content = connection(transport="ipc", ip=str(sandbox.runtime / "k"), **ports)
        with RawKernel(content=content, sandbox=sandbox) as kernel:
            kernel.assert_works()
    finally:
        sandbox.close()


def test_ipc_through_jupyter_client(start_kernel: Callable[..., Frontend]) -> None:
    kernel = start_kernel(transport="ipc")
    assert kernel.manager.transport == "ipc"
    assert kernel.execute("1 + 1").result == {"text/plain": "2"}
    assert kernel.execute("input()", answers=["over ipc"]).result == {"text/plain": "'over ipc'"}


@pytest.mark.better_than_ipykernel("does not complete ipc ports")
def test_ipc_ports_of_zero_are_completed() -> None:
    sandbox = Sandbox()
    try:
        content = connection(transport="ipc", ip=str(sandbox.runtime / "k"), **dict.fromkeys(PORTS, 0))
        with RawKernel(content=content, sandbox=sandbox) as kernel:
            kernel.assert_works(kernel.completed_file())
    finally:
        sandbox.close()
