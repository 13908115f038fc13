"""Comms in both directions: open, msg, close, binary buffers, and the status around every message."""

from __future__ import annotations

import uuid

import pytest

from frontend import Frontend, Json

REGISTER = """
from comm import create_comm, get_comm_manager
log = []
def opened(comm, msg):
    global live
    live = comm
    log.append(("open", msg["content"]["data"], [bytes(b) for b in msg["buffers"]]))
    @comm.on_msg
    def received(msg):
        data = msg["content"]["data"]
        log.append(("msg", data, [type(b).__name__ for b in msg["buffers"]]))
        if data.get("print"):
            print(data["print"])
        if data.get("fail"):
            raise RuntimeError("in a callback")
        comm.send({"echo": data}, metadata={"m": 1}, buffers=msg["buffers"])
    @comm.on_close
    def closed(msg):
        log.append(("close", msg["content"]["data"]))
get_comm_manager().register_target("echo", opened)
"""


@pytest.fixture
def comms(kernel: Frontend) -> Frontend:
    """A kernel with the target `echo`."""
    kernel.execute(REGISTER)
    return kernel


def say(kernel: Frontend, msg_type: str, content: Json, buffers: tuple[bytes, ...] = ()) -> list[Json]:
    """Send a comm message (nobody replies to those) and return iopub up to its idle."""
    return kernel.until_idle(kernel.send(msg_type, {"data": {}, **content}, buffers=buffers))


def open_echo(kernel: Frontend, data: Json | None = None, buffers: tuple[bytes, ...] = ()) -> str:
    comm_id = uuid.uuid4().hex
    messages = say(kernel, "comm_open", {"comm_id": comm_id, "target_name": "echo", "data": data or {}}, buffers)
    assert types(messages) == ["busy", "idle"]
    return comm_id


def types(messages: list[Json]) -> list[str]:
    return [m["content"].get("execution_state") or m["msg_type"] for m in messages]


def seen(kernel: Frontend) -> str:
    """Return the kernel's log of comm events and empty it."""
    result = kernel.execute("_log, log[:] = list(log), []\n_log").result
    assert result is not None
    return str(result["text/plain"])


# -- from the kernel


def test_a_comm_made_in_a_cell_opens_talks_and_closes(kernel: Frontend) -> None:
    code = """
from comm import create_comm
buffers = [b"abc", bytearray(b"de"), memoryview(b"f")]
comm = create_comm(target_name="front", data={"a": 1}, metadata={"m": 2}, buffers=buffers)
comm.send(data={"b": 2}, metadata={"n": 3}, buffers=[b"xyz"])
comm.close(data={"c": 3})
comm.comm_id
"""
    result = kernel.execute(code)
    assert result.types[2:5] == ["comm_open", "comm_msg", "comm_close"]
    opening, message, closing = result.iopub[2:5]
    comm_id = result.result["text/plain"].strip("'")
    assert opening["content"]["target_name"] == "front"
    assert opening["content"]["data"] == {"a": 1}
    assert opening["metadata"] == {"m": 2}
    assert [bytes(b) for b in opening["buffers"]] == [b"abc", b"de", b"f"]
    assert message["content"] == {"comm_id": comm_id, "data": {"b": 2}}
    assert message["metadata"] == {"n": 3}
    assert [bytes(b) for b in message["buffers"]] == [b"xyz"]
    assert closing["content"]["data"] == {"c": 3}
    assert {m["content"]["comm_id"] for m in (opening, message, closing)} == {comm_id}
    assert all(comm_id.encode() in m["idents"][0] for m in (opening, message, closing))


@pytest.mark.better_than_ipykernel("its streams come after the comm messages")
def test_comm_messages_of_a_cell_have_the_cell_as_parent_and_their_place(kernel: Frontend) -> None:
    kernel.execute("from comm import create_comm\nordered = create_comm(target_name='t')")
    result = kernel.execute("print('a')\nordered.send({'n': 1})\nprint('b')\nordered.send({'n': 2})")
    assert result.types == ["busy", "execute_input", "stream", "comm_msg", "stream", "comm_msg", "idle"]


def test_comm_data_changed_after_send_arrives_as_it_was(kernel: Frontend) -> None:
    code = "from comm import create_comm\nc = create_comm(target_name='t')\nd = {'a': [1]}\nc.send(d)\nd['a'].append(2)"
    assert kernel.execute(code).of_type("comm_msg")[0]["data"] == {"a": [1]}


def test_large_buffers_arrive_whole(kernel: Frontend) -> None:
    code = """
from comm import create_comm
import hashlib, numpy
c = create_comm(target_name="t")
big = numpy.arange(4_000_000, dtype="uint8")
c.send({}, buffers=[big, memoryview(big)[::1], b""])
hashlib.sha256(big.tobytes()).hexdigest()
"""
    import hashlib

    result = kernel.execute(code)
    (message,) = [m for m in result.iopub if m["msg_type"] == "comm_msg"]
    first, second, empty = (bytes(b) for b in message["buffers"])
    assert repr(hashlib.sha256(first).hexdigest()) == result.result["text/plain"]
    assert first == second
    assert empty == b""


def test_data_that_json_cannot_say_is_an_error_in_the_users_cell(kernel: Frontend) -> None:
    result = kernel.execute("from comm import create_comm\nc = create_comm(target_name='t')\nc.send({'a': object()})")
    assert result.ename in ("TypeError", "ValueError")
    assert kernel.execute("1").status == "ok"


# -- from the frontend


def test_open_msg_and_close_reach_the_target(comms: Frontend) -> None:
    comm_id = open_echo(comms, {"hello": 1}, (b"first", b"second"))
    assert seen(comms) == "[('open', {'hello': 1}, [b'first', b'second'])]"
    messages = say(comms, "comm_msg", {"comm_id": comm_id, "data": {"n": 1}})
    assert types(messages) == ["busy", "comm_msg", "idle"]
    assert messages[1]["content"] == {"comm_id": comm_id, "data": {"echo": {"n": 1}}}
    assert messages[1]["metadata"] == {"m": 1}
    assert messages[1]["parent_header"]["msg_type"] == "comm_msg"
    assert types(say(comms, "comm_close", {"comm_id": comm_id, "data": {"bye": 1}})) == ["busy", "idle"]
    assert seen(comms) == "[('msg', {'n': 1}, []), ('close', {'bye': 1})]"
    assert comm_id not in comms.request("comm_info_request").content["comms"]


def test_buffers_are_memoryviews_and_come_back_unchanged(comms: Frontend) -> None:
    comm_id = open_echo(comms)
    buffers = (b"", b"\x00\xff" * 3, bytes(range(256)) * 20_000)
    messages = say(comms, "comm_msg", {"comm_id": comm_id}, buffers)
    assert [bytes(b) for b in messages[1]["buffers"]] == list(buffers)
    assert "'memoryview', 'memoryview', 'memoryview'" in seen(comms)


@pytest.mark.better_than_ipykernel("its streams come after the comm messages")
def test_prints_in_a_callback_belong_to_the_comm_message(comms: Frontend) -> None:
    comm_id = open_echo(comms)
    messages = say(comms, "comm_msg", {"comm_id": comm_id, "data": {"print": "from the callback"}})
    assert types(messages) == ["busy", "stream", "comm_msg", "idle"]
    assert messages[1]["content"] == {"name": "stdout", "text": "from the callback\n"}


def test_an_unknown_target_is_closed_again(comms: Frontend) -> None:
    messages = say(comms, "comm_open", {"comm_id": "nobody", "target_name": "no such target"})
    assert "comm_close" in types(messages)
    (closing,) = [m["content"] for m in messages if m["msg_type"] == "comm_close"]
    assert closing["comm_id"] == "nobody"
    assert types(messages)[0] == "busy"
    assert types(messages)[-1] == "idle"
    assert "nobody" not in comms.request("comm_info_request").content["comms"]


def test_a_target_that_fails_to_open_is_closed_again(comms: Frontend) -> None:
    comms.execute("def bad(comm, msg): raise RuntimeError('no')\nget_comm_manager().register_target('bad', bad)")
    messages = say(comms, "comm_open", {"comm_id": "failing", "target_name": "bad"})
    assert [m["content"]["comm_id"] for m in messages if m["msg_type"] == "comm_close"] == ["failing"]
    assert comms.execute("1").status == "ok"


@pytest.mark.better_than_ipykernel("logs into the user's output")
@pytest.mark.parametrize("msg_type", ["comm_msg", "comm_close"])
def test_messages_for_an_unknown_comm_are_ignored(comms: Frontend, msg_type: str) -> None:
    assert types(say(comms, msg_type, {"comm_id": "never opened"})) == ["busy", "idle"]
    assert comms.execute("1").status == "ok"


def test_a_failing_callback_is_told_and_harms_nobody(comms: Frontend) -> None:
    comm_id = open_echo(comms)
    messages = say(comms, "comm_msg", {"comm_id": comm_id, "data": {"fail": True}})
    assert types(messages)[0] == "busy"
    assert types(messages)[-1] == "idle"
    told = [m["content"] for m in messages if m["msg_type"] in ("stream", "error")]
    assert "RuntimeError: in a callback" in str(told)
    assert types(say(comms, "comm_msg", {"comm_id": comm_id})) == ["busy", "comm_msg", "idle"]
    assert comms.execute("1").status == "ok"


def test_a_target_may_be_a_module_function(kernel: Frontend) -> None:
    kernel.execute(
        "open('comm_target_module.py', 'w').write('def opened(comm, msg): comm.send({\"from\": \"module\"})')"
    )
    kernel.execute(
        "import sys; sys.path.insert(0, '.')\nimport comm_target_module\nfrom comm import get_comm_manager\n"
        "get_comm_manager().register_target('module', 'comm_target_module.opened')"
    )
    messages = say(kernel, "comm_open", {"comm_id": "m1", "target_name": "module"})
    assert types(messages) == ["busy", "comm_msg", "idle"]


def test_comm_messages_run_between_cells_in_their_order(comms: Frontend) -> None:
    comm_id = open_echo(comms)
    seen(comms)
    running = comms.send_execute("print('on')\ninput()")
    comms.see(lambda m: m["msg_type"] == "input_request", "stdin")
    waiting = [comms.send("comm_msg", {"comm_id": comm_id, "data": {"n": n}}) for n in range(5)]
    comms.input("go on")
    comms.result(running)
    for msg_id in waiting:
        comms.until_idle(msg_id)
    assert [f"'n': {n}" in part for n, part in enumerate(seen(comms).split("('msg'")[1:])] == [True] * 5


def test_a_comm_message_reaches_a_cell_that_awaits_it(comms: Frontend) -> None:
    comm_id = open_echo(comms)
    code = """
import asyncio
arrived = asyncio.get_running_loop().create_future()
live.on_msg(lambda msg: arrived.set_result(msg["content"]["data"]))
print("waiting")
await arrived
"""
    running = comms.send_execute(code)
    comms.see_text("waiting", running)
    message = comms.send("comm_msg", {"comm_id": comm_id, "data": {"clicked": True}})
    result = comms.result(running)
    assert result.result == {"text/plain": "{'clicked': True}"}
    comms.request("kernel_info_request")
    for left in comms.leftovers().get("iopub", []):  # whether such a message has a status pair is left open
        assert left["parent_header"]["msg_id"] == message
        assert left["msg_type"] == "status"


def test_the_kernels_comm_manager_is_the_one_of_the_comm_package(kernel: Frontend) -> None:
    code = "import comm\ncomm.get_comm_manager() is get_ipython().kernel.comm_manager"
    assert kernel.execute(code).result == {"text/plain": "True"}


def test_a_widget_lives_on_comms(kernel: Frontend) -> None:
    code = """
from ipywidgets import IntSlider
slider = IntSlider(value=3)
slider.observe(lambda change: print("moved to", change["new"]), "value")
slider
"""
    result = kernel.execute(code)
    opened = result.of_type("comm_open")
    assert {content["target_name"] for content in opened} == {"jupyter.widget"}
    model_id = result.result["application/vnd.jupyter.widget-view+json"]["model_id"]
    assert model_id in [content["comm_id"] for content in opened]
    update = {"comm_id": model_id, "data": {"method": "update", "state": {"value": 7}, "buffer_paths": []}}
    messages = say(kernel, "comm_msg", update)
    assert "".join(m["content"]["text"] for m in messages if m["msg_type"] == "stream") == "moved to 7\n"
    assert kernel.execute("slider.value").result == {"text/plain": "7"}
    state = say(kernel, "comm_msg", {"comm_id": model_id, "data": {"method": "request_state"}})
    assert [m["content"]["data"]["state"]["value"] for m in state if m["msg_type"] == "comm_msg"] == [7]
