"""How other clients connect to this kernel: `ipykernel.connect`, answered for the kernel that runs here.

wandb, mlflow and others find their notebook by `ipykernel.get_connection_file()`. Any thread.
"""

from __future__ import annotations

import glob
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from ..protocol.connection import parse

__all__ = ["connect_qtconsole", "get_connection_file", "get_connection_info", "write_connection_file"]


def get_connection_file(app: Any = None) -> str:
    """Return the path of this kernel's connection file, or of that of another `app`."""
    if app is None:
        from .app import IPKernelApp

        if not IPKernelApp.initialized():
            raise RuntimeError("app not specified, and not in a running Kernel")
        app = IPKernelApp.instance()
    return _existing(str(app.connection_file), str(getattr(app, "connection_dir", "")))


def get_connection_info(connection_file: str | None = None, unpack: bool = False) -> str | dict[str, Any]:
    """Return the text of a connection file (this kernel's), or with `unpack` its fields, the key as bytes."""
    path = get_connection_file() if connection_file is None else _existing(connection_file, "")
    text = Path(path).read_text(encoding="utf-8")
    if not unpack:
        return text
    fields: dict[str, Any] = json.loads(text)
    return {**fields, "key": fields.get("key", "").encode()}


def connect_qtconsole(connection_file: str | None = None, argv: list[str] | None = None) -> subprocess.Popen[bytes]:
    """Open a Qt console on this kernel, in a session of its own, so that no interrupt reaches it."""
    path = get_connection_file() if connection_file is None else _existing(connection_file, "")
    code = "from qtconsole import qtconsoleapp; qtconsoleapp.main()"
    return subprocess.Popen(
        [sys.executable, "-c", code, "--existing", path, *(argv or ())],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def write_connection_file(
    fname: str | None = None,
    shell_port: int = 0,
    iopub_port: int = 0,
    stdin_port: int = 0,
    hb_port: int = 0,
    control_port: int = 0,
    ip: str = "",
    key: bytes = b"",
    transport: str = "tcp",
    signature_scheme: str = "hmac-sha256",
    kernel_name: str = "",
    **kwargs: Any,
) -> tuple[str, dict[str, Any]]:
    """Write a connection file for another kernel and return its path and fields. A port of 0 stays for that to choose.

    Raises InvalidConnection for fields that no kernel could use.
    """
    fields: dict[str, Any] = {
        "shell_port": shell_port,
        "iopub_port": iopub_port,
        "stdin_port": stdin_port,
        "control_port": control_port,
        "hb_port": hb_port,
        "ip": ip or "127.0.0.1",
        "key": key.decode(),
        "transport": transport,
        "signature_scheme": signature_scheme,
        "kernel_name": kernel_name,
        **kwargs,
    }
    text = parse(json.dumps(fields)).dump()
    if fname is None:
        descriptor, fname = tempfile.mkstemp(".json", "kernel-")
    else:
        descriptor = os.open(fname, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    return fname, fields


def _existing(name: str, directory: str) -> str:
    """Return the path of a connection file by path, name, or part of the name. Raises OSError when there is none."""
    from jupyter_core.paths import jupyter_runtime_dir  # only for a name without its directory

    for folder in (".", directory, jupyter_runtime_dir()):
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            return os.path.abspath(path)
    found = glob.glob(os.path.join(glob.escape(jupyter_runtime_dir()), f"kernel-*{glob.escape(name)}*.json"))
    if not found:
        raise OSError(f"Could not find {name!r} in '.', {directory!r} or {jupyter_runtime_dir()!r}")
    return max(found, key=os.path.getatime)
