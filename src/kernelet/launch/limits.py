"""Resource limits of a kernel process: values, their check, and the rlimits that they become in the new process.

Standard library only, since `apply` runs between a fork and the kernel's first line. What rlimits cannot say (memory of
all processes together, the number of root's processes) is the watchdog's of whoever started the kernel.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Self

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

MB = 1 << 20

_CPU_GRACE_S = 5
"""Between SIGXCPU, which ends Python, and SIGKILL."""

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


class LimitError(ValueError):
    """A limit that means nothing; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a kernel process may use; 0 stands for no limit."""

    memory_mb: int = 0
    """Private writable memory: beyond it Python raises MemoryError."""
    cpu_seconds: int = 0
    """Of the whole life of the process, not of one cell."""
    nproc: int = 0
    """Processes and threads: see `apply` for where it holds."""
    fsize_mb: int = 0
    """The size of a file that it writes; beyond it `OSError: File too large`."""
    nofile: int = 0
    threads: int = 0
    """How many threads numeric libraries start, by their environment variables."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                raise LimitError(f"The limit {field.name} is {value!r}; it takes a whole number, 0 for no limit.")

    @classmethod
    def from_config(cls, config: Mapping[str, object]) -> Self:
        """Return the limits that a kernelspec or a request names.

        Raises:
            LimitError: an unknown name, or a value that is no whole number.
        """
        names = [field.name for field in fields(cls)]
        if unknown := set(config) - set(names):
            raise LimitError(f"Unknown limit {', '.join(sorted(unknown))}; there are {', '.join(names)}.")
        return cls(**config)  # type: ignore[arg-type]  # __post_init__ checks

    def as_config(self) -> dict[str, int]:
        """Return what `from_config` takes."""
        return asdict(self)

    def environment(self) -> dict[str, str]:
        """Return the variables that go into the new process's environment, before it imports anything numeric."""
        return dict.fromkeys(_THREAD_VARIABLES, str(self.threads)) if self.threads else {}

    def apply(self, *, own_user_namespace: bool = False) -> None:
        """Limit this process and all that it starts, for good. Call in the new process.

        `nproc` is applied in a user namespace of one's own only: elsewhere the processes that the user has anyway would
        count, and the limit would hit the wrong ones. Linux never counts root's processes.

        Raises:
            LimitError: the system has no such limits, or refuses one.
        """
        wanted = [
            # Not RLIMIT_AS: torch and CUDA reserve far more addresses than they use.
            ("RLIMIT_DATA", self.memory_mb * MB, 0),
            ("RLIMIT_CPU", self.cpu_seconds, _CPU_GRACE_S),
            ("RLIMIT_FSIZE", self.fsize_mb * MB, 0),
            ("RLIMIT_NOFILE", self.nofile, 0),
            ("RLIMIT_NPROC", self.nproc if own_user_namespace else 0, 0),
        ]
        wanted = [limit for limit in wanted if limit[1]]
        if resource is None:
            if wanted:
                raise LimitError(f"Limits need Unix; this is {os.name}.")
            return
        for name, soft, grace in wanted:
            number = getattr(resource, name, None)
            if number is None:
                raise LimitError(f"This system has no {name}.")
            _, highest = resource.getrlimit(number)
            # A limit may be lowered only: whoever started us may have set a lower one.
            if highest != resource.RLIM_INFINITY:
                soft, hard = min(soft, highest), min(soft + grace, highest)
            else:
                hard = soft + grace
            try:
                resource.setrlimit(number, (soft, hard))
            except (OSError, ValueError) as error:
                raise LimitError(f"{name} cannot be set to {soft}: {error}") from error
        if wanted:
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
