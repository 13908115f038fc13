"""jupyter_client's own interface: managers and clients, blocking and asynchronous, one kernel or several."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import AsyncKernelManager, KernelManager, start_new_async_kernel, start_new_kernel
from jupyter_client.multikernelmanager import MultiKernelManager

from sandbox import DEADLINE_S, process_gone

Json = dict[str, Any]


@pytest.fixture
def started(kernel_name: str) -> Iterator[tuple[KernelManager, BlockingKernelClient]]:
    manager, client = start_new_kernel(kernel_name=kernel_name)
    yield manager, client
    client.stop_channels()
    if manager.has_kernel:
        manager.shutdown_kernel(now=True)


def iopub(client: BlockingKernelClient, where: Callable[[Json], bool]) -> Json:
    """Wait for an iopub message of a kind."""
    while True:
        message: Json = client.get_iopub_msg(timeout=DEADLINE_S)
        if where(message):
            return message


def printed(client: BlockingKernelClient, code: str) -> str:
    """Run `code` to its end; what it printed."""
    said: list[str] = []

    def hook(message: Json) -> None:
        if message["msg_type"] == "stream":
            said.append(message["content"]["text"])

    reply = client.execute_interactive(code, timeout=DEADLINE_S, output_hook=hook)
    assert reply["content"]["status"] == "ok", reply["content"]
    return "".join(said)


def test_execute_interactive_sees_every_output(started: tuple[KernelManager, BlockingKernelClient]) -> None:
    _, client = started
    assert printed(client, "for n in range(1000):\n    print(n)") == "".join(f"{n}\n" for n in range(1000))


def test_manager_interrupts_a_cell(started: tuple[KernelManager, BlockingKernelClient]) -> None:
    manager, client = started
    msg_id = client.execute("print('running')\nwhile True:\n    pass")
    iopub(client, lambda message: message["msg_type"] == "stream")
    manager.interrupt_kernel()
    reply = client.get_shell_msg(timeout=DEADLINE_S)
    assert reply["parent_header"]["msg_id"] == msg_id
    assert reply["content"]["ename"] == "KeyboardInterrupt"
    assert printed(client, "print('alive')") == "alive\n"


def test_manager_restarts_the_kernel_on_the_same_ports(started: tuple[KernelManager, BlockingKernelClient]) -> None:
    manager, client = started
    before = manager.get_connection_info()
    first = int(printed(client, "import os\nprint(os.getpid())"))
    manager.restart_kernel()
    client.wait_for_ready(timeout=DEADLINE_S)
    assert process_gone(first)
    assert manager.get_connection_info() == before
    assert printed(client, "print('os' in globals())") == "False\n"
    assert manager.is_alive()


def test_manager_restarts_a_busy_kernel(started: tuple[KernelManager, BlockingKernelClient]) -> None:
    manager, client = started
    pid = int(printed(client, "import os\nprint(os.getpid())"))
    client.execute("print('running')\nwhile True:\n    pass")
    iopub(client, lambda message: message["content"].get("text") == "running\n")
    manager.restart_kernel()
    client.wait_for_ready(timeout=DEADLINE_S)
    assert process_gone(pid)
    assert printed(client, "print(6 * 7)") == "42\n"


def test_manager_shuts_the_kernel_down(started: tuple[KernelManager, BlockingKernelClient]) -> None:
    manager, client = started
    pid = int(printed(client, "import os\nprint(os.getpid())"))
    assert client.is_alive()
    manager.shutdown_kernel()
    assert process_gone(pid)
    assert not manager.is_alive()


def test_manager_kills_the_kernel(started: tuple[KernelManager, BlockingKernelClient]) -> None:
    manager, client = started
    pid = int(printed(client, "import os\nprint(os.getpid())"))
    manager.shutdown_kernel(now=True)
    assert process_gone(pid)


def test_client_shuts_the_kernel_down(started: tuple[KernelManager, BlockingKernelClient]) -> None:
    _, client = started
    pid = int(printed(client, "import os\nprint(os.getpid())"))
    reply = client.shutdown(reply=True, timeout=DEADLINE_S)
    assert reply["content"]["status"] == "ok"
    assert process_gone(pid)


def test_two_clients_share_a_kernel(started: tuple[KernelManager, BlockingKernelClient]) -> None:
    """Each sees all that is published, with its parent's session; replies and questions go to who asked."""
    manager, first = started
    second = manager.blocking_client()
    second.start_channels()
    second.wait_for_ready(timeout=DEADLINE_S)
    msg_id = first.execute("shared = 'seen by both'\nprint(shared)", reply=False)
    stream = iopub(second, lambda message: message["msg_type"] == "stream")
    assert stream["parent_header"]["msg_id"] == msg_id
    assert stream["parent_header"]["session"] == first.session.session
    assert first.get_shell_msg(timeout=DEADLINE_S)["parent_header"]["msg_id"] == msg_id
    asked = second.execute("input(shared + '? ')")
    question = second.get_stdin_msg(timeout=DEADLINE_S)
    assert question["content"]["prompt"] == "seen by both? "
    second.input("yes")
    reply = second.get_shell_msg(timeout=DEADLINE_S)
    assert (reply["parent_header"]["msg_id"], reply["content"]["status"]) == (asked, "ok")
    # All that the kernel sent to anybody before this reply was sent: nothing of it was for the first client.
    barrier = first.kernel_info()
    assert first.get_shell_msg(timeout=DEADLINE_S)["parent_header"]["msg_id"] == barrier
    with pytest.raises(queue.Empty):
        first.get_stdin_msg(timeout=0)
    second.stop_channels()


def test_two_clients_queue_behind_each_other(started: tuple[KernelManager, BlockingKernelClient]) -> None:
    manager, first = started
    second = manager.blocking_client()
    second.start_channels()
    second.wait_for_ready(timeout=DEADLINE_S)
    first.execute("order = ['first']\ninput('hold')")
    first.get_stdin_msg(timeout=DEADLINE_S)
    waiting = second.execute("order.append('second')")
    first.input("")
    reply = second.get_shell_msg(timeout=DEADLINE_S)
    assert (reply["parent_header"]["msg_id"], reply["content"]["status"]) == (waiting, "ok")
    assert printed(second, "print(order)") == "['first', 'second']\n"
    second.stop_channels()


def test_heartbeat_beats(started: tuple[KernelManager, BlockingKernelClient]) -> None:
    _, client = started
    assert client.hb_channel.is_beating()


def test_async_manager_does_the_same(kernel_name: str) -> None:
    async def work() -> None:
        manager, client = await start_new_async_kernel(kernel_name=kernel_name)
        assert isinstance(manager, AsyncKernelManager)
        reply = await client.execute_interactive("kept = 1", timeout=DEADLINE_S)
        assert reply["content"]["status"] == "ok"
        client.execute("print('running')\nwhile True:\n    pass")
        while (await client.get_iopub_msg(timeout=DEADLINE_S))["msg_type"] != "stream":
            pass
        await manager.interrupt_kernel()
        assert (await client.get_shell_msg(timeout=DEADLINE_S))["content"]["ename"] == "KeyboardInterrupt"
        await manager.restart_kernel()
        await client.wait_for_ready(timeout=DEADLINE_S)
        reply = await client.execute_interactive("kept", timeout=DEADLINE_S, output_hook=lambda message: None)
        assert reply["content"]["ename"] == "NameError"
        client.stop_channels()
        await manager.shutdown_kernel()
        assert not await manager.is_alive()

    # In a thread of its own: playwright leaves a loop running in the main thread of the browser tests.
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: asyncio.run(work())).result()


def test_several_kernels_are_apart(kernel_name: str) -> None:
    manager = MultiKernelManager()
    names = [manager.start_kernel(kernel_name=kernel_name) for _ in range(2)]
    clients = [manager.get_kernel(name).blocking_client() for name in names]
    for number, client in enumerate(clients):
        client.start_channels()
        client.wait_for_ready(timeout=DEADLINE_S)
        printed(client, f"mine = {number}")
    assert [printed(client, "print(mine)") for client in clients] == ["0\n", "1\n"]
    for client in clients:
        client.stop_channels()
    manager.shutdown_all()
    assert manager.list_kernel_ids() == []
