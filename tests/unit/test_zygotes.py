"""Which zygote a kernel gets, and whose folder it may lie in. Nothing is started here."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from needs import OTHER_MACHINE, need_linux

need_linux()

from kernelet.launch.zygotes import Kind, ZygoteError, Zygotes  # noqa: E402  # Linux only

ENV = {"HOME": "/home/me", "PATH": "/bin"}


def name(interpreter: str = "/py", preload: tuple[str, ...] = (), **env: str) -> str:
    return Kind([interpreter], preload, {**ENV, **env}, 1.0).name()


def test_kernels_that_differ_in_what_can_be_changed_share_a_zygote() -> None:
    assert name() == name(PATH="/usr/bin", JPY_PARENT_PID="7", MY_TOKEN="x", TZ="UTC")


@pytest.mark.parametrize(
    "variable", ["PYTHONPATH", "PYTHONHASHSEED", "LD_PRELOAD", "LANG", "OMP_NUM_THREADS", "MPLBACKEND", "HOME"]
)
def test_a_variable_that_is_read_at_the_start_makes_another_zygote(variable: str) -> None:
    assert name() != name(**{variable: "other"})


def test_another_interpreter_or_preload_makes_another_zygote() -> None:
    assert len({name(), name("/py2"), name(preload=("numpy",)), name(preload=("pandas",))}) == 4


def test_another_limit_of_the_client_makes_another_zygote() -> None:
    import resource

    before, old = name(), resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0 if old[0] else 4096, old[1]))
    try:
        assert name() != before
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, old)


def test_a_folder_that_others_can_enter_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "zygotes"
    folder.mkdir()
    folder.chmod(0o755)
    with pytest.raises(ZygoteError, match="open to other users"):
        Zygotes(folder).ask(Kind(["/py"], (), ENV, 1.0), b"", ())
    assert list(folder.iterdir()) == []


def test_a_folder_of_another_user_is_refused(tmp_path: Path) -> None:
    if os.geteuid():
        pytest.skip(f"{OTHER_MACHINE}its user may give files away")
    folder = tmp_path / "zygotes"
    folder.mkdir(mode=0o700)
    os.chown(folder, 12345, 12345)
    with pytest.raises(ZygoteError, match="belongs to user 12345"):
        Zygotes(folder).ask(Kind(["/py"], (), ENV, 1.0), b"", ())


def test_a_folder_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(ZygoteError):
        Zygotes(tmp_path / "link").ask(Kind(["/py"], (), ENV, 1.0), b"", ())


def test_a_zygote_of_another_user_is_not_asked(tmp_path: Path) -> None:
    if os.geteuid():
        pytest.skip(f"{OTHER_MACHINE}its user may become another")
    folder = tmp_path / "zygotes"
    folder.mkdir(mode=0o700)
    kind = Kind(["/py"], (), ENV, 1.0)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(folder / f"{kind.name()}.socket"))
        pid = os.fork()
        if not pid:  # the credentials of a socket are those of who listened
            os.setresuid(12345, 12345, 12345)
            listener.listen(1)
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        with pytest.raises(ZygoteError, match="belongs to user 12345"):
            Zygotes(folder).ask(kind, b"", ())


def test_an_interpreter_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ZygoteError, match="/no/such/python"):
        Zygotes(tmp_path / "zygotes").ask(Kind(["/no/such/python"], (), ENV, 1.0), b"", ())


def test_what_a_zygote_says_before_it_ends_is_told(tmp_path: Path) -> None:
    interpreter = tmp_path / "python"
    interpreter.write_text("#!/bin/sh\necho 'no kernelet here' >&2\nexit 3\n")
    interpreter.chmod(0o755)
    with pytest.raises(ZygoteError, match="status 3: no kernelet here"):
        Zygotes(tmp_path / "zygotes").ask(Kind([str(interpreter)], (), ENV, 1.0), b"", ())
