"""Sending through `kernel.session` and the kernel's sockets, and `kernel.io_loop` (rows 10 and 14)."""

from __future__ import annotations

import pytest

from cells import value
from frontend import Frontend

NAMES = "import sys\nshell = get_ipython()\nkernel = shell.kernel\nsession = kernel.session\n"
STREAMS = {
    "iopub_socket": "kernel.iopub_socket",
    "iopub_thread": "kernel.iopub_thread",
    "thread's socket": "kernel.iopub_thread.socket",
    "background_socket": "kernel.iopub_thread.background_socket",
    "pub_socket": "shell.display_pub.pub_socket",
    "pub_thread": "sys.stdout.pub_thread",
}


@pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS)
def test_message_sent_by_the_session_is_published(kernel: Frontend, stream: str) -> None:
    result = kernel.execute(
        NAMES + "print('before')\n"
        f"sent = session.send({stream}, 'display_data', {{'data': {{'text/plain': 'x'}}, 'metadata': {{}}}},\n"
        "    parent=kernel.get_parent(), ident=b'display_data', metadata={'m': 1}, buffers=[b'buffer'])\n"
        "print('after', sent['msg_type'], sent['header']['session'] == session.session, sent['tracker'].done)"
    )
    assert result.types == ["busy", "execute_input", "stream", "display_data", "stream", "idle"]
    [message] = [m for m in result.iopub if m["msg_type"] == "display_data"]
    assert message["content"]["data"] == {"text/plain": "x"}
    assert message["metadata"] == {"m": 1}
    assert bytes(message["buffers"][0]) == b"buffer"
    assert result.stdout == "before\nafter display_data True True\n"


def test_send_response_belongs_to_the_cell(kernel: Frontend) -> None:
    result = kernel.execute(
        NAMES + "kernel.send_response(kernel.iopub_socket, 'stream', {'name': 'stdout', 'text': 'hi'});"
    )
    assert result.stdout == "hi"


@pytest.mark.parametrize("library", ["session", "other"])
def test_sessions_are_those_of_jupyter_client(kernel: Frontend, library: str) -> None:
    """What one packs the other unpacks, signatures included."""
    code = (
        NAMES
        + """
from jupyter_client.session import Session
other = Session(key=session.key, signature_scheme=session.signature_scheme)
here, there = (session, other) if LIBRARY == "session" else (other, session)
message = here.msg("stream", {"name": "stdout", "text": "é"}, parent=kernel.get_parent(), metadata={"a": 1})
idents, frames = there.feed_identities(here.serialize(message, [b"one", b"two"]))
back = there.deserialize(frames)
(idents, back["content"], back["metadata"], back["msg_type"], back["parent_header"]["msg_id"] ==
    kernel.get_parent()["header"]["msg_id"], back["header"]["msg_id"] == message["msg_id"])
"""
    )
    expected = "([b'one', b'two'], {'name': 'stdout', 'text': 'é'}, {'a': 1}, 'stream', True, True)"
    assert " ".join(value(kernel, code.replace("LIBRARY", repr(library))).split()) == expected


def test_jupyter_clients_session_sends_on_our_sockets(kernel: Frontend) -> None:
    result = kernel.execute(
        NAMES + "from jupyter_client.session import Session\n"
        "other = Session(key=session.key, session=session.session)\n"
        "other.send(kernel.iopub_socket, 'stream', {'name': 'stdout', 'text': 'x'}, parent=kernel.get_parent());"
    )
    assert result.stdout == "x"


def test_session_refuses_what_is_not_signed_by_us(kernel: Frontend) -> None:
    code = (
        NAMES
        + """
frames = session.serialize(session.msg("x"))[2:]
session.deserialize([b"wrong", *frames])
"""
    )
    assert kernel.execute(code).ename == "ValueError"
    assert kernel.execute("session.send(None, 'x', buffers=[1])").ename == "TypeError"
    assert kernel.execute("session.send(None, 'x', {'a': object()})").ename == "TypeError"


def test_session_reads_a_socket(kernel: Frontend) -> None:
    code = (
        NAMES
        + """
import zmq
a, b = zmq.Context.instance().socket(zmq.PAIR), zmq.Context.instance().socket(zmq.PAIR)
a.bind("inproc://a"); b.connect("inproc://a")
nothing = session.recv(b)
session.send(a, "hello", {"x": 1}, ident=b"me")
b.poll(10000)
idents, message = session.recv(b)
a.close(); b.close()
nothing, idents, message["msg_type"], message["content"]
"""
    )
    assert value(kernel, code) == "((None, None), [b'me'], 'hello', {'x': 1})"


def test_many_threads_send_at_once(kernel: Frontend) -> None:
    result = kernel.execute(
        NAMES + "from concurrent.futures import ThreadPoolExecutor\nparent = kernel.get_parent()\n"
        "def send(n):\n"
        "    session.send(kernel.iopub_socket, 'display_data', {'data': {'n': n}, 'metadata': {}}, parent=parent)\n"
        "with ThreadPoolExecutor(8) as pool:\n    list(pool.map(send, range(400)))"
    )
    assert sorted(content["data"]["n"] for content in result.displays) == list(range(400))


def test_schedule_calls_in_the_publishing_thread(fresh_kernel: Frontend) -> None:
    code = (
        NAMES
        + """
import threading
called = threading.Event(); where = []
kernel.iopub_thread.schedule(lambda: (where.append(threading.current_thread()), called.set()))
called.wait(30), where[0] is kernel.iopub_thread.thread, where[0] is not threading.current_thread()
"""
    )
    assert value(fresh_kernel, code) == "(True, True, True)"
    fresh_kernel.execute("kernel.iopub_thread.schedule(lambda: 1 / 0)")
    assert value(fresh_kernel, "'alive'") == "'alive'"
    assert "ZeroDivisionError" in fresh_kernel.log


def test_execute_interactive_in_a_kernel_shows_the_other_kernels_output(kernel: Frontend) -> None:
    """jupyter_client looks for session, pub_socket and parent_header of display_pub."""
    code = """
    from jupyter_client.manager import start_new_kernel
    manager, client = start_new_kernel(kernel_name="kernelet")
    client.execute_interactive("print('from afar')", timeout=30)
    client.stop_channels(); manager.shutdown_kernel(now=True)
    """
    from textwrap import dedent

    result = kernel.execute(dedent(code))
    assert "from afar\n" in result.stdout


# -- io_loop


def test_callback_from_a_thread_runs_on_the_loop(kernel: Frontend) -> None:
    code = (
        NAMES
        + """
import asyncio, threading
done = asyncio.Event(); seen = []
def callback(a, b):
    seen.append((a, b, threading.current_thread() is threading.main_thread()))
    done.set()
thread = threading.Thread(target=lambda: kernel.io_loop.add_callback(callback, 1, b=2)); thread.start()
await done.wait()
seen, kernel.io_loop.asyncio_loop is asyncio.get_running_loop()
"""
    )
    assert value(kernel, code) == "([(1, 2, True)], True)"


def test_timeouts_and_coroutines_on_the_loop(kernel: Frontend) -> None:
    code = (
        NAMES
        + """
import asyncio, datetime
loop, seen, done = kernel.io_loop, [], asyncio.Event()
async def coroutine(): seen.append("coroutine")
gone = loop.call_later(0.001, seen.append, "never"); loop.remove_timeout(gone)
loop.spawn_callback(coroutine)
loop.call_later(0.01, seen.append, "later")
loop.call_at(loop.time() + 0.03, seen.append, "at")
loop.add_timeout(loop.time() + 0.06, seen.append, "timeout")
loop.add_timeout(datetime.timedelta(seconds=0.1), done.set)
await done.wait()
seen
"""
    )
    assert value(kernel, code) == "['coroutine', 'later', 'at', 'timeout']"


def test_stopping_the_loop_ends_the_kernel(fresh_kernel: Frontend) -> None:
    fresh_kernel.send_execute("get_ipython().kernel.io_loop.stop()")
    assert fresh_kernel.exit_status() == 0


def test_error_of_a_callback_is_shown(fresh_kernel: Frontend) -> None:
    cell = fresh_kernel.send_execute("get_ipython().kernel.io_loop.add_callback(lambda: 1 / 0)")
    fresh_kernel.result(cell)
    error = fresh_kernel.take("iopub", lambda m: m["msg_type"] == "stream")
    assert "ZeroDivisionError" in error["content"]["text"]
    assert error["parent_header"]["msg_id"] == cell
