"""Kernels of a Jupyter Server, Kernel Gateway or Enterprise Gateway, by its URL and token. Loop only."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Sequence
from typing import Any

import httpx

from kernelet.launch.isolation import IsolationLevel
from kernelet.service.backends.backend import Kernel, KernelRequest
from kernelet.service.backends.readiness import Readiness
from kernelet.service.backends.remote_kernel import RemoteKernel
from kernelet.service.errors import NotFound, NotPossible, Unavailable
from kernelet.service.settings import Settings

logger = logging.getLogger("kernelet.service")


class RemoteBackend:
    """Starts kernels on the server and ends those it started."""

    name = "remote"
    sets_envs = False
    zygote_up = False
    """A server need not take variables for a kernel: they are set when it runs."""

    def __init__(self, settings: Settings, subprotocols: Sequence[str] | None = None) -> None:
        """Take `subprotocols` to offer; None is all that we know."""
        self._settings = settings
        self._subprotocols = subprotocols
        self._kernels: set[RemoteKernel] = set()
        self._headers = {"Authorization": f"token {settings.backend_token}"} if settings.backend_token else {}
        self._http = httpx.AsyncClient(
            base_url=settings.server_url.rstrip("/"),
            headers=self._headers,
            timeout=httpx.Timeout(settings.timeout_total, connect=settings.timeout_connect),
        )

    async def open(self) -> None:
        """Do nothing: a server that is down now may be up when a kernel is wanted."""

    async def close(self) -> None:
        """End the kernels that we started, and the connections."""
        await asyncio.gather(*(kernel.kill() for kernel in list(self._kernels)))
        await self._http.aclose()

    async def ready(self) -> bool:
        """Tell whether the server answers us."""
        try:
            answer = await self._http.get("/api/kernelspecs", timeout=self._settings.timeout_connect)
        except httpx.HTTPError:
            return False
        return answer.is_success

    async def start(self, request: KernelRequest) -> Kernel:
        """Start a kernel there, trying again while the server is not to be reached, and wait until it answers."""
        if request.confinement.isolation.level is not IsolationLevel.NONE:
            raise NotPossible("A remote kernel is isolated where it runs; this service cannot do it from here.")
        name = request.kernel_name or self._settings.kernel_name
        body: dict[str, Any] = {"name": name} if name else {}
        if request.envs:
            body["env"] = dict(request.envs)  # Kernel and Enterprise Gateway take them
        kernel_id = await self._start(body, name)
        kernel = RemoteKernel(self._http, self._settings, kernel_id, uuid.uuid4().hex, self._subprotocols)
        self._kernels.add(kernel)
        kernel.gone.add_done_callback(lambda _: self._kernels.discard(kernel))
        try:
            await kernel.open()
            await Readiness(kernel).wait(self._settings.startup_timeout)
        except BaseException:
            await kernel.kill()
            raise
        return kernel

    async def _start(self, body: dict[str, Any], name: str) -> str:
        pause = 0.1
        give_up = asyncio.get_running_loop().time() + self._settings.timeout_connect
        while True:
            try:
                answer = await self._http.post("/api/kernels", json=body)
            except httpx.ConnectError as error:
                # Refused: nobody has got the request, so that it may be sent again.
                if asyncio.get_running_loop().time() > give_up:
                    url = self._settings.server_url
                    raise Unavailable(f"The Jupyter server at {url} cannot be reached: {error}") from error
                await asyncio.sleep(pause)
                pause = min(pause * 2, self._settings.crash_sleep_duration)
                continue
            except httpx.HTTPError as error:
                raise Unavailable(f"The Jupyter server did not start a kernel: {error!r}") from error
            if name and not answer.is_success:
                await self._check_name(name)
            return self._id_of(answer)

    async def _check_name(self, name: str) -> None:
        """Find out whether the name is to blame: servers do not say so. Raises NotFound."""
        try:
            specs = await self._http.get("/api/kernelspecs")
        except httpx.HTTPError:
            return
        if specs.is_success and name not in specs.json().get("kernelspecs", {name: None}):
            raise NotFound(f"The Jupyter server has no kernel {name!r}.")

    @staticmethod
    def _id_of(answer: httpx.Response) -> str:
        if not answer.is_success:
            reason = answer.text[:200].strip()
            raise Unavailable(f"The Jupyter server did not start a kernel ({answer.status_code}): {reason}")
        return str(answer.json()["id"])
