"""The kernelspec: the kernel.json and the logos by which Jupyter front ends find kernelet and start it.

`kernelet install` and the function `install` are the same thing.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NoReturn

from jupyter_core.paths import SYSTEM_JUPYTER_PATH, jupyter_data_dir, jupyter_path

KERNEL_NAME = "kernelet"
DISPLAY_NAME = "Python 3 (kernelet)"
INSTANT_NAME = "kernelet-instant"
INSTANT_PROVISIONER = "kernelet-zygote"
"""The entry point of `provisioner.ZygoteProvisioner`, by which a kernelspec asks for it."""
LOGOS = ("logo-32x32.png", "logo-64x64.png", "logo-svg.svg")

# jupyter_client lists no folder whose name has anything else; it lower-cases names when it looks them up.
_KERNEL_NAME = re.compile(r"[a-z0-9._-]+", re.IGNORECASE | re.ASCII)


class SpecError(Exception):
    """What the person who asked for a kernelspec can mend; the message is one line."""


def kernel_spec(
    *,
    display_name: str = DISPLAY_NAME,
    profile: str | None = None,
    env: Mapping[str, str] | None = None,
    frozen_modules: bool | None = None,
    instant: bool = False,
    preload: Sequence[str] = (),
) -> dict[str, Any]:
    """Return the contents of a kernel.json that starts kernelet on this very Python.

    `frozen_modules` is handed to Python as `-Xfrozen_modules=on|off`; None leaves Python's own default. `instant`
    kernels are forked from a zygote that has imported the modules in `preload`.

    Raises:
        SpecError: a name or value in `env` that no process can be given, a name in `preload` that no module can have.
    """
    # VS Code looks for an absolute interpreter; Zed for an item that *is* the placeholder.
    argv = [sys.executable]
    if frozen_modules is not None:
        argv.append(f"-Xfrozen_modules={'on' if frozen_modules else 'off'}")
    argv += ["-m", "kernelet", "-f", "{connection_file}"]
    if profile is not None:
        argv += ["--profile", profile]
    spec: dict[str, Any] = {
        "argv": argv,
        "display_name": display_name,
        "language": "python",
        # Windows has no signal that reaches another process and leaves it alive.
        "interrupt_mode": "message" if os.name == "nt" else "signal",
        "metadata": {"debugger": True, "supported_encryption": ["curve"]},
        "kernel_protocol_version": "5.5",
    }
    if preload and not instant:
        raise SpecError("preload is for instant kernels")
    if wrong := [name for name in preload if not all(part.isidentifier() for part in name.split("."))]:
        raise SpecError(f"not a module: {wrong[0]!r}")
    if instant:
        config = {"preload": list(preload)}
        spec["metadata"]["kernel_provisioner"] = {"provisioner_name": INSTANT_PROVISIONER, "config": config}
    if env:
        for name, value in env.items():
            if not name or "=" in name or "\0" in name + value:
                raise SpecError(f"not an environment variable: {name!r} with the value {value!r}")
        spec["env"] = dict(env)
    return spec


def write_kernel_spec(directory: str | os.PathLike[str], spec: Mapping[str, Any]) -> None:
    """Write kernel.json and the logos into `directory`, in place of whatever has that name.

    The new folder is moved into place whole: a front end never reads half a kernelspec.

    Raises:
        OSError: nothing was changed.
    """
    directory = Path(directory)
    directory.parent.mkdir(parents=True, exist_ok=True)
    # Front ends list every folder with a kernel.json in it, so the unfinished one is hidden one level deeper.
    with TemporaryDirectory(dir=directory.parent, prefix=".kernelet-") as work:
        fresh, former = Path(work, "fresh"), Path(work, "former")
        fresh.mkdir()
        for logo in _logos():
            shutil.copyfile(logo, fresh / logo.name)
        (fresh / "kernel.json").write_text(json.dumps(spec, indent=2) + "\n", encoding="utf-8")
        replaces = os.path.lexists(directory)
        if replaces:
            directory.rename(former)
        try:
            fresh.rename(directory)
        except OSError:
            if replaces:
                former.rename(directory)
            raise


def install(
    *,
    user: bool = False,
    sys_prefix: bool = False,
    prefix: str | os.PathLike[str] | None = None,
    kernel_name: str | None = None,
    display_name: str | None = None,
    profile: str | None = None,
    env: Mapping[str, str] | None = None,
    frozen_modules: bool | None = None,
    instant: bool = False,
    preload: Sequence[str] = (),
) -> str:
    """Install a kernelspec that starts kernelet on this very Python; return the folder made.

    For everybody on this machine, unless one of `user` (the current user), `sys_prefix` (this Python's own prefix) and
    `prefix` says otherwise. A kernelspec of the same name there is replaced. Without a `kernel_name` it is kernelet, or
    kernelet-instant.

    Raises:
        SpecError: a name Jupyter does not allow, a place that cannot be written, a bad variable in `env`.
    """
    if user + sys_prefix + (prefix is not None) > 1:
        raise SpecError("user, sys_prefix and prefix exclude each other")
    if kernel_name is None:
        kernel_name = INSTANT_NAME if instant else KERNEL_NAME
    if not _KERNEL_NAME.fullmatch(kernel_name) or not kernel_name.strip("."):
        raise SpecError(
            f"not a kernel name: {kernel_name!r} (Jupyter allows ASCII letters, digits, '.', '_' and '-')",
        )
    if display_name is None:
        display_name = _default_display_name(kernel_name, profile)
    spec = kernel_spec(
        display_name=display_name,
        profile=profile,
        env=env,
        frozen_modules=frozen_modules,
        instant=instant,
        preload=preload,
    )
    if user:
        data_dir = Path(jupyter_data_dir())
    elif sys_prefix or prefix is not None:
        data_dir = Path(sys.prefix if prefix is None else prefix, "share", "jupyter")
    else:
        data_dir = Path(SYSTEM_JUPYTER_PATH[0])
    directory = data_dir.absolute() / "kernels" / kernel_name.lower()
    try:
        write_kernel_spec(directory, spec)
    except OSError as error:
        raise SpecError(f"cannot write {directory}: {error.strerror or error}") from error
    return str(directory)


def add_install_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `kernelet install` to `parser`."""
    place = parser.add_mutually_exclusive_group()
    place.add_argument("--user", action="store_true", help="install for the current user, not for the whole machine")
    place.add_argument("--sys-prefix", action="store_true", help="install into this Python's own prefix")
    place.add_argument("--prefix", metavar="P", help="install into P/share/jupyter/kernels")
    parser.add_argument("--name", metavar="N", help="the kernelspec's name (default: kernelet, or kernelet-instant)")
    parser.add_argument("--display-name", metavar="D", help="the name people see")
    parser.add_argument("--profile", metavar="P", help="the IPython profile that the kernel starts with")
    parser.add_argument(
        "--env",
        action="append",
        nargs=2,
        default=[],
        metavar=("K", "V"),
        help="set the environment variable K to V in the kernel; may be repeated",
    )
    parser.add_argument(
        "--instant", action="store_true", help="fork kernels from a process that has everything imported (Linux)"
    )
    parser.add_argument(
        "--preload",
        action="append",
        default=[],
        metavar="M",
        help="with --instant: a module that this process imports as well (numpy, pandas, matplotlib); may be repeated",
    )
    parser.add_argument(
        "--frozen-modules",
        "--frozen_modules",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="start Python with -Xfrozen_modules=on or off (default: as Python does)",
    )


def main(argv: Sequence[str]) -> int:
    """Run `kernelet install` with the arguments after the word install; return the exit status."""
    parser = _Parser(
        prog="kernelet install",
        description="Install a kernelspec, so that Jupyter front ends offer kernelet on this Python.",
        allow_abbrev=False,
    )
    add_install_arguments(parser)
    options = parser.parse_args(argv)
    try:
        directory = install(
            user=options.user,
            sys_prefix=options.sys_prefix,
            prefix=options.prefix,
            kernel_name=options.name,
            display_name=options.display_name,
            profile=options.profile,
            env=dict(options.env),
            frozen_modules=options.frozen_modules,
            instant=options.instant,
            preload=options.preload,
        )
    except SpecError as error:
        everywhere = not (options.user or options.sys_prefix or options.prefix is not None)
        denied = everywhere and isinstance(error.__cause__, OSError)
        parser.error(f"{error} (try --user or --sys-prefix)" if denied else str(error))
    print(f"Installed the kernelspec {Path(directory).name} in {directory}")
    kernels = os.path.dirname(directory)
    if kernels not in jupyter_path("kernels"):
        print(f"Jupyter finds it only where JUPYTER_PATH has {os.path.dirname(kernels)}", file=sys.stderr)
    return 0


class _Parser(argparse.ArgumentParser):
    """A parser whose complaint is one line, without the usage in front."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def _default_display_name(kernel_name: str, profile: str | None) -> str:
    if kernel_name not in (KERNEL_NAME, INSTANT_NAME):
        return kernel_name
    notes = ["kernelet", *(["instant"] if kernel_name == INSTANT_NAME else []), *([profile] if profile else [])]
    return f"Python 3 ({', '.join(notes)})"


def _logos() -> list[Path]:
    """Return the logo files: the wheel puts them beside this file, a source tree keeps them in share."""
    here = Path(__file__).parent
    for folder in (here / "resources", here / "../../../share/jupyter/kernels/kernelet"):
        found = [folder / name for name in LOGOS if (folder / name).is_file()]
        if found:
            return found
    return []  # a repackaged kernelet without them still starts
