"""What a confined process can reach, by the wrapper that spawned kernels get; each cell is run in a real process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import needs
from kernelet.launch.confined import REFUSED, Confinement, ConfinementError
from kernelet.service.snapshots import Snapshots
from service_tools import Sync

try:
    Confinement.from_config({}, "full").probe()
except ConfinementError as error:
    needs.absent(f"isolation ({error})")

TRY = """
import json, os, socket, sys
def attempt(code):
    try:
        return eval(code, {"os": os, "socket": socket})
    except OSError as error:
        return type(error).__name__ + " " + str(error.errno)
print(json.dumps([attempt(code) for code in json.loads(sys.argv[1])]))
"""


def attempts(confinement: Confinement, *codes: str, cwd: Path | None = None) -> list[object]:
    """Evaluate each expression in one confined process; an OSError answers with its name and number."""
    command = confinement.command([sys.executable, "-c", TRY, json.dumps(codes)])
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    answers: list[object] = json.loads(done.stdout)
    return answers


CONNECT = "socket.create_connection(({!r}, {}), 5).close()"


@pytest.mark.parametrize("level", ["net", "full"])
def test_the_network_is_gone_and_loopback_works(level: str) -> None:
    with socket_outside() as port:
        outside = CONNECT.format("127.0.0.1", port)
        own = "(lambda s: socket.create_connection(s.getsockname(), 5).close())(socket.create_server(('127.0.0.1', 0)))"
        assert attempts(Confinement(), outside) == [None]
        assert attempts(Confinement.from_config({}, level), outside, CONNECT.format("192.0.2.1", 80), own) == [
            "ConnectionRefusedError 111",  # its 127.0.0.1 is another
            "OSError 101",  # network is unreachable
            None,
        ]


def socket_outside():  # type: ignore[no-untyped-def]
    """Yield the port of a listening socket of the machine."""
    import contextlib
    import socket

    @contextlib.contextmanager
    def listening():  # type: ignore[no-untyped-def]
        with socket.create_server(("127.0.0.1", 0)) as server:
            yield server.getsockname()[1]

    return listening()


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    made = {name: tmp_path / name for name in ("upload", "output", "elsewhere")}
    for folder in made.values():
        folder.mkdir()
        (folder / "there").write_text("text")
    return made


def writes(folder: object) -> str:
    return f"open({os.path.join(str(folder), 'new')!r}, 'w').write('x')"


def full(folders: dict[str, Path]) -> Confinement:
    return Confinement.from_config(
        {},
        {"level": "full", "upload_dir": str(folders["upload"]), "output_dir": str(folders["output"]), "tmp_mb": 2},
    )


READ_ONLY = "OSError 30"


def test_uploads_are_read_only_and_outputs_come_out(folders: dict[str, Path]) -> None:
    there = str(folders["upload"] / "there")
    answers = attempts(full(folders), f"open({there!r}).read()", writes(folders["upload"]), writes(folders["output"]))
    assert answers == ["text", READ_ONLY, 1]
    assert (folders["output"] / "new").read_text() == "x"
    assert not (folders["upload"] / "new").exists()


def test_a_link_in_the_outputs_does_not_lead_to_a_place_to_write(folders: dict[str, Path]) -> None:
    (folders["output"] / "link").symlink_to("/var")
    assert attempts(full(folders), writes(folders["output"] / "link")) == [READ_ONLY]


def test_everything_else_is_read_only_and_tmp_is_private(folders: dict[str, Path]) -> None:
    private = Path("/tmp/kernelet-private")
    answers = attempts(full(folders), writes("/etc"), writes("/usr"), f"os.mkdir({str(private)!r})", writes("/dev/shm"))
    assert answers == [READ_ONLY, READ_ONLY, None, 1]
    assert not private.exists()
    # What other programs have in /tmp is not there, unless it is named: tests run in /tmp.
    assert attempts(full(folders), f"os.path.exists({str(folders['elsewhere'])!r})") == [
        not str(folders["elsewhere"]).startswith("/tmp/")
    ]


def test_tmp_and_shared_memory_have_a_size(folders: dict[str, Path]) -> None:
    three_mb = "open('{}/big', 'wb').write(bytes(3 << 20))"
    assert attempts(full(folders), three_mb.format("/tmp"), three_mb.format("/dev/shm")) == [
        "OSError 28",  # no space left
        3 << 20,
    ]


def test_the_working_directory_stays_where_it_is(folders: dict[str, Path]) -> None:
    cwd = folders["elsewhere"]
    answers = attempts(full(folders), "os.getcwd()", "open('there').read()", writes("."), cwd=cwd)
    assert answers == [str(cwd), "text", READ_ONLY]
    assert attempts(full(folders).with_writable(str(cwd)), writes("."), cwd=cwd) == [1]


def test_a_folder_in_a_folder_keeps_its_own_rule(folders: dict[str, Path]) -> None:
    inside = folders["output"] / "upload"
    inside.mkdir()
    confinement = full({**folders, "upload": inside})
    assert attempts(confinement, writes(folders["output"]), writes(inside)) == [1, READ_ONLY]


def test_no_privilege_is_left_to_undo_it(folders: dict[str, Path]) -> None:
    upload = folders["upload"]
    tries = [
        f"os.system('mount -o remount,bind,rw {upload} 2>/dev/null') != 0",
        f"os.system('umount {upload} 2>/dev/null') != 0",
        # A namespace below this one gives privileges, yet none over the mounts that were locked on the way.
        f"os.system('unshare -Urm mount -o remount,bind,rw {upload} 2>/dev/null') != 0",
        f"os.system('unshare -Urm umount {upload} 2>/dev/null') != 0",
    ]
    assert attempts(full(folders), *tries, writes(upload)) == [True, True, True, True, READ_ONLY]


def test_a_folder_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    confinement = Confinement.from_config({}, {"level": "full", "output_dir": str(tmp_path / "absent")})
    with pytest.raises(ConfinementError, match="absent"):
        confinement.probe()


@pytest.mark.parametrize("level", ["net", "full"])
def test_a_machine_that_forbids_it_stops_the_start_and_says_why(level: str) -> None:
    """A user namespace in which no further one may be made stands for such a machine."""
    unshare = needs.need_executable("unshare")
    command = Confinement.from_config({}, level).command([sys.executable, "-c", "print('ran')"])
    forbid = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"'
    done = subprocess.run(
        [unshare, "-Ur", "sh", "-c", forbid, "sh", *command], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (REFUSED, "")
    assert f"isolation={level}: this machine does not allow a user namespace" in done.stderr


@pytest.mark.parametrize("zygote", [False, True])
def test_a_session_of_the_service_is_cut_off_and_still_works(
    start_engine: Callable[..., Sync], tmp_path: Path, zygote: bool
) -> None:
    upload, output = tmp_path / "upload", tmp_path / "output"
    upload.mkdir()
    (upload / "there").write_text("text")
    sync = start_engine(
        zygote=zygote,
        isolation="full",
        upload_dir=upload,
        output_dir=output,
        snapshot_dir=tmp_path / "kept",
        memory_mb=1000,
    )
    session = sync.session("isolated")

    def attempt(code: str) -> str:
        result = sync(session.run(code))
        if result.error is not None:
            return f"{result.error.name} {result.error.value.partition(']')[0]}"
        return str(result.results[0].data["text/plain"]) if result.results else ""

    assert attempt("import os, socket\nsocket.create_connection(('192.0.2.1', 80), 5)") == "OSError [Errno 101"
    assert attempt(f"open({str(upload / 'there')!r}).read()") == "'text'"
    assert attempt(f"open({str(upload / 'new')!r}, 'w')") == "OSError [Errno 30"
    assert attempt("open('/usr/new', 'w')") == "OSError [Errno 30"
    assert attempt("bytearray(2 << 30)").startswith("MemoryError")
    assert attempt("open('mine', 'w').write('x')") == "1"
    made = sync(session.run(f"open({str(output / 'made.txt')!r}, 'w').write('result')"))
    assert [file.path for file in made.files] == ["made.txt"]
    assert (output / "made.txt").read_text() == "result"
    saved = sync(Snapshots(sync.engine).save("isolated", "kept.zip"))
    assert "os" in saved["saved"]
    # What connects to another session is out of its sight.
    other = sync.session("other")
    key = Path(other.life._kernel._manager.connection_file)  # type: ignore[union-attr]
    assert key.exists()
    assert attempt(f"os.path.exists({str(key)!r})") == "False"
    # The successor of a kernel that died is cut off just as well.
    assert sync(session.run("os._exit(1)")).state_lost
    assert attempt("import socket\nsocket.create_connection(('192.0.2.1', 80), 5)") == "OSError [Errno 101"
