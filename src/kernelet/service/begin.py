"""What a command says when it cannot begin: one clear line for each thing that is wrong, before anything is started."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic import ValidationError

from kernelet.launch.confined import Confinement, ConfinementError
from kernelet.service.settings import Settings

BAD_START: Final = 2
"""The exit status, as of a command line that is wrong."""


class BadStartError(Exception):
    """Why a command cannot begin; the message may have several lines."""


def settings_for(given: dict[str, Any]) -> Settings:
    """Return the settings of the command line, the environment and `.env`, having looked at what they name.

    Raises:
        BadStartError: a value is wrong, or what it names is not there.
    """
    try:
        settings = Settings(**given)
    except ValidationError as error:
        raise BadStartError("\n".join(_wrong(dict(problem)) for problem in error.errors())) from None
    if obstacles := list(_obstacles(settings)):
        raise BadStartError("\n".join(obstacles))
    return settings


def say(program: str, error: BadStartError) -> int:
    """Write why it cannot begin to stderr; return the exit status."""
    for line in str(error).splitlines():
        sys.stderr.write(f"{program}: {line}\n")
    return BAD_START


def _wrong(problem: dict[str, Any]) -> str:
    name = str(problem["loc"][0]) if problem["loc"] else ""
    variable = name.upper() if name.startswith(("kernelet_", "jupyter_")) else f"KERNELET_{name.upper()}"
    return f"{name}: {problem['msg']} (--{name.replace('_', '-')}, or {variable} in the environment or .env)"


def _obstacles(settings: Settings) -> Iterator[str]:
    if settings.upload_dir is not None and not settings.upload_dir.is_dir():
        yield f"upload_dir: {str(settings.upload_dir)!r} is no folder."
    for name in ("work_dir", "output_dir"):
        folder: Path | None = getattr(settings, name)
        if folder is None:
            continue
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            yield f"{name}: {str(folder)!r} cannot be made: {error.strerror}."
            continue
        if not os.access(folder, os.W_OK):
            yield f"{name}: {str(folder)!r} cannot be written to."
    if settings.backend == "remote":
        parts = urlsplit(settings.server_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            yield f"server_url: {settings.server_url!r} is no address like http://127.0.0.1:8888."
    elif settings.isolation != "none":
        try:
            Confinement.from_config({}, {"level": settings.isolation}).probe()
        except ConfinementError as error:
            yield f"isolation: this machine does not allow {settings.isolation!r}: {error}"


def listen(host: str, port: int) -> list[socket.socket]:
    """Return sockets that are bound to every address of `host`; port 0 takes a free one, the same for all.

    Raises:
        BadStartError: the host has no address here, or the port is taken.
    """
    bound: list[socket.socket] = []
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, address in dict.fromkeys((one[0], one[4]) for one in found):
            # The protocol by name: asyncio sets TCP_NODELAY where it reads TCP; without it an answer waits 40 ms.
            made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
            bound.append(made)
            if os.name != "nt":  # there it lets two programs have one port
                made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            made.bind((address[0], port or (bound[0].getsockname()[1] if len(bound) > 1 else 0), *address[2:]))
    except OSError as error:
        for one in bound:
            one.close()
        raise BadStartError(f"cannot serve at {host} port {port}: {error.strerror or error}") from None
    return bound
