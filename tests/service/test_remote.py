"""The remote backend, on a real jupyter_server and a real Kernel Gateway."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from jupyter_servers import TOKEN, jupyter_server
from kernelet.service.backends.remote import RemoteBackend
from kernelet.service.backends.remote_kernel import RemoteKernel
from kernelet.service.backends.ws_frames import V1
from kernelet.service.engine import Engine, SessionOptions
from kernelet.service.errors import NotFound, Unavailable
from kernelet.service.execution import Options
from kernelet.service.proxy import JupyterClient, KernelManager, Settings
from kernelet.service.session import Session
from needs import need_module
from sandbox import free_ports
from service_tools import Sync, settings

need_module("jupyter_server")
need_module("kernel_gateway")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with jupyter_server("server", tmp_path_factory.mktemp("server")) as url:
        yield url


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with jupyter_server("gateway", tmp_path_factory.mktemp("gateway")) as url:
        yield url


@pytest.fixture(scope="module")
def engines(server: str, gateway: str) -> Iterator[Callable[[str, str], Sync]]:
    """Engines by the kind of server and the subprotocol."""
    started: dict[tuple[str, str], Sync] = {}

    def get(kind: str, subprotocol: str) -> Sync:
        def make() -> Engine:
            url = {"server": server, "gateway": gateway}[kind]
            chosen = settings(backend="remote", server_url=url, backend_token=TOKEN, kernel_name="kernelet")
            return Engine(chosen, RemoteBackend(chosen, [V1] if subprotocol == "v1" else []))

        if (kind, subprotocol) not in started:
            started[kind, subprotocol] = Sync(make)
        return started[kind, subprotocol]

    yield get
    for one in started.values():
        one.close()


def socket_of(session: Session) -> RemoteKernel:
    kernel = session.life._kernel
    assert isinstance(kernel, RemoteKernel)
    return kernel


@pytest.mark.parametrize("kind", ["server", "gateway"])
@pytest.mark.parametrize("subprotocol", ["v1", "old"])
def test_a_session_runs_on_a_kernel_of_the_server(
    engines: Callable[[str, str], Sync], kind: str, subprotocol: str
) -> None:
    sync = engines(kind, subprotocol)
    session = sync(sync.engine.create(options=SessionOptions(envs={"KF_R": "r"})))
    agreed = socket_of(session)._socket.subprotocol  # type: ignore[union-attr]
    assert agreed == (V1 if subprotocol == "v1" else None)
    result = sync(session.run("import os\nprint(os.environ['KF_R'])\nx = 1\n'é' * 2"))
    assert (result.status, result.stdout, result.results[0].data["text/plain"]) == ("ok", "r\n", "'éé'")
    assert sync(session.run("1/0")).error is not None
    assert sync(session.variables())["variables"] == ["x"] or "x" in sync(session.variables())["variables"]
    result = sync(session.run("while True: pass", Options(timeout=1)))
    assert (result.status, result.timed_out, result.state_lost) == ("interrupted", True, False)
    assert sync(session.run("x")).results[0].data["text/plain"] == "1"
    sync(sync.engine.destroy(session.id))


def kernels(url: str) -> list[dict[str, Any]]:
    answer = httpx.get(f"{url}/api/kernels", headers={"Authorization": f"token {TOKEN}"}, trust_env=False)
    return list(answer.json())


def test_a_kernel_that_dies_there_is_told_and_replaced(engines: Callable[[str, str], Sync]) -> None:
    sync = engines("server", "v1")
    session = sync.session()
    result = sync(session.run("import os; os._exit(1)"))
    assert (result.status, result.cause, result.state_lost, result.generation) == ("exit", "crash", True, 1)
    assert sync(session.run("'anew'")).status == "ok"
    sync(sync.engine.destroy(session.id))


def test_what_a_kernel_says_while_the_connection_is_broken_comes_later(
    engines: Callable[[str, str], Sync], monkeypatch: pytest.MonkeyPatch
) -> None:
    sync = engines("server", "v1")
    session = sync.session()
    kernel = socket_of(session)
    connect, times = kernel._connect, 0

    async def late() -> Any:
        nonlocal times
        times += 1
        await asyncio.sleep(2)
        return await connect()

    async def scenario() -> Any:
        running = session.submit("print('before', flush=True)\nimport time; time.sleep(1)\nprint('while')\n'end'")
        subscription = running.subscribe()
        async for event in subscription.events():
            if event.type == "stdout":
                break
        monkeypatch.setattr(kernel, "_connect", late)
        assert kernel._socket is not None
        kernel._socket.transport.abort()
        return await running.result

    result = sync(scenario())
    assert (result.stdout, result.status, times) == ("before\nwhile\n", "ok", 1)
    assert result.results[0].data["text/plain"] == "'end'"
    sync(sync.engine.destroy(session.id))


def test_kernels_are_ended_with_their_sessions_and_with_the_service(server: str) -> None:
    before = len(kernels(server))

    async def scenario() -> None:
        async with Engine(settings(backend="remote", server_url=server, backend_token=TOKEN)) as engine:
            one = await engine.create()
            await engine.create()
            assert len(await asyncio.to_thread(kernels, server)) == before + 2
            await engine.destroy(one.id)
            assert len(await asyncio.to_thread(kernels, server)) == before + 1

    asyncio.run(scenario())
    assert len(kernels(server)) == before


def test_an_unknown_kernel_a_wrong_token_and_no_server_are_told_apart(server: str) -> None:
    async def refusal(**changes: Any) -> Exception:
        chosen = settings(backend="remote", **{"server_url": server, "backend_token": TOKEN, **changes})
        async with Engine(chosen) as engine:
            ready = await engine.backend.ready()
            with pytest.raises((NotFound, Unavailable)) as refused:
                await engine.create()
            assert ready is ("kernel_name" in changes)
            return refused.value

    assert isinstance(asyncio.run(refusal(kernel_name="nonsense")), NotFound)
    assert isinstance(asyncio.run(refusal(backend_token="wrong")), Unavailable)
    nobody = f"http://127.0.0.1:{free_ports(1)[0]}"
    assert isinstance(asyncio.run(refusal(server_url=nobody, timeout_connect=0.5)), Unavailable)


def test_the_proxys_python_interface_works_as_its_document_shows(server: str) -> None:
    async def main() -> None:
        chosen = Settings(_env_file=None, server_url=server, token=TOKEN)
        assert chosen.backend_token == TOKEN
        async with JupyterClient(chosen, None) as client:
            manager = KernelManager(client, None)
            kernel = await manager.start_kernel()
            result = await manager.execute_code(kernel["id"], "print('Hello from Jupyter!')")
            texts = [one["content"]["text"] for one in result["results"] if one["header"]["msg_type"] == "stream"]
            assert "".join(texts) == "Hello from Jupyter!\n"
            json.dumps(result)
            assert await manager.shutdown_kernel(kernel["id"]) == {"message": f"Kernel {kernel['id']} shutdown"}

    asyncio.run(asyncio.wait_for(main(), 60))
