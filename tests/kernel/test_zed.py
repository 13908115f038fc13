"""What Zed needs: it reads every message into Rust types, and one field of another type loses the whole message.

The types are those of the crate jupyter-protocol, as far as design/compat.md and the protocol's text name them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from frontend import Frontend, Json, process_gone
from needs import need_module

OPTIONAL = type(None)
REQUIRED: dict[str, dict[str, type | tuple[type, ...]]] = {
    "kernel_info_reply": {
        "status": str, "protocol_version": str, "implementation": str, "implementation_version": str,
        "language_info": dict, "banner": str, "help_links": list,
    },
    "execute_reply": {"status": str, "execution_count": int},
    "execute_input": {"code": str, "execution_count": int},
    "execute_result": {"data": dict, "metadata": dict, "execution_count": int},
    "display_data": {"data": dict, "metadata": dict},
    "stream": {"name": str, "text": str},
    "error": {"ename": str, "evalue": str, "traceback": list},
    "status": {"execution_state": str},
    "input_request": {"prompt": str, "password": bool},
    "complete_reply": {
        "status": str, "matches": list, "cursor_start": int, "cursor_end": int, "metadata": dict,
    },
    "inspect_reply": {"status": str, "found": bool, "data": dict, "metadata": dict},
    "is_complete_reply": {"status": str},
    "interrupt_reply": {"status": str},
    "shutdown_reply": {"status": str, "restart": bool},
    "comm_open": {"comm_id": str, "target_name": str, "data": dict},
    "comm_msg": {"comm_id": str, "data": dict},
    "comm_info_reply": {"status": str, "comms": dict},
    "history_reply": {"status": str, "history": list},
    "iopub_welcome": {"subscription": str},
}  # fmt: skip
PAYLOADS: dict[str, dict[str, type]] = {
    "page": {"data": dict, "start": int},
    "set_next_input": {"text": str, "replace": bool},
    "edit_magic": {"filename": str, "line_number": int},
    "ask_exit": {"keepkernel": bool},
}


def conform(message: Json) -> None:
    """Check one message as Zed's decoder does."""
    content, msg_type = message["content"], message["header"]["msg_type"]
    assert msg_type in REQUIRED, f"a type that Zed does not know: {msg_type}"
    failed = msg_type.endswith("_reply") and content["status"] == "error"
    wanted = {"status": str, "ename": str, "evalue": str, "traceback": list} if failed else REQUIRED[msg_type]
    for key, kind in wanted.items():
        assert isinstance(content.get(key), kind), (msg_type, key, content.get(key))
        assert kind is not int or (not isinstance(content[key], bool) and content[key] >= 0), (msg_type, key)
    for name in ("msg_id", "session", "username", "msg_type", "version"):
        assert isinstance(message["header"][name], str), (name, message["header"])
    assert isinstance(message["header"]["date"], datetime)  # jupyter_client has decoded it
    assert isinstance(message["metadata"], dict)
    for payload in content.get("payload", []):
        for key, kind in PAYLOADS[payload["source"]].items():  # an unknown source loses the whole reply
            assert isinstance(payload[key], kind), payload
            assert kind is not int or payload[key] >= 0, payload
    if msg_type == "kernel_info_reply":
        language = content["language_info"]
        for key in ("name", "version", "mimetype", "file_extension", "pygments_lexer", "nbconvert_exporter"):
            assert isinstance(language[key], str), key
        assert isinstance(language["codemirror_mode"], str | dict)
        assert all(set(link) >= {"text", "url"} for link in content["help_links"])
        assert isinstance(content.get("debugger"), bool | OPTIONAL)
        assert isinstance(content.get("supported_features"), list)
    if msg_type == "stream":
        assert content["name"] in ("stdout", "stderr")
    if "traceback" in content:
        assert all(isinstance(line, str) for line in content["traceback"])


@pytest.fixture(scope="module")
def zed() -> Iterator[Frontend]:
    with Frontend() as kernel:
        yield kernel
        for _, message in kernel.arrived:
            conform(message)


def test_kernelspec_names_the_file_in_an_argument_of_its_own(zed: Frontend) -> None:
    spec = json.loads(json.dumps(zed.manager.kernel_spec.to_dict() if zed.manager.kernel_spec else {}))
    assert len(spec["argv"]) >= 2
    assert "{connection_file}" in spec["argv"]
    assert not [one for one in spec["argv"] if "{resource_dir}" in one]


@pytest.mark.parametrize(
    "code",
    [
        "1",
        "print('text')",
        "1 / 0",
        "len?",
        "len??",
        "%load_ext autoreload\n%recall 1",
        "get_ipython().set_next_input('next')",
        "import sys\nprint('to stderr', file=sys.stderr)",
        "display({'text/plain': 'x', 'application/json': {'a': [1]}}, raw=True)",
        "import matplotlib.pyplot as plt\nplt.plot([1])",
        "raise SystemExit(3)",
        "class Odd:\n    def __repr__(self): raise ValueError('no')\nOdd()",
    ],
)
def test_every_message_of_a_cell_is_of_the_types_zed_knows(zed: Frontend, code: str) -> None:
    if "matplotlib" in code:
        need_module("matplotlib")
    for message in (result := zed.execute(code)).iopub:
        conform(message)
    conform(result.reply)


@pytest.mark.better_than_ipykernel("its keepkernel is null")
def test_wish_to_exit_says_in_a_boolean_that_the_kernel_ends() -> None:
    with Frontend() as kernel:
        result = kernel.execute("exit")
        conform(result.reply)
        assert result.content["payload"] == [{"source": "ask_exit", "keepkernel": False}]
        kernel.ended = True


def test_wish_to_exit_says_in_a_boolean_that_the_kernel_stays(zed: Frontend) -> None:
    result = zed.execute("exit(True)")
    conform(result.reply)
    assert result.content["payload"] == [{"source": "ask_exit", "keepkernel": True}]


def test_edit_names_a_line_that_is_not_negative(zed: Frontend) -> None:
    zed.execute("def edited(): return 1")
    result = zed.execute("%edit edited")
    conform(result.reply)
    assert [one["source"] for one in result.content["payload"]] == ["edit_magic"], result.content


@pytest.mark.parametrize(
    ("msg_type", "content"),
    [
        ("complete_request", {"code": "pri", "cursor_pos": 3}),
        ("inspect_request", {"code": "print", "cursor_pos": 5, "detail_level": 0}),
        ("inspect_request", {"code": "nothing_of_this_name", "cursor_pos": 5, "detail_level": None}),
        ("is_complete_request", {"code": "for x in y:"}),
        ("comm_info_request", {"target_name": None}),
        ("history_request", {"output": False, "raw": True, "hist_access_type": "tail", "n": 3}),
        ("kernel_info_request", {}),
    ],
)
def test_questions_are_answered_in_the_types_zed_knows(zed: Frontend, msg_type: str, content: dict[str, Any]) -> None:
    result = zed.request(msg_type, content)
    conform(result.reply)
    assert result.content["status"] == ("incomplete" if msg_type == "is_complete_request" else "ok")


def test_input_request_says_whether_it_is_a_password(zed: Frontend) -> None:
    cell = zed.send_execute("import getpass\ninput('a'), getpass.getpass('b')")
    for password in (False, True):
        question = zed.input("x")
        conform(question)
        assert question["content"]["password"] is password
    conform(zed.result(cell).reply)


def test_interrupt_comes_as_a_message_whatever_the_kernelspec_says(zed: Frontend) -> None:
    """On Linux our kernelspec says `signal`; Zed sends interrupt_request all the same."""
    cell = zed.send_execute("print('running')\nwhile True: pass")
    zed.see_text("running", cell)
    answered = zed.request("interrupt_request", channel="control")
    conform(answered.reply)
    assert answered.content == {"status": "ok"}
    interrupted = zed.result(cell)
    conform(interrupted.reply)
    assert interrupted.content["ename"] == "KeyboardInterrupt"


def test_shutdown_is_answered_on_control_and_the_process_ends() -> None:
    with Frontend() as kernel:
        reply = kernel.reply(kernel.send("shutdown_request", {"restart": False}, channel="control"), "control")
        conform(reply)
        assert reply["content"] == {"status": "ok", "restart": False}
        kernel.ended = True
        assert process_gone(kernel.pid)
