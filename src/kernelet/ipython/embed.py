"""`ipykernel.embed`, answered in a process that is a kernel already."""

from __future__ import annotations

from types import ModuleType
from typing import Any


def embed_kernel(module: ModuleType | None = None, local_ns: dict[str, Any] | None = None, **kwargs: Any) -> None:
    """Raise RuntimeError: no second kernel runs in a kernel's process, and none is needed."""
    raise RuntimeError("this process is a kernel already; %connect_info tells how to connect another client to it")
