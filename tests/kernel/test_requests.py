"""The requests beside execute: that each is answered, and kernel_info, comm_info, connect and usage in full."""

from __future__ import annotations

import json
import os
import re

import pytest

from frontend import KERNEL_NAME, Frontend, Json

Request = tuple[str, Json]
READ_ONLY: list[Request] = [
    ("kernel_info_request", {}),
    ("complete_request", {"code": "zi", "cursor_pos": 2}),
    ("inspect_request", {"code": "zip", "cursor_pos": 3, "detail_level": 0}),
    ("is_complete_request", {"code": "1"}),
    ("history_request", {"hist_access_type": "tail", "n": 1, "output": False, "raw": True}),
    ("comm_info_request", {}),
    ("connect_request", {}),
]


# -- any request


@pytest.mark.parametrize("channel", ["shell", "control"])
@pytest.mark.parametrize(("msg_type", "content"), READ_ONLY, ids=[name for name, _ in READ_ONLY])
def test_every_request_is_answered_between_busy_and_idle(
    kernel: Frontend, msg_type: str, content: Json, channel: str
) -> None:
    result = kernel.request(msg_type, content, channel)
    assert result.reply["msg_type"] == msg_type.replace("request", "reply")
    assert result.types == ["busy", "idle"]
    assert result.reply["parent_header"]["msg_id"] == result.request["msg_id"]
    for message in result.iopub:
        assert message["parent_header"]["msg_id"] == result.request["msg_id"]
        assert message["parent_header"]["msg_type"] == msg_type


def test_requests_do_not_move_the_counter(kernel: Frontend) -> None:
    before = kernel.execute("1").content["execution_count"]
    for msg_type, content in READ_ONLY:
        kernel.request(msg_type, content)
    assert kernel.execute("1").content["execution_count"] == before + 1


# -- kernel_info


def test_kernel_info_tells_the_language_and_the_features(kernel: Frontend) -> None:
    info = kernel.request("kernel_info_request").content
    assert info["status"] == "ok"
    assert re.fullmatch(r"5\.\d+", info["protocol_version"])
    language = info["language_info"]
    assert language["name"] == "python"
    version = kernel.execute("import sys; '.'.join(map(str, sys.version_info[:3]))").result
    assert version == {"text/plain": repr(language["version"])}
    assert language["mimetype"] == "text/x-python"
    assert language["file_extension"] == ".py"
    assert language["codemirror_mode"] == {"name": "ipython", "version": 3}
    assert language["pygments_lexer"] == "ipython3"
    assert language["nbconvert_exporter"] == "python"
    assert "Python" in info["banner"]
    assert all(set(link) == {"text", "url"} for link in info["help_links"])
    assert isinstance(info["supported_features"], list)
    assert info["implementation"]
    assert info["implementation_version"]


@pytest.mark.skipif(not KERNEL_NAME.startswith("kernelet"), reason="only kernelet is called kernelet")
def test_kernel_info_is_honest_about_who_we_are(kernel: Frontend) -> None:
    info = kernel.request("kernel_info_request").content
    assert info["implementation"] == "kernelet"
    assert info.get("debugger", False) == ("debugger" in info["supported_features"])


@pytest.mark.better_than_ipykernel("says 5.3, 5.4 and 5.5 in three places")
def test_one_protocol_version_is_told_everywhere(kernel: Frontend) -> None:
    result = kernel.request("kernel_info_request")
    spec = kernel.manager.kernel_spec
    assert spec is not None
    with open(os.path.join(spec.resource_dir, "kernel.json")) as file:
        in_spec = json.load(file)["kernel_protocol_version"]
    headers = {message["header"]["version"] for message in [result.reply, *result.iopub, *kernel.greetings]}
    assert {result.content["protocol_version"], in_spec} | headers == {in_spec}


def test_kernel_info_is_the_same_on_control(kernel: Frontend) -> None:
    on_shell = kernel.request("kernel_info_request", channel="shell").content
    on_control = kernel.request("kernel_info_request", channel="control").content
    assert {**on_control, "banner": ""} == {**on_shell, "banner": ""}  # the banner may have a new tip each time


@pytest.mark.parametrize("code", ["import time; time.sleep(1000)", "while True: pass", "input()"])
def test_control_answers_kernel_info_while_a_cell_runs(kernel: Frontend, code: str) -> None:
    running = kernel.send_execute(f"print('on', flush=True)\n{code}")
    kernel.see_text("on", running)
    if code == "input()":
        kernel.see(lambda m: m["msg_type"] == "input_request", "stdin")
    for _ in range(3):
        result = kernel.request("kernel_info_request", channel="control")
        assert result.content["language_info"]["name"] == "python"
        assert result.types == ["busy", "idle"]
    kernel.interrupt()
    stopped = kernel.result(running)
    assert stopped.ename == "KeyboardInterrupt"
    if code == "input()":
        kernel.take("stdin", lambda m: m["msg_type"] == "input_request")


def test_output_after_a_control_request_keeps_its_cell(kernel: Frontend) -> None:
    running = kernel.send_execute("input()\nprint('after control')\n'result'")
    kernel.see(lambda m: m["msg_type"] == "input_request", "stdin")
    kernel.request("kernel_info_request", channel="control")
    kernel.input("go")
    result = kernel.result(running)
    assert result.stdout == "after control\n"
    assert result.result == {"text/plain": "'result'"}


# -- comm_info, connect, usage


def test_comm_info_lists_comms_by_target(kernel: Frontend) -> None:
    code = (
        "from comm import create_comm\nfirst, second = create_comm(target_name='one'), create_comm(target_name='two')"
    )
    kernel.execute(code)
    ids = [kernel.execute(f"print({name}.comm_id)").stdout.strip() for name in ("first", "second")]
    everything = kernel.request("comm_info_request").content
    assert everything["status"] == "ok"
    assert everything["comms"] == {ids[0]: {"target_name": "one"}, ids[1]: {"target_name": "two"}}
    only = kernel.request("comm_info_request", {"target_name": "one"}).content
    assert only["comms"] == {ids[0]: {"target_name": "one"}}
    assert kernel.request("comm_info_request", {"target_name": "none"}).content["comms"] == {}
    kernel.execute("first.close(); second.close()")
    assert kernel.request("comm_info_request").content["comms"] == {}


def test_connect_tells_the_ports_of_the_connection_file(kernel: Frontend) -> None:
    reply = kernel.request("connect_request").content
    info = kernel.manager.get_connection_info()
    for name in ("shell_port", "iopub_port", "stdin_port", "control_port", "hb_port"):
        assert reply[name] == info[name]
    assert reply["status"] == "ok"


def test_usage_tells_what_the_process_uses(kernel: Frontend) -> None:
    first = kernel.request("usage_request", channel="control").content
    usage = kernel.request("usage_request", channel="control").content
    assert usage["pid"] == kernel.pid == first["pid"]
    assert usage["hostname"]
    assert usage["cpu_count"] >= 1
    assert usage["kernel_memory"] > 1_000_000
    assert usage["kernel_cpu"] >= 0
    assert usage.get("host_cpu_percent", 0) >= 0
    assert usage["host_virtual_memory"]["total"] > usage["kernel_memory"]
    assert usage["host_virtual_memory"]["available"] > 0


@pytest.mark.better_than_ipykernel("the reply has no status")
def test_usage_reply_has_a_status(kernel: Frontend) -> None:
    assert kernel.request("usage_request", channel="control").status == "ok"
