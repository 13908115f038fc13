"""A kernel process that a jupyter_client provisioner starts: kernelet's, which forks it from a zygote.

The zygote lives in the run's own folder, and `end_zygotes` lets it end; a session that is closed ends its kernel only.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import process
from benchmarks.client import Fault
from benchmarks.process import KernelProcess

_loop: asyncio.AbstractEventLoop | None = None


def _provisioner() -> Any:
    from kernelet.launch.provisioner import ZygoteProvisioner

    return ZygoteProvisioner


class ProvisionedProcess(KernelProcess):
    """Like a process of our own, but born by another one."""

    def __init__(self, argv: Sequence[str], environment: dict[str, str], log: Path) -> None:
        """Raises Fault when it is not forked."""
        global _loop  # one for all: a kernel is not slower for the loop that the client runs
        _loop = _loop or asyncio.new_event_loop()
        os.environ["JUPYTER_RUNTIME_DIR"] = str(log.parents[1])  # where the zygote puts its socket
        self.log = log
        provisioner = _provisioner()(kernel_id=log.stem)
        with log.open("wb") as output:
            _loop.run_until_complete(
                provisioner.launch_kernel(
                    list(argv), env=environment, cwd=environment["HOME"], stdout=output.fileno(), stderr=output.fileno()
                )
            )
        self._process = provisioner.process
        self.pid = self._process.pid
        process.track(self)
        if provisioner.born_by != "fork":
            self.kill()
            raise Fault(f"spawned, not forked: {provisioner.spawn_reason}")
        self.parents = (int(Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[1]),)

    def wait(self, deadline_s: float) -> int | None:
        """Wait for the end and return the exit status, which the zygote tells; None if it did not come in time."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._process.wait(deadline_s)
        return None


def missing() -> str:
    """Say why such kernels cannot be started; empty if they can."""
    try:
        _provisioner()
    except ImportError as error:
        return str(error)
    return "" if hasattr(os, "pidfd_open") else "forking needs Linux"


def end_zygotes(folder: Path) -> None:
    """Let the zygotes of a run end, if there are any."""
    if (folder / "kernelet-zygotes").is_dir():
        from kernelet.launch.zygotes import Zygotes

        Zygotes(folder / "kernelet-zygotes").end()
