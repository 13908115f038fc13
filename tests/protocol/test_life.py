"""The life of a kernel without IPython: start, late language, transports, one client in another's place, the end."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator

import pytest
import zmq

from protocol.echo import buffer
from protocol.harness import NARROW, EchoProcess, assert_paired, connect_again, hear, meanwhile, text_of
from rawkernel import RawClient
from sandbox import Json, Sandbox, free_ports

CHANNELS = pytest.mark.parametrize("channel", ["shell", "control"])


@pytest.fixture
def own() -> Iterator[EchoProcess]:
    """An echo kernel of this test alone."""
    with EchoProcess() as kernel:
        yield kernel


def round_trip(kernel: EchoProcess) -> None:
    client = kernel.client().ready()
    request = client.execute("hello")
    assert client.reply(request)["content"]["status"] == "ok"
    heard = hear(client, request)
    assert [m["msg_type"] for m in heard] == ["status", "execute_input", "stream", "status"]
    assert text_of(heard) == "hello"
    assert client.heartbeat(b"beat") == b"beat"
    shutdown = client.send("shutdown_request", {"restart": False}, channel="control")
    assert client.reply(shutdown, "control")["content"] == {"status": "ok", "restart": False}
    assert kernel.exit_status() == 0


# -- transports


@pytest.mark.parametrize("parking", ["parked", "plain"])
def test_a_round_trip_over_tcp(parking: str) -> None:
    with EchoProcess(env={"ECHO_PARKING": parking}) as kernel:
        round_trip(kernel)


def test_a_round_trip_without_a_key() -> None:
    with EchoProcess(key="") as kernel:
        round_trip(kernel)


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "curve"])
def test_a_round_trip_over_ipc(encrypted: bool) -> None:
    sandbox = Sandbox()
    try:
        keys = curve_keys() if encrypted else {}
        with EchoProcess(transport="ipc", ip=str(sandbox.runtime / "k"), sandbox=sandbox, **keys) as kernel:
            round_trip(kernel)
    finally:
        sandbox.close()


def curve_keys() -> Json:
    public, secret = zmq.curve_keypair()
    return {"curve_publickey": public.decode(), "curve_secretkey": secret.decode()}


def test_a_round_trip_with_curve() -> None:
    with EchoProcess(**curve_keys()) as kernel:
        round_trip(kernel)


def test_no_ipython_is_imported_by_the_kernel_below_it(client: RawClient) -> None:
    request = client.execute("modules")
    client.reply(request)
    modules = text_of(hear(client, request)).split("\n")
    assert "kernelet.kernel.kernel" in modules
    roots = {name.partition(".")[0] for name in modules}
    assert not roots & {"IPython", "traitlets", "comm", "jupyter_client", "jupyter_core", "ipykernel", "tornado"}
    assert not [name for name in modules if name.startswith("kernelet.ipython")]


# -- before the language is there


def test_what_comes_before_the_language_is_answered_in_order_once_it_is_there() -> None:
    with EchoProcess(env={"ECHO_LATE": "1"}) as kernel:
        client = kernel.client().ready()  # kernel_info is answered, although nothing else is yet
        early = []
        for n in range(200):
            early.append(client.execute(f"early {n}"))
            early.append(client.send("comm_info_request"))
        for _ in range(20):
            assert client.kernel_info()["content"]["implementation"] == "echo"
            assert client.kernel_info("control")["content"]["implementation"] == "echo"
        assert client.silent("shell")
        kernel.process.send_signal(signal.SIGUSR1)
        late = [client.execute(f"late {n}") for n in range(200)]
        for request in [*early, *late]:
            assert client.reply(request)["content"]["status"] == "ok"
        heard = hear(client, late[-1])
        assert_paired(heard, [*early, *late])
        texts = [m["content"]["text"] for m in heard if m["msg_type"] == "stream"]
        assert texts == [f"early {n}" for n in range(200)] + [f"late {n}" for n in range(200)]


def test_requests_that_come_while_the_language_is_attached_keep_their_order() -> None:
    for _ in range(5):
        with EchoProcess(env={"ECHO_LATE": "1"}) as kernel:
            client = kernel.deaf_client()
            client.kernel_info()
            requests = [client.execute(f"{n}") for n in range(50)]
            kernel.process.send_signal(signal.SIGUSR1)
            requests += [client.execute(f"{n}") for n in range(500)]
            counts = [client.reply(request)["content"]["execution_count"] for request in requests]
            assert counts == list(range(1, 551))


def test_a_kernel_without_its_language_shuts_down() -> None:
    with EchoProcess(env={"ECHO_LATE": "1"}) as kernel:
        client = kernel.client().ready()
        client.execute("never")
        shutdown = client.send("shutdown_request", {"restart": True}, channel="control")
        assert client.reply(shutdown, "control")["content"] == {"status": "ok", "restart": True}
        assert kernel.exit_status() == 0


def test_an_interrupt_before_the_language_is_there_harms_nothing() -> None:
    with EchoProcess(env={"ECHO_LATE": "1"}) as kernel:
        client = kernel.client().ready()
        early = client.execute("early")
        for _ in range(3):
            client.reply(client.send("interrupt_request", channel="control"), "control")
        kernel.process.send_signal(signal.SIGUSR1)
        later = client.execute("count 3000000")  # long enough to be hit
        for request in (early, later):
            assert client.reply(request)["content"]["status"] == "ok"


def test_who_subscribes_after_the_idle_of_a_cell_and_before_its_end_is_told_idle() -> None:
    with EchoProcess(env={"ECHO_LATE": "1"}) as kernel:
        deaf = kernel.client({**kernel.content, "iopub_port": free_ports(1)[0]})
        kernel.process.send_signal(signal.SIGUSR1)
        deaf.reply(deaf.execute("linger"))
        client = kernel.client()
        heard = [client.recv("iopub") for _ in range(4)]
        states = [m["content"].get("execution_state") for m in heard]
        assert states == [None, "starting", "busy", "idle"]
        request = client.execute("hello")
        client.reply(request)
        assert [m["msg_type"] for m in hear(client, request)] == ["status", "execute_input", "stream", "status"]


# -- heartbeat and interrupt


def test_the_heartbeat_answers_while_a_cell_runs(client: RawClient) -> None:
    last = client.header("execute_request")
    waiting = client.execute(f"wait {last['msg_id']}")
    for n in range(100):
        assert client.heartbeat(f"{n}".encode() * n) == f"{n}".encode() * n
    client.send_frames(client.frames(last, {"code": "last"}))
    assert client.reply(waiting)["content"]["status"] == "ok"
    assert client.reply(last)["content"]["status"] == "ok"
    hear(client, last)


def test_an_interrupt_ends_a_cell(client: RawClient) -> None:
    waiting = client.execute("wait for-ever")
    while client.recv("iopub")["msg_type"] != "execute_input":
        pass
    interrupt = client.send("interrupt_request", channel="control")
    client.reply(interrupt, "control")
    assert client.reply(waiting)["content"]["ename"] == "KeyboardInterrupt"
    after = client.execute("after")
    assert client.reply(after)["content"]["status"] == "ok"
    hear(client, after)


@pytest.mark.parametrize("parking", ["parked", "plain"])
@pytest.mark.parametrize("how", ["message", "signal"])
def test_an_interrupt_of_an_idle_kernel_does_not_hit_a_later_cell(parking: str, how: str) -> None:
    with EchoProcess(env={"ECHO_PARKING": parking}) as kernel:
        client = kernel.client().ready()
        for _ in range(3):
            if how == "message":
                client.reply(client.send("interrupt_request", channel="control"), "control")
            else:
                kernel.process.send_signal(signal.SIGINT)
            client.kernel_info()
        later = client.execute("count 3000000")  # long enough to be hit
        assert client.reply(later)["content"]["status"] == "ok"


# -- identities


def test_a_client_takes_the_place_of_another_with_its_identity(own: EchoProcess) -> None:
    first, second = own.deaf_client(), own.deaf_client()
    identity = first.session.encode()
    connect_again(first, "shell", identity=identity, reconnect_ivl=-1)  # gone for good, once it is disconnected
    first.kernel_info()
    last = second.header("execute_request")
    waiting = first.execute(f"wait {last['msg_id']}")
    first.kernel_info("control")
    connect_again(second, "shell", identity=identity)
    second.send_frames(second.frames(last, {"code": "last"}))
    assert second.reply(waiting)["content"]["status"] == "ok"
    assert second.reply(last)["content"]["status"] == "ok"
    second.kernel_info()


def test_a_client_that_leaves_before_its_reply_harms_nobody(own: EchoProcess) -> None:
    client, leaving = own.client().ready(), own.deaf_client()
    leaving.kernel_info()
    last = client.header("execute_request")
    waiting = leaving.execute(f"wait {last['msg_id']}")
    while client.recv("iopub")["parent_header"].get("msg_id") != waiting["msg_id"]:
        pass
    leaving.close()
    client.send_frames(client.frames(last, {"code": "last"}))
    assert client.reply(last)["content"]["status"] == "ok"
    hear(client, last)


# -- the end


@CHANNELS
@pytest.mark.parametrize("restart", [False, True])
def test_shutdown_is_answered_told_to_everybody_and_ends_the_process(
    own: EchoProcess, channel: str, restart: bool
) -> None:
    client, other = own.client().ready(), own.client().ready()
    request = client.send("shutdown_request", {"restart": restart}, channel=channel)
    content = {"status": "ok", "restart": restart}
    reply = client.reply(request, channel)
    assert reply["content"] == content
    assert reply["raw"][1] == json.dumps(request).encode()
    for one in (client, other):
        heard = hear(one, request)
        mine = [m for m in heard if m["parent_header"].get("msg_id") == request["msg_id"]]
        assert [m["msg_type"] for m in mine] == ["status", "shutdown_reply", "status"]
        assert mine[1]["content"] == content
    assert own.exit_status() == 0
    assert "echo says goodbye" in own.stderr


def test_all_output_of_the_cells_before_it_leaves_before_shutdown_ends_the_process(own: EchoProcess) -> None:
    client = own.client().ready()
    cell = client.execute("texts 20000")
    request = client.send("shutdown_request", {"restart": False})
    assert client.reply(cell)["content"]["status"] == "ok"
    assert client.reply(request)["content"]["status"] == "ok"
    assert text_of(hear(client, request)) == "".join(f"{n}\n" for n in range(20000))
    assert own.exit_status() == 0


def test_shutdown_ends_a_kernel_whose_cell_goes_on(own: EchoProcess) -> None:
    client = own.client().ready()
    waiting = client.execute("wait for-ever")
    while client.recv("iopub")["parent_header"].get("msg_id") != waiting["msg_id"]:
        pass
    request = client.send("shutdown_request", {"restart": False}, channel="control")
    assert client.reply(request, "control")["content"]["status"] == "ok"
    assert own.exit_status() == 0


def test_a_broken_wire_ends_the_process_and_says_why_on_the_stderr_it_was_started_with(own: EchoProcess) -> None:
    client = own.client().ready()
    client.send("break_the_wire")
    assert own.exit_status() == 70
    assert "the wire broke; the kernel ends" in own.stderr
    assert "RuntimeError: broken by a test" in own.stderr


@pytest.mark.parametrize("size", [50_000, 200_000])
def test_output_that_a_slow_subscriber_has_not_taken_leaves_whole_before_the_process_ends(size: int) -> None:
    with EchoProcess(env={"ECHO_PATIENT": "1"}) as kernel:
        check_that_all_leaves(kernel, size)


def check_that_all_leaves(own: EchoProcess, size: int) -> None:
    client, slow = own.client().ready(), own.client()
    connect_again(slow, "iopub", **NARROW)
    slow.ready()
    first = client.execute(f"buffers 1 {size}")  # pyzmq's threads for large messages start with the first one
    client.reply(first)
    hear(client, first)
    hear(slow, first)
    number = 6_000_000 // size
    cell = client.execute("buffers 1200 20000")  # fills what lies between the kernel and the one who does not read
    large = client.execute(f"buffers {number} {size}")
    request = client.send("shutdown_request", {"restart": False})
    own.eventually(lambda: "echo says goodbye" in own.stderr or None, "goodbye")
    assert client.reply(cell)["content"]["status"] == "ok"  # replies do not wait behind all that
    heard, heard_late = meanwhile(hear, client, request), meanwhile(hear, slow, request)
    for messages in (heard.result(), heard_late.result()):
        large_ones = [m for m in messages if m["parent_header"].get("msg_id") == large["msg_id"]]
        assert [m["buffers"] for m in large_ones if m["buffers"]] == [[buffer(n, size), b""] for n in range(number)]
    for one in (large, request):
        assert client.reply(one)["content"]["status"] == "ok"
    assert own.exit_status() == 0
