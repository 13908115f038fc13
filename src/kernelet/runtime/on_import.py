"""Notices that a module is imported for the first time, by whoever does it. In the thread that imports it.

An entry of sys.meta_path. What it finds is what would be found without it, with a loader that tells when it is done.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


def call_after_import(name: str, call: Callable[[], None]) -> None:
    """Call `call` once the module `name` is there: now, or right after its import."""
    if name in sys.modules:
        call()
    else:
        OnImport(name, call)


class OnImport:
    """Calls `call` once, right after the module `name` was imported."""

    def __init__(self, name: str, call: Callable[[], None]) -> None:
        self._name = name
        self._call = call
        sys.meta_path.insert(0, self)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Find the module that is waited for, as the entries behind this one do."""
        if name != self._name or self not in sys.meta_path:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            telling: Any = _Telling(spec.loader, self._call)
            spec.loader = telling
        return spec


class _Telling:
    """A loader that is another one, and tells."""

    def __init__(self, loader: Any, call: Callable[[], None]) -> None:
        self._loader = loader
        self._call = call

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        module: ModuleType | None = self._loader.create_module(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Run the module, which from now on has the loader that it would have without us."""
        assert module.__spec__ is not None
        module.__loader__ = module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        self._call()
