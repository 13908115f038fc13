"""`python -m kernelet.launch.confined CONFIG COMMAND…`: limit and isolate this process, then become COMMAND.

How a kernel that is spawned, not forked by the zygote, gets its limits: the provisioner puts this in front of its argv.
CONFIG is the JSON of `Confinement.as_config`. Without a COMMAND it only tries, and its exit status tells if it works.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

from .isolation import Isolation, IsolationError, IsolationLevel
from .limits import LimitError, Limits

REFUSED = 125
"""Exit status when the process cannot be confined: nothing of COMMAND has run."""


class ConfinementError(Exception):
    """Why a kernel cannot be limited or isolated as asked; the message is one or two sentences."""


@dataclass(frozen=True, slots=True)
class Confinement:
    """The limits and the isolation of one kernel process."""

    limits: Limits = field(default_factory=Limits)
    isolation: Isolation = field(default_factory=Isolation)

    @classmethod
    def from_config(cls, limits: Mapping[str, object] | None, isolation: Mapping[str, object] | str | None) -> Self:
        """Return what a kernelspec or a request describes; `isolation` may be the level alone.

        Raises:
            ConfinementError: something unknown in it.
        """
        described = {"level": isolation} if isinstance(isolation, str) else isolation or {}
        try:
            return cls(Limits.from_config(limits or {}), Isolation.from_config(described))
        except (LimitError, IsolationError) as error:
            raise ConfinementError(str(error)) from error

    def as_config(self) -> dict[str, dict[str, object]]:
        """Return the keyword arguments of `from_config`, as JSON has them."""
        return {"limits": dict(self.limits.as_config()), "isolation": self.isolation.as_config()}

    @property
    def confines(self) -> bool:
        """Whether there is anything to apply."""
        return self != Confinement(isolation=replace(self.isolation, level=IsolationLevel.NONE))

    def with_writable(self, *paths: str) -> Self:
        """Return the same with more folders that stay writable."""
        paths = tuple(map(os.path.abspath, paths))
        return replace(self, isolation=replace(self.isolation, writable=(*self.isolation.writable, *paths)))

    def with_readable(self, *paths: str) -> Self:
        """Return the same with more files and folders that stay visible, wherever they are."""
        paths = tuple(map(os.path.abspath, paths))
        return replace(self, isolation=replace(self.isolation, readable=(*self.isolation.readable, *paths)))

    def apply(self, cwd: str | None = None) -> None:
        """Confine this process, which has one thread, for good.

        Raises:
            ConfinementError: it must end then, since it may be confined in part.
        """
        isolated = self.isolation.level is not IsolationLevel.NONE
        os.environ.update(self.limits.environment())
        try:
            self.isolation.enter(cwd)
            self.limits.apply(own_user_namespace=isolated)
        except (LimitError, IsolationError, OSError) as error:
            raise ConfinementError(str(error)) from error

    def command(self, argv: Sequence[str]) -> list[str]:
        """Return the command that runs `argv` confined."""
        if not self.confines:
            return list(argv)
        return [sys.executable, "-m", __spec__.name, json.dumps(self.as_config()), *argv]

    def probe(self) -> None:
        """Find out whether this machine allows it, by doing it in a process that ends at once. Takes about 50 ms.

        Raises:
            ConfinementError: it does not.
        """
        if not self.confines:
            return
        done = subprocess.run(self.command([]), capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        if done.returncode:
            raise ConfinementError(done.stderr.strip() or f"the trial ended with status {done.returncode}")


def main(argv: Sequence[str]) -> int:
    """Confine this process and become the command in `argv[1:]`; return only when it cannot."""
    try:
        described = json.loads(argv[0])
        Confinement.from_config(**described).apply()
    except (IndexError, TypeError, ValueError) as error:
        print(f"usage: python -m kernelet.launch.confined CONFIG COMMAND…: {error!r}", file=sys.stderr)
        return REFUSED
    except ConfinementError as error:
        print(error, file=sys.stderr)
        return REFUSED
    if not argv[1:]:
        return 0
    try:
        os.execvp(argv[1], list(argv[1:]))
    except OSError as error:
        print(f"{argv[1]}: {error}", file=sys.stderr)
        return REFUSED


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
