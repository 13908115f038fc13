"""Kernels on this machine: jupyter_client starts them, with sockets in a private folder. Runs in the service's loop."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import logging
import os
import shutil
import sys
import tempfile
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import KernelSpec, NoSuchKernel
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

from kernelet.launch import spec
from kernelet.launch.provisioner import ZygoteProvisioner
from kernelet.service.backends.backend import Kernel, KernelRequest, Listener
from kernelet.service.backends.channels import Channels
from kernelet.service.backends.processes import MARK, kill_tree, started_at
from kernelet.service.backends.readiness import Readiness
from kernelet.service.errors import NotFound, ServiceError, Unavailable
from kernelet.service.settings import Settings

logger = logging.getLogger("kernelet.service")

SECRETS = ("KERNELET_TOKEN", "KERNELET_BACKEND_TOKEN", "JUPYTER_TOKEN")
"""Of the service: user code must not read them."""

_LEAVING_S = 1.0
_LAST_WORDS_S = 0.05
"""After its death, what a kernel sent before still comes out of the sockets."""


class LocalKernel:
    """One kernel process and its sockets."""

    def __init__(self, manager: AsyncKernelManager, kernel_id: str, log: Path, max_message: int) -> None:
        self.kernel_id = kernel_id
        self.pid: int | None = getattr(manager.provisioner, "pid", None)
        self.gone: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        self.log = log
        self._manager = manager
        assert manager.provisioner is not None, "start_kernel comes first"
        self._provisioner = manager.provisioner
        self._born = started_at(self.pid)
        self._dead = asyncio.Event()
        self._leaving = False
        self._killing: asyncio.Task[None] | None = None
        self._channels = Channels(manager.get_connection_info(), max_message, lambda channel, message: None)
        self._watching = asyncio.create_task(self._watch())

    def listen(self, listener: Listener) -> None:
        """Hand all messages to `listener` from now on."""
        self._channels.listener = listener

    async def send(self, channel: str, msg_type: str, content: Mapping[str, Any], msg_id: str) -> None:
        """Send a request."""
        if self._dead.is_set():
            await asyncio.shield(self.gone)
        if self.gone.done() or self._killing:
            raise ConnectionError("the kernel is gone")
        self._channels.send(channel, msg_type, content, msg_id)

    async def interrupt(self) -> None:
        """Send SIGINT to the kernel's process group, or an interrupt_request where its spec wants that."""
        if not self.gone.done():
            with contextlib.suppress(ProcessLookupError):
                await self._manager.interrupt_kernel()

    async def kill(self) -> None:
        """Kill the process tree and free everything; whoever comes second waits for the first."""
        if self._killing is None:
            self._killing = asyncio.create_task(self._kill())
        await asyncio.shield(self._killing)

    async def shutdown(self) -> None:
        """Let it leave by itself, so that its exit handlers run, and kill what did not."""
        if not self.gone.done() and self._killing is None:
            self._leaving = True
            with contextlib.suppress(ConnectionError):
                await self.send("control", "shutdown_request", {"restart": False}, uuid.uuid4().hex)
                await asyncio.wait({self.gone}, timeout=_LEAVING_S)
        await self.kill()

    async def _kill(self) -> None:
        await asyncio.to_thread(kill_tree, self.pid, self.kernel_id, self._born)
        # The zygote or jupyter_client may know more about it than its pid.
        if self._provisioner.has_process and not self.gone.done():
            with contextlib.suppress(OSError):
                await self._provisioner.kill()
        try:
            await asyncio.wait_for(asyncio.shield(self.gone), 10)
        except TimeoutError:
            logger.error("kernel %s (process %s) does not die", self.kernel_id, self.pid)
        self._watching.cancel()
        await asyncio.gather(self._watching, return_exceptions=True)
        await self._channels.close()
        if self._provisioner.has_process:
            await self._provisioner.wait()
        await self._manager.cleanup_resources()
        await asyncio.to_thread(shutil.rmtree, self.log.parent, ignore_errors=True)

    async def _watch(self) -> None:
        """Wait for the death of the process without polling, where the system allows it."""
        await _death_of(self.pid, self._manager, self._dead)
        if self._killing is None and not self._leaving:  # else nobody listens
            await asyncio.sleep(_LAST_WORDS_S)
        status = await self._provisioner.poll() if self._provisioner.has_process else None
        self.gone.set_result(status)


async def _start(manager: AsyncKernelManager, **options: Any) -> None:
    """Do what `start_kernel` does, without its pause of 10 ms for those who watch the future `ready`: nobody does."""
    command, options = await manager.pre_start_kernel(**options)
    await manager._async_launch_kernel(command, **options)
    await manager.post_start_kernel(**options)


async def _death_of(pid: int | None, manager: AsyncKernelManager, dead: asyncio.Event) -> None:
    if pid is not None and hasattr(os, "pidfd_open"):
        try:
            descriptor = os.pidfd_open(pid)
        except OSError:  # gone already, or forbidden: ask
            pass
        else:
            loop = asyncio.get_running_loop()
            loop.add_reader(descriptor, dead.set)
            try:
                await dead.wait()
            finally:
                loop.remove_reader(descriptor)
                os.close(descriptor)
            return
    while await manager.is_alive():  # noqa: ASYNC110  # no event comes from a process where there are no pidfds
        await asyncio.sleep(0.2)
    dead.set()


class LocalBackend:
    """Starts kernels and remembers them, so that none outlives the service."""

    name = "local"
    sets_envs = True
    zygote_up = False

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._folder: Path | None = None
        self._kernels: set[LocalKernel] = set()
        self._warming: asyncio.Task[None] | None = None
        self._preload = [name for name in settings.preload if importlib.util.find_spec(name.partition(".")[0])]
        # One for all managers: each context has a thread and descriptors of its own.
        self._context = AsyncKernelManager().context

    async def open(self) -> None:
        """Make the private folder of the sockets. Its name is short: a socket's path has 107 bytes at most."""
        self._folder = Path(tempfile.mkdtemp(prefix="kernelet-"))
        if self._settings.zygote and self._preload:
            # The first kernel waits for the zygote's imports, seconds with pandas: nobody's, rather than a client's.
            self._warming = asyncio.create_task(self._warm_up(), name="warm-up")

    async def _warm_up(self) -> None:
        try:
            kernel = await self.start(KernelRequest("warm-up"))
            await kernel.kill()
        except ServiceError as error:
            logger.warning("no kernel could be started ahead of time: %s", error)

    async def close(self) -> None:
        """Kill what is left and remove the folder."""
        if self._warming:
            self._warming.cancel()
            await asyncio.gather(self._warming, return_exceptions=True)
        await asyncio.gather(*(kernel.kill() for kernel in list(self._kernels)))
        self._kernels.clear()
        if self._folder is not None:
            await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)
        self._context.destroy(linger=0)

    async def ready(self) -> bool:
        """Tell whether kernels can be started at once: the service is open, and the zygote has what it imports."""
        return self._folder is not None and (self._warming is None or self._warming.done())

    async def start(self, request: KernelRequest) -> Kernel:
        """Start a kernel and wait until it answers."""
        assert self._folder is not None, "open() comes first"
        kernel_id = uuid.uuid4().hex
        # One folder for each: an isolated kernel may write to its own, and has no business with the others' keys.
        folder = self._folder / kernel_id[:12]
        folder.mkdir(mode=0o700)
        manager = AsyncKernelManager(
            kernel_name=request.kernel_name or self._settings.kernel_name or spec.KERNEL_NAME,
            context=self._context,
            transport="tcp" if os.name == "nt" else "ipc",
            connection_file=str(folder / "k.json"),
        )
        manager._kernel_spec = self._spec(manager)
        # By hand and not through the spec: limits hold for any kernel, forked or not, installed or not.
        provisioner: LocalProvisioner = ZygoteProvisioner(
            kernel_id=kernel_id, kernel_spec=manager._kernel_spec, parent=manager, preload=self._preload
        )
        confinement = request.confinement.as_config()
        if not self._settings.zygote:
            provisioner = LocalProvisioner(kernel_id=kernel_id, kernel_spec=manager._kernel_spec, parent=manager)
            around = request.confinement.with_writable(str(folder))
            manager._kernel_spec.argv = around.command(manager._kernel_spec.argv)
            confinement = {}
        manager.provisioner = provisioner
        log = folder / "log"
        environment = {name: value for name, value in os.environ.items() if name not in SECRETS}
        environment |= request.confinement.limits.environment() | dict(request.envs)
        environment[MARK] = kernel_id
        with log.open("wb") as output:
            try:
                await _start(
                    manager,
                    env=environment,
                    cwd=str(request.cwd) if request.cwd else None,
                    stdout=output,
                    stderr=output,
                    **({} if request.stdin is None else {"stdin": request.stdin}),
                    # Rows of a thousand sessions in one file help nobody, and cost each of them.
                    extra_arguments=["--HistoryManager.hist_file=:memory:"],
                    **confinement,
                )
            except BaseException as error:
                # Called off in the middle, too: there may be a process that nobody else knows.
                if provisioner.has_process:
                    await provisioner.kill()
                    await provisioner.wait()
                await manager.cleanup_resources()
                shutil.rmtree(folder, ignore_errors=True)
                if isinstance(error, Exception):
                    raise Unavailable(f"The kernel could not be started: {error}") from error
                raise
        self.zygote_up = getattr(provisioner, "born_by", None) == "fork"
        kernel = LocalKernel(manager, kernel_id, log, self._settings.max_message_bytes)
        self._kernels.add(kernel)
        kernel.gone.add_done_callback(lambda _: self._kernels.discard(kernel))
        try:
            await Readiness(kernel).wait(self._settings.startup_timeout)
        except BaseException as error:
            words = log.read_text(errors="replace")[-500:].strip() if log.exists() else ""
            await kernel.kill()
            if isinstance(error, Unavailable) and words:
                raise Unavailable(f"{error} It said: {words}") from error
            raise
        return kernel

    def _spec(self, manager: AsyncKernelManager) -> KernelSpec:
        """Return the spec to start; kernelet itself need not be installed as one."""
        if manager.kernel_name in (spec.KERNEL_NAME, spec.INSTANT_NAME):
            found = KernelSpec(**spec.kernel_spec())
        else:
            try:
                found = manager.kernel_spec_manager.get_kernel_spec(manager.kernel_name)
            except NoSuchKernel:
                raise NotFound(f"There is no kernelspec {manager.kernel_name!r} on this machine.") from None
        # As jupyter_client does it, and before anything is put in front of the command.
        own = {"python", f"python{sys.version_info[0]}", f"python{sys.version_info[0]}.{sys.version_info[1]}"}
        if found.argv[0] in own:
            found.argv = [sys.executable, *found.argv[1:]]
        return found
