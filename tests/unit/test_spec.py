"""The kernelspec as a value and as a folder."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.kernelspec import KernelSpecManager

from kernelet.launch import spec
from kernelet.launch.spec import LOGOS, SpecError, install, kernel_spec, main, write_kernel_spec

SHIPPED = Path(__file__).parents[2] / "share/jupyter/kernels/kernelet"


def listed(prefix: Path) -> dict[str, str]:
    """Return what a front end finds under a prefix: kernelspec name -> folder."""
    manager = KernelSpecManager(kernel_dirs=[str(prefix / "share/jupyter/kernels")], ensure_native_kernel=False)
    return dict(manager.find_kernel_specs())


def test_the_spec_starts_this_python_with_the_connection_file_as_an_item() -> None:
    assert kernel_spec()["argv"] == [sys.executable, "-m", "kernelet", "-f", "{connection_file}"]


@pytest.mark.skipif(os.name == "nt", reason="another machine: it has signals")
def test_the_shipped_kernel_json_differs_in_the_interpreter_only() -> None:
    shipped = json.loads((SHIPPED / "kernel.json").read_text(encoding="utf-8"))
    made = kernel_spec()
    assert shipped.pop("argv") == ["python", *made.pop("argv")[1:]]
    assert shipped == made


def test_the_shipped_folder_holds_every_logo() -> None:
    assert {path.name for path in SHIPPED.iterdir()} == {"kernel.json", *LOGOS}


@pytest.mark.parametrize(
    "choice, arguments", [(None, []), (True, ["-Xfrozen_modules=on"]), (False, ["-Xfrozen_modules=off"])]
)
def test_frozen_modules_is_handed_to_python(choice: bool | None, arguments: list[str]) -> None:
    argv = kernel_spec(frozen_modules=choice)["argv"]
    assert argv == [sys.executable, *arguments, "-m", "kernelet", "-f", "{connection_file}"]


def test_a_profile_is_handed_to_the_kernel() -> None:
    assert kernel_spec(profile="maths")["argv"][-2:] == ["--profile", "maths"]


def test_env_is_there_only_when_asked_for() -> None:
    assert "env" not in kernel_spec(env={})
    assert kernel_spec(env={"A": "", "B": "x=y"})["env"] == {"A": "", "B": "x=y"}


@pytest.mark.parametrize("name, value", [("", "x"), ("A=B", "x"), ("A\0", "x"), ("A", "x\0")])
def test_a_variable_no_process_can_have_is_refused(name: str, value: str) -> None:
    with pytest.raises(SpecError, match="not an environment variable"):
        kernel_spec(env={name: value})


def test_an_installed_spec_is_found_with_its_logos(tmp_path: Path) -> None:
    directory = install(prefix=tmp_path)
    assert directory == str(tmp_path / "share/jupyter/kernels/kernelet")
    assert listed(tmp_path) == {"kernelet": directory}
    assert {path.name for path in Path(directory).iterdir()} == {"kernel.json", *LOGOS}
    for logo in LOGOS:
        assert Path(directory, logo).read_bytes() == (SHIPPED / logo).read_bytes()


def test_installing_again_replaces_the_whole_folder(tmp_path: Path) -> None:
    directory = Path(install(prefix=tmp_path, display_name="the first"))
    (directory / "kernel.js").write_text("left over")
    assert install(prefix=tmp_path, display_name="the second") == str(directory)
    assert json.loads((directory / "kernel.json").read_text())["display_name"] == "the second"
    assert not (directory / "kernel.js").exists()
    assert os.listdir(directory.parent) == ["kernelet"]


def test_a_link_of_that_name_is_replaced_and_what_it_points_to_is_left(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kernel.json").write_text("{}")
    directory = tmp_path / "share/jupyter/kernels/kernelet"
    directory.parent.mkdir(parents=True)
    directory.symlink_to(elsewhere)
    install(prefix=tmp_path)
    assert not directory.is_symlink()
    assert (elsewhere / "kernel.json").read_text() == "{}"


def test_a_spec_that_cannot_be_written_leaves_the_old_one_and_nothing_else(tmp_path: Path) -> None:
    directory = Path(install(prefix=tmp_path))
    before = (directory / "kernel.json").read_bytes()
    with pytest.raises(TypeError):
        write_kernel_spec(directory, {"argv": object()})
    assert (directory / "kernel.json").read_bytes() == before
    assert os.listdir(directory.parent) == ["kernelet"]


@pytest.mark.parametrize(
    "options, display_name",
    [
        ({}, "Python 3 (kernelet)"),
        ({"kernel_name": "mine"}, "mine"),
        ({"profile": "maths"}, "Python 3 (kernelet, maths)"),
        ({"kernel_name": "mine", "profile": "maths"}, "mine"),
        ({"kernel_name": "mine", "display_name": "Mine ünd \N{SNAKE}"}, "Mine ünd \N{SNAKE}"),
    ],
)
def test_the_display_name_tells_specs_apart(tmp_path: Path, options: dict[str, str], display_name: str) -> None:
    directory = install(prefix=tmp_path, **options)  # type: ignore[arg-type]
    assert json.loads(Path(directory, "kernel.json").read_text(encoding="utf-8"))["display_name"] == display_name


def test_a_name_is_lower_cased_as_front_ends_look_it_up(tmp_path: Path) -> None:
    directory = install(prefix=tmp_path, kernel_name="Mine-3.11_x")
    assert listed(tmp_path) == {"mine-3.11_x": directory}


@pytest.mark.parametrize("name", ["", ".", "..", "a b", "a/b", "../a", "a\n", "é", "a:b", "~"])
def test_a_name_jupyter_does_not_allow_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SpecError, match="not a kernel name"):
        install(prefix=tmp_path, kernel_name=name)
    assert list(tmp_path.iterdir()) == []


def test_two_places_at_once_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="exclude each other"):
        install(user=True, prefix=tmp_path)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SpecError, match=r"^cannot write .*file/share/jupyter/kernels/kernelet: Not a directory$"):
        install(prefix=tmp_path / "file")


def test_a_relative_prefix_gives_an_absolute_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert install(prefix="here") == str(tmp_path / "here/share/jupyter/kernels/kernelet")


def test_without_rights_to_the_machine_the_user_is_told_of_other_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(spec, "SYSTEM_JUPYTER_PATH", [str(tmp_path / "file")])
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("kernelet install: cannot write ")
    assert line.endswith("(try --user or --sys-prefix)")


def test_a_place_where_jupyter_does_not_look_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--prefix", str(tmp_path)]) == 0
    assert f"JUPYTER_PATH has {tmp_path}/share/jupyter\n" in capsys.readouterr().err
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "share/jupyter"))
    assert main(["--prefix", str(tmp_path)]) == 0
    assert capsys.readouterr() == (
        f"Installed the kernelspec kernelet in {tmp_path}/share/jupyter/kernels/kernelet\n",
        "",
    )


def test_an_instant_spec_asks_for_the_zygote_and_names_what_it_imports(tmp_path: Path) -> None:
    directory = install(prefix=tmp_path, instant=True, preload=["numpy", "matplotlib.pyplot"])
    assert directory == str(tmp_path / "share/jupyter/kernels/kernelet-instant")
    spec = json.loads(Path(directory, "kernel.json").read_text())
    assert spec["display_name"] == "Python 3 (kernelet, instant)"
    assert spec["metadata"]["kernel_provisioner"] == {
        "provisioner_name": "kernelet-zygote",
        "config": {"preload": ["numpy", "matplotlib.pyplot"]},
    }


@pytest.mark.parametrize("options", [{"preload": ["numpy"]}, {"instant": True, "preload": ["import os"]}])
def test_a_preload_that_cannot_be_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(SpecError):
        kernel_spec(**options)


def test_the_instant_spec_that_is_shipped_is_the_one_that_would_be_installed() -> None:
    shipped = json.loads((SHIPPED.parent / "kernelet-instant/kernel.json").read_text())
    made = kernel_spec(display_name="Python 3 (kernelet, instant)", instant=True)
    assert {**shipped, "argv": None, "interrupt_mode": None} == {**made, "argv": None, "interrupt_mode": None}
