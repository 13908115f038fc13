"""kernelet: a small, fast, pure-Python Jupyter kernel, and the execution service on top of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .kernel.guest import EmbeddedKernel as EmbeddedKernel
    from .kernel.guest import embed_kernel as embed_kernel
    from .kernel.wrapper import LanguageKernel as LanguageKernel

__version__ = "0.1.0"

_PUBLIC = {"EmbeddedKernel": "kernel.guest", "embed_kernel": "kernel.guest", "LanguageKernel": "kernel.wrapper"}


def __getattr__(name: str) -> Any:
    """Import a public name when it is asked for: the start of a kernel needs none of them."""
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_PUBLIC[name]}", __name__), name)


def __dir__() -> list[str]:
    return [*globals(), *_PUBLIC]
