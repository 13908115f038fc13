"""What a client missed: asked for on control, sent to it alone, once more."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from frontend import Frontend, Json, RawClient, RawKernel

pytestmark = pytest.mark.better_than_ipykernel("what was missed is lost")


def ask(client: RawClient, **content: object) -> tuple[list[Json], Json]:
    """Ask for a replay; return the messages that came before the reply, and the reply."""
    request = client.send("replay_request", dict(content), channel="control")
    messages = []
    while True:
        message = client.recv("control")
        if message["msg_type"] == "replay_reply":
            assert message["parent_header"]["msg_id"] == request["msg_id"]
            client.until_idle(request)
            return messages, message["content"]
        messages.append(message)


def run(client: RawClient, code: str) -> tuple[Json, list[Json]]:
    request = client.execute(code)
    client.reply(request)
    return request, client.until_idle(request)


def test_the_feature_is_advertised(client: RawClient) -> None:
    assert "iopub replay" in client.kernel_info()["content"]["supported_features"]


def test_a_client_that_comes_late_gets_the_output_of_a_cell(raw: RawKernel, client: RawClient) -> None:
    request, heard = run(client, "print('text')\ndisplay({'text/html': '<b>'}, raw=True)\n'value'")
    late = raw.client().ready()
    messages, content = ask(late, msg_ids=[request["msg_id"]])
    kept = [message for message in heard if message["msg_type"] not in ("status", "execute_input")]
    types = [message["msg_type"] for message in messages]
    assert list(dict.fromkeys(types)) == ["stream", "display_data", "execute_result"]
    for first, again in zip(kept, messages, strict=True):
        for part in ("header", "parent_header", "content", "buffers"):
            assert again[part] == first[part]
        assert again["raw"][1] == first["raw"][1]
        assert list(again["metadata"]) == ["replay"]
    told = {"messages": len(kept), "complete": True, "running": False}
    assert content == {"status": "ok", "requests": {request["msg_id"]: told}, "after_found": True}
    late.close()


def test_only_who_asks_gets_it(raw: RawKernel, client: RawClient) -> None:
    request, _ = run(client, "print('once')")
    other = raw.client().ready()
    ask(other, msg_ids=[request["msg_id"]])
    other.close()
    client.kernel_info()
    while client.sockets["iopub"].poll(0):
        assert client.recv("iopub")["msg_type"] in ("status", "iopub_welcome")


def test_a_cell_that_runs_is_told_as_running_and_goes_on(raw: RawKernel, client: RawClient) -> None:
    request = client.execute("print('before')\ninput()\nprint('after')", allow_stdin=True)
    client.recv("stdin")
    late = raw.client().ready()
    messages, content = ask(late, msg_ids=[request["msg_id"]])
    assert [message["content"]["text"] for message in messages] == ["before\n"]
    assert content["requests"][request["msg_id"]]["running"] is True
    client.send("input_reply", {"value": ""}, channel="stdin")
    client.reply(request)
    texts = [m["content"]["text"] for m in late.until_idle(request) if m["msg_type"] == "stream"]
    assert texts == ["after\n"]
    late.close()
    client.until_idle(request)


def test_all_that_came_after_the_last_message_that_was_seen(client: RawClient) -> None:
    _, heard = run(client, "print('seen')")
    [last] = [message["header"]["msg_id"] for message in heard if message["msg_type"] == "stream"]
    run(client, "print('missed 1')")
    run(client, "print('missed 2')")
    messages, content = ask(client, after=last)
    assert [message["content"]["text"] for message in messages] == ["missed 1\n", "missed 2\n"]
    assert content["after_found"] is True
    _, content = ask(client, after="never said")
    assert content["after_found"] is False


def test_a_second_replay_is_as_good_as_the_first(client: RawClient) -> None:
    """Clients refuse a signature that they have seen."""
    request, _ = run(client, "print('text')")
    signatures = {ask(client, msg_ids=[request["msg_id"]])[0][0]["metadata"]["replay"] for _ in range(3)}
    assert len(signatures) == 3


@pytest.mark.parametrize("content", [{"msg_ids": "x"}, {"msg_ids": [1]}, {"after": 7}])
def test_a_request_that_is_not_understood_is_an_error(client: RawClient, content: Json) -> None:
    messages, reply = ask(client, **content)
    assert messages == []
    assert (reply["status"], reply["ename"]) == ("error", "InvalidField")


def test_stock_clients_can_read_a_replay(kernel: Frontend) -> None:
    result = kernel.execute("print('text')\n'value'")
    for _ in range(2):
        request = kernel.send("replay_request", {"msg_ids": [result.request["msg_id"]]}, channel="control")
        for msg_type in ("stream", "execute_result"):
            again = kernel.take("control", lambda m, t=msg_type: m["msg_type"] == t)
            assert again["parent_header"]["msg_id"] == result.request["msg_id"]
        assert kernel.result(request, channel="control").status == "ok"


def test_binary_buffers_come_again(client: RawClient) -> None:
    code = "from comm import create_comm\nc = create_comm(target_name='t', buffers=[b'\\x00\\x01', memoryview(b'two')])"
    request, _ = run(client, code)
    [message], _ = ask(client, msg_ids=[request["msg_id"]])
    assert message["msg_type"] == "comm_open"
    assert message["buffers"] == [b"\x00\x01", b"two"]


def test_how_much_is_kept_can_be_chosen(start_kernel: Callable[..., Frontend]) -> None:
    kernel = start_kernel(extra_arguments=["--IPKernelApp.replay_bytes=0"])
    kernel.execute("print('text')")
    result = kernel.request("replay_request", channel="control")
    assert result.content["requests"] == {}


def test_cells_without_output_take_no_memory(kernel: Frontend) -> None:
    size = "print(get_ipython().host.wire.recent.size_bytes)"
    kernel.execute("pass")
    before = int(kernel.execute(size).stdout)
    for _ in range(20):
        kernel.execute("pass")
    after = int(kernel.execute(size).stdout)
    assert after - before < 2000  # what the first print itself was
