"""The provisioner `kernelet-zygote` of jupyter_client: kernels are forked from a zygote, in milliseconds.

A kernelspec names it (`metadata.kernel_provisioner`); then every Jupyter client gets such kernels. Where no fork is to
be had (macOS, Windows, another kernel's command, a broken zygote), the kernel is spawned as ever, and the log says why.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.launcher import launch_kernel
from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from jupyter_core.paths import jupyter_runtime_dir
from traitlets import Dict, Float, List, Unicode, Union

from .birth import Birth
from .confined import Confinement, ConfinementError

if sys.platform == "linux":
    from .forked import ForkedProcess
    from .zygotes import Kind, ZygoteError, Zygotes

MODULES: Final = ("kernelet", "kernel")
_PATIENCE_S: Final = 60.0
# A zygote that could not be had is not asked for again at once: each trial costs as much as a kernel.
_SULK_S: Final = 60.0
_broken: dict[str, tuple[float, str]] = {}


class ZygoteProvisioner(LocalProvisioner):
    """Starts kernels from a zygote, and does all else as jupyter_client does for processes of its own."""

    preload = List(Unicode(), help="Modules that the zygote imports before it forks: numpy, pandas, matplotlib.").tag(
        config=True
    )
    idle_seconds = Float(600.0, help="How long a zygote without kernels waits for the next one.").tag(config=True)
    limits = Dict(help="Limits of the kernel process, as kernelet.launch.limits has them.").tag(config=True)
    isolation = Union([Dict(), Unicode()], help="What the kernel is cut off from: kernelet.launch.isolation.").tag(
        config=True
    )
    born_by = Unicode("", help="How the process came about: fork or spawn.")
    spawn_reason = Unicode("", help="Why the process was spawned and not forked.")

    _sockets = ""  # the folder of an isolated kernel's sockets

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """See to it that the channels reach a kernel whose network is another: they become sockets in the file system.

        Raises ConfinementError for limits and isolation that mean nothing.
        """
        asked = kwargs.get("limits") or self.limits, kwargs.get("isolation") or self.isolation or None
        manager = self.parent
        if Confinement.from_config(*asked).isolation.needs_ipc and manager is not None and not self._sockets:
            # A folder for this kernel alone: it must be writable, and what other kernels have is none of its business.
            runtime = jupyter_runtime_dir()
            os.makedirs(runtime, exist_ok=True)
            # A short name, since the path of a socket has 107 bytes at most.
            self._sockets = tempfile.mkdtemp(prefix="k", dir=runtime)
            manager.transport, manager.cache_ports, manager.ip = "ipc", False, os.path.join(self._sockets, "s")
        return await super().pre_launch(**kwargs)

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Start the kernel. `limits=` and `isolation=` (see the traits) may be given to start_kernel as well.

        Raises OSError for a working directory that is not there, ConfinementError for limits that cannot be had.
        """
        confinement = Confinement.from_config(
            kwargs.pop("limits", None) or self.limits, kwargs.pop("isolation", None) or self.isolation or None
        )
        if self._sockets and self.parent is not None:
            confinement = confinement.with_writable(self._sockets).with_readable(str(self.parent.connection_file))
        options = LocalProvisioner._scrub_kwargs(kwargs)
        cmd = _expanded(cmd)
        self.process, self.spawn_reason = None, ""
        try:
            self.process = await self._fork(cmd, confinement, **options)  # type: ignore[assignment]  # a Popen to users
        except _NoFork as error:
            self.spawn_reason = str(error)
            if error.is_news:
                self.log.warning("kernelet: this kernel is spawned, not forked: %s", error)
        self.born_by = "fork"
        if self.process is None:
            self.born_by = "spawn"
            self.process = launch_kernel(confinement.command(cmd), **options)
        self.pid = self.process.pid
        self.pgid = self.process.pid if hasattr(os, "setsid") else None  # both ways make it a session's leader
        self.cwd = kwargs.get("cwd", Path.cwd())
        return self.connection_info

    async def cleanup(self, restart: bool = False) -> None:
        """Remove the folder of the sockets, unless the next kernel of this manager takes it over."""
        await super().cleanup(restart)
        if self._sockets and not restart:
            shutil.rmtree(self._sockets, ignore_errors=True)
            self._sockets = ""

    async def get_provisioner_info(self) -> dict[str, Any]:
        """Add how the process came about to what jupyter_client's says."""
        info: dict[str, Any] = await super().get_provisioner_info()
        return {**info, "born_by": self.born_by, "spawn_reason": self.spawn_reason}

    async def _fork(
        self,
        cmd: list[str],
        confinement: Confinement,
        *,
        env: dict[str, str] | None = None,
        cwd: str | os.PathLike[str] | None = None,
        stdin: Any = None,
        stdout: Any = None,
        stderr: Any = None,
        independent: bool = False,
        **others: Any,
    ) -> ForkedProcess:
        """Let a zygote bear the kernel. Raises _NoFork."""
        if sys.platform != "linux" or not hasattr(os, "pidfd_open"):
            raise _NoFork("forking needs Linux with pidfds", is_news=False)
        if others := {name: value for name, value in others.items() if value is not None}:
            raise _NoFork(f"only a new process can have {', '.join(sorted(others))}")
        interpreter, module, argv = _parse(cmd)
        env = dict(os.environ if env is None else env)
        env.update(confinement.limits.environment())
        if not independent:
            env["JPY_PARENT_PID"] = str(os.getpid())
        kind = Kind(interpreter, self._preload(env), env, self.idle_seconds)
        described = confinement.as_config() if confinement.confines else {}
        birth = Birth(cmd, module, argv, env, _absolute(cwd or os.curdir), _umask(), described)
        zygotes = Zygotes(Path(jupyter_runtime_dir(), "kernelet-zygotes"))
        since, why = _broken.get(kind.name(), (-_SULK_S, "")) if _broken else (-_SULK_S, "")
        if time.monotonic() - since < _SULK_S:
            raise _NoFork(why, is_news=False)
        with _stdio(stdin, stdout, stderr) as fds:
            try:
                return await _born(zygotes, kind, birth, fds)
            except ZygoteError as error:
                _broken[kind.name()] = time.monotonic(), str(error)
                raise _NoFork(str(error)) from error

    def _preload(self, env: dict[str, str]) -> Sequence[str]:
        """Return the modules to preload: KERNELET_PRELOAD of the kernel's environment, else those configured."""
        given = env.get("KERNELET_PRELOAD")
        return self.preload if given is None else [name for name in given.replace(",", " ").split() if name]


class _NoFork(Exception):
    """Why a kernel is spawned. `is_news`: whether anybody should be told."""

    def __init__(self, reason: str, is_news: bool = True) -> None:
        super().__init__(reason)
        self.is_news = is_news


def _parse(cmd: list[str]) -> tuple[list[str], str, list[str]]:
    """Split `python -X… -m kernelet ARGS…`. Raises _NoFork for another kernel's command."""
    try:
        at = cmd.index("-m")
        module = cmd[at + 1]
    except (ValueError, IndexError):
        raise _NoFork(f"{' '.join(cmd)[:100]} is not of the form python -m kernelet") from None
    if module not in MODULES or not os.path.isabs(cmd[0]) or not all(part.startswith("-") for part in cmd[1:at]):
        raise _NoFork(f"{' '.join(cmd[: at + 2])[:100]} is not an absolute path of a Python with -m kernelet")
    return cmd[:at], module, cmd[at + 2 :]


def _expanded(cmd: list[str]) -> list[str]:
    """Return a command as jupyter_client runs it: with ~ in its parts replaced."""
    return [os.path.expanduser(part) for part in cmd]


def _absolute(path: str | os.PathLike[str]) -> str:
    return os.path.abspath(os.fspath(path))


def _umask() -> int:
    """Return this process's umask without touching it: other threads create files."""
    with open("/proc/self/status", encoding="ascii", errors="replace") as file:
        for line in file:
            if line.startswith("Umask:"):
                return int(line.split()[1], 8)
    return 0o022


@contextlib.contextmanager
def _stdio(stdin: Any, stdout: Any, stderr: Any) -> Any:
    """Yield descriptors for the kernel's stdin, stdout and stderr, given as subprocess.Popen takes them."""
    opened: list[int] = []

    def null() -> int:
        opened.append(os.open(os.devnull, os.O_RDWR))
        return opened[-1]

    def pick(given: Any, default: int) -> int:
        if given is None:
            given = default
        elif hasattr(given, "fileno"):
            given = given.fileno()
        if given == subprocess.PIPE:
            raise _NoFork("its output is wanted through pipes")
        try:
            os.fstat(given)
        except OSError:  # DEVNULL; and a server in the background may have none
            return null()
        return int(given)

    try:
        # jupyter_client gives a kernel a stdin that is at its end.
        out = pick(stdout, 1)
        error = out if stderr == subprocess.STDOUT else pick(stderr, 2)
        yield [null() if stdin is None else pick(stdin, 0), out, error]
    finally:
        for fd in opened:
            os.close(fd)


async def _born(zygotes: Zygotes, kind: Kind, birth: Birth, stdio: Sequence[int]) -> ForkedProcess:
    """Ask for a kernel and wait until it is born. Raises ZygoteError, OSError, ConfinementError."""
    answer: dict[str, Any] = {"stale": True}
    for _ in range(2):  # a zygote from before an upgrade says so, once
        if "stale" not in answer:
            break
        connection = zygotes.ask(kind, birth.dumps(), stdio)
        try:
            answer, pidfds = await _answer(connection)
            if "pid" in answer:
                process = ForkedProcess(answer["pid"], pidfds[0], connection, list(birth.command))
                connection = None  # type: ignore[assignment]  # it is the process's now
                return process
        finally:
            if connection is not None:
                connection.close()
    if "errno" in answer:
        raise OSError(answer["errno"], answer["error"], answer["file"])
    if "confinement" in answer:
        raise ConfinementError(answer["confinement"])
    reason = answer.get("refused") or (f"its child ended with {answer['status']}" if "status" in answer else "it ended")
    raise ZygoteError(f"the zygote bore no kernel: {reason} ({zygotes.last_words(kind)})")


async def _answer(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """Return the answer and its descriptors; {} when the zygote has ended. Raises ZygoteError after a minute."""
    loop = asyncio.get_running_loop()
    readable = loop.create_future()
    loop.add_reader(connection, lambda: None if readable.done() else readable.set_result(None))
    try:
        await asyncio.wait_for(readable, _PATIENCE_S)
        message, fds, _, _ = socket.recv_fds(connection, 1 << 16, 1)
    except TimeoutError:
        raise ZygoteError(f"the zygote did not answer within {_PATIENCE_S:g} s") from None
    except OSError:
        return {}, []
    finally:
        loop.remove_reader(connection)
    return (json.loads(message) if message else {}), list(fds)
