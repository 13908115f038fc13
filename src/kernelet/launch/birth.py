"""How a forked kernel comes into the world: all that a spawned process would have got from its parent, as a value.

`Birth` travels as JSON from the provisioner to the zygote; `apply` runs in the child, before anything else does there.
Standard library only.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

PROTOCOL = 1
"""Raised when provisioner and zygote (of different environments, perhaps) would no longer understand each other."""


class Unconfined(Exception):
    """Why the child cannot be limited or isolated as asked; it must not start then."""


@dataclass(frozen=True, slots=True)
class Birth:
    """What one kernel is born with: `command` is `python -m MODULE ARGV…`, `module` and `argv` are parts of it."""

    command: Sequence[str]
    module: str
    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: str
    umask: int
    confinement: Mapping[str, Any] = field(default_factory=dict)
    """What `Confinement.as_config` returns; {} confines nothing."""

    def dumps(self) -> bytes:
        """Return it as JSON. Surrogates stand for bytes that are no UTF-8, as everywhere in Python's os."""
        return json.dumps({"protocol": PROTOCOL, **asdict(self)}).encode()

    @classmethod
    def loads(cls, text: bytes) -> Self:
        """Return what `dumps` was given. Raises ValueError for another version's."""
        fields = json.loads(text)
        if fields.pop("protocol", None) != PROTOCOL:
            raise ValueError("provisioner and zygote are of different versions of kernelet")
        return cls(**fields)

    def apply(self) -> None:
        """Make this process, which was forked a moment ago and has one thread, the one described.

        Raises OSError (a working directory that is not there) and Unconfined; it must end then.
        """
        os.setsid()
        _default_signals()
        os.umask(self.umask)
        timezone = os.environ.get("TZ")
        for name in [name for name in os.environ if name not in self.env]:
            del os.environ[name]
        os.environ.update((name, value) for name, value in self.env.items() if os.environ.get(name) != value)
        if self.env.get("TZ") != timezone:
            time.tzset()
        if self.confinement:
            from .confined import Confinement, ConfinementError

            try:
                Confinement.from_config(**self.confinement).apply(self.cwd)
            except ConfinementError as error:
                raise Unconfined(str(error)) from error
        else:
            os.chdir(self.cwd)
        sys.argv = [self.command[0], *self.argv]
        sys.orig_argv = list(self.command)
        _forget_what_must_differ()
        for stream in (sys.stdout, sys.stderr):
            if stream is not None and hasattr(stream, "reconfigure"):
                stream.reconfigure(line_buffering=stream is sys.stderr or stream.isatty())


def _default_signals() -> None:
    """Undo what the zygote does about signals, as a new interpreter would find them."""
    signal.set_wakeup_fd(-1)
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL)):
        signal.signal(number, handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _forget_what_must_differ() -> None:
    """Take from the child what is the zygote's own: states of random generators, secrets, places found by its env.

    `random` reseeds itself at a fork, numpy and torch do not; `secrets`, `uuid` and OpenSSL ask the system.
    """
    seed = int.from_bytes(os.urandom(4), "little")
    if "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed(seed)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)
    if "multiprocessing.process" in sys.modules:
        sys.modules["multiprocessing.process"].current_process().authkey = os.urandom(32)
    tempfile.tempdir = None
