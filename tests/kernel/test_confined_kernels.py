"""Kernels of kernelspecs that ask for limits and isolation: any Jupyter client gets them, forked and spawned alike."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager

from kernelet.launch import spec
from kernelet.launch.confined import Confinement, ConfinementError
from needs import absent, need_kernelspec, need_linux

need_linux()
need_kernelspec("kernelet-instant")

from kernelet.launch.zygotes import Zygotes  # noqa: E402  # Linux only

try:
    Confinement.from_config({}, "full").probe()
except ConfinementError as error:
    absent(f"isolation ({error})")

DEADLINE_S = 60


class Confined:
    """A kernel started by a stock manager from a kernelspec on disk."""

    def __init__(self, folder: Path, argv_before: list[str] | None = None, **config: Any) -> None:
        described = spec.kernel_spec(instant=True)
        described["argv"] = [*(argv_before or []), *described["argv"]]
        described["metadata"]["kernel_provisioner"].setdefault("config", {}).update(config)
        (folder / "kernels" / "confined").mkdir(parents=True, exist_ok=True)
        (folder / "kernels" / "confined" / "kernel.json").write_text(json.dumps(described))
        specs = KernelSpecManager(kernel_dirs=[str(folder / "kernels")], ensure_native_kernel=False)
        work = folder / "work"
        work.mkdir(exist_ok=True)
        self.manager = KernelManager(kernel_name="confined", kernel_spec_manager=specs)
        self.manager.start_kernel(cwd=str(work))
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        try:
            self.client.wait_for_ready(timeout=DEADLINE_S)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)

    def attempt(self, code: str) -> str:
        """Return the value of an expression; an OSError answers with its number."""
        wrapped = f"try:\n    print({code})\nexcept OSError as error:\n    print('errno', error.errno)"
        heard: list[str] = []

        def hear(message: dict[str, Any]) -> None:
            if message["msg_type"] == "stream":
                heard.append(message["content"]["text"])

        reply = self.client.execute_interactive(
            f"import os, socket, resource\n{wrapped}", output_hook=hear, timeout=DEADLINE_S
        )
        assert reply["content"]["status"] == "ok", reply
        return "".join(heard).strip()


@pytest.fixture(scope="module", autouse=True)
def zygotes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    runtime = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_RUNTIME_DIR", str(runtime))
        yield
        Zygotes(runtime / "kernelet-zygotes").end()


@pytest.mark.parametrize("spawned", [False, True], ids=["forked", "spawned"])
def test_a_kernel_that_is_cut_off_is_still_reached_by_its_client(tmp_path: Path, spawned: bool) -> None:
    upload, output = tmp_path / "upload", tmp_path / "output"
    for folder in (upload, output):
        folder.mkdir()
        (folder / "there").write_text("text")
    isolation = {"level": "full", "upload_dir": str(upload), "output_dir": str(output)}
    # A command that does not begin with a Python cannot be forked.
    before = ["/usr/bin/env"] if spawned else []
    kernel = Confined(tmp_path, before, isolation=isolation, limits={"nofile": 300})
    try:
        assert kernel.manager.provisioner.born_by == ("spawn" if spawned else "fork")  # type: ignore[union-attr]
        assert kernel.manager.transport == "ipc"
        assert kernel.attempt("socket.create_connection(('192.0.2.1', 80), 5)") == "errno 101"
        assert kernel.attempt(f"open({str(upload / 'there')!r}).read()") == "text"
        assert kernel.attempt(f"open({str(upload / 'new')!r}, 'w')") == "errno 30"
        assert kernel.attempt(f"open({str(output / 'new')!r}, 'w').write('x')") == "1"
        assert kernel.attempt("resource.getrlimit(resource.RLIMIT_NOFILE)") == "(300, 300)"
        kernel.client.stop_channels()
        kernel.manager.restart_kernel()
        kernel.client = kernel.manager.blocking_client()
        kernel.client.start_channels()
        kernel.client.wait_for_ready(timeout=DEADLINE_S)
        assert kernel.attempt("socket.create_connection(('192.0.2.1', 80), 5)") == "errno 101"
    finally:
        kernel.close()


def test_a_bad_description_in_a_kernelspec_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfinementError, match="none, net or full"):
        Confined(tmp_path, isolation="half")
