"""Names of ipykernel's modules that lead to this kernel's objects, in the kernel's process only.

The real ipykernel is mostly installed beside us, and libraries that import it mean "the kernel that I run in": a comm
made by the real `ipykernel.comm` would publish nothing, and importing the real `ipykernel.ipkernel` would take the
comm package's hooks away from us. So a finder answers an exact table of names; all others are the real package's. Where
that is absent, a minimal `ipykernel` is there in its place. `KERNELET_NO_IPYKERNEL_ALIASES=1`, or
`c.IPKernelApp.ipykernel_aliases = False`, turns all of it off. Modules that are not what they seem have `__shim_for__`.
"""

from __future__ import annotations

import importlib
import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

import comm

if TYPE_CHECKING:
    from importlib.abc import Loader  # 1 ms of start-up, for nothing that we inherit

SWITCH = "KERNELET_NO_IPYKERNEL_ALIASES"
# What the minimal package says that it is: the release whose API the objects behind these names follow.
VERSION = (7, 4, 0)
PROTOCOL_VERSION = (5, 3)


class Alias:
    """A module made of names of our modules. `stands_in`: only where the real package does not have it."""

    # Not a dataclass: making one costs 0.3 ms at every start.
    __slots__ = ("names", "package", "stands_in")

    def __init__(self, names: Mapping[str, Sequence[str]], package: bool = False, stands_in: bool = False) -> None:
        self.names = names
        self.package = package
        self.stands_in = stands_in


ALIASES: Mapping[str, Alias] = {
    "ipykernel.comm": Alias({"comms": ("Comm", "BaseComm", "CommManager")}, package=True),
    "ipykernel.comm.comm": Alias({"comms": ("Comm", "BaseComm")}),
    "ipykernel.comm.manager": Alias({"comms": ("CommManager", "Comm")}),
    "ipykernel.connect": Alias(
        {"connect": ("connect_qtconsole", "get_connection_file", "get_connection_info", "write_connection_file")}
    ),
    "ipykernel.zmqshell": Alias(
        {
            "shell": ("ZMQInteractiveShell",),
            "display": ("ZMQDisplayPublisher", "ZMQShellDisplayHook"),
            "magics": ("KernelMagics",),
        }
    ),
    "ipykernel.iostream": Alias({"streams": ("OutStream",), "sockets": ("IOPubThread", "BackgroundSocket")}),
    "ipykernel.embed": Alias({"embed": ("embed_kernel",)}),
    "ipykernel.eventloops": Alias({"eventloops": ("register_integration", "enable_gui", "loop_map", "_use_appnope")}),
    "ipykernel.displayhook": Alias({"display": ("ZMQShellDisplayHook",)}, stands_in=True),
    "ipykernel.kernelapp": Alias({"app": ("IPKernelApp",)}, stands_in=True),
    "ipykernel.ipkernel": Alias({"facade": ("IPythonKernel",), "shell": ("ZMQInteractiveShell",)}, stands_in=True),
}
# Real modules that are changed once they are loaded: name of the class whose `instance()` is to be ours.
AMENDED = {"ipykernel.kernelapp": "IPKernelApp", "ipykernel.ipkernel": "IPythonKernel"}
# Their mere presence in sys.modules tells tqdm and others that they run in a kernel.
EAGER = ("ipykernel.zmqshell", "ipykernel.iostream")


def install(app: Any, kernel: Any) -> None:
    """Answer ipykernel's names from now on, unless that is switched off."""
    if os.environ.get(SWITCH, "0") not in ("", "0") or not app.ipykernel_aliases:
        return
    sys.meta_path.insert(0, Finder({"IPKernelApp": app, "IPythonKernel": kernel}))
    if "ipykernel" not in sys.modules:
        sys.modules["ipykernel"] = _package()
    for name in EAGER:
        importlib.import_module(name)


class Finder:
    """Finds the modules of the table. `instances`: class name -> the one object that stands for it in this kernel."""

    def __init__(self, instances: Mapping[str, Any]) -> None:
        self._instances = instances

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of a module of the table, None for all others."""
        alias = ALIASES.get(fullname)
        if alias is None:
            return None
        real = PathFinder.find_spec(fullname, path) if alias.stands_in else None
        if real is None:
            return ModuleSpec(fullname, cast("Loader", AliasLoader(alias)), origin="kernelet", is_package=alias.package)
        if fullname in AMENDED and real.loader is not None:
            self._amend(real.loader, AMENDED[fullname])
        return real

    def _amend(self, loader: Any, class_name: str) -> None:
        """Let a real module be loaded without taking the comm hooks, and its class know that it runs already."""
        execute: Callable[[ModuleType], None] = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            # What is there now and not always ours: Panel replaces create_comm on purpose.
            create_comm, get_comm_manager = comm.create_comm, comm.get_comm_manager
            try:
                execute(module)
            finally:
                comm.create_comm, comm.get_comm_manager = create_comm, get_comm_manager
            _answer_for(getattr(module, class_name), self._instances[class_name])

        loader.exec_module = exec_module


class AliasLoader:
    """Makes a module of an alias."""

    def __init__(self, alias: Alias) -> None:
        self._alias = alias

    def create_module(self, spec: ModuleSpec) -> None:
        """Leave it to the import system."""

    def exec_module(self, module: ModuleType) -> None:
        """Fill the module with our objects."""
        given: dict[str, Any] = {"__shim_for__": module.__name__, "__doc__": f"{module.__name__}, as kernelet has it."}
        for source, names in self._alias.names.items():
            ours = importlib.import_module(f".{source}", __package__)
            # inspect.getsource() of the shell's class looks here.
            given.setdefault("__file__", ours.__file__)
            given.update((name, getattr(ours, name)) for name in names)
        given["__all__"] = [name for name in given if not name.startswith("_")]
        vars(module).update(given)


def _answer_for(cls: Any, ours: Any) -> None:
    """Let `cls.instance()` and `cls.initialized()` tell of `ours`, and leave subclasses as they are."""
    instance, initialized = cls.instance.__func__, cls.initialized.__func__

    def our_instance(asked: Any, *args: Any, **kwargs: Any) -> Any:
        return ours if asked is cls else instance(asked, *args, **kwargs)

    def our_initialized(asked: Any) -> bool:
        return asked is cls or bool(initialized(asked))

    cls.instance, cls.initialized = classmethod(our_instance), classmethod(our_initialized)


def _package() -> ModuleType:
    """Return `ipykernel`: the real one, which runs when something of it is asked for, or a minimal one."""
    spec = PathFinder.find_spec("ipykernel")
    if spec is None or spec.loader is None or spec.submodule_search_locations is None:
        return _minimal_package()
    module = ModuleType("ipykernel")
    module.__spec__, module.__loader__, module.__package__ = spec, spec.loader, "ipykernel"
    module.__file__, module.__path__ = spec.origin, spec.submodule_search_locations
    _load_when_asked(module, spec.loader)
    return module


def _load_when_asked(module: ModuleType, loader: Loader) -> None:
    """Let the first look at an attribute run the module's code (PEP 562), not the import of its submodules."""
    lock = threading.RLock()
    running = False

    def look(name: str) -> Any:
        nonlocal running
        asked_for = not name.startswith("__") or name in ("__version__", "__all__")
        if asked_for:
            with lock:
                if not running and "__getattr__" in vars(module):
                    running = True
                    try:
                        loader.exec_module(module)
                        del module.__dict__["__getattr__"]
                    finally:
                        running = False
                if name in vars(module):
                    return vars(module)[name]
        raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}", name=name, obj=module)

    vars(module)["__getattr__"] = look


def _minimal_package() -> ModuleType:
    """Return a package with what libraries ask of `ipykernel` itself; its submodules are those of the table."""
    module = ModuleType("ipykernel", "A stand-in for ipykernel, which is not installed, in a kernelet process.")
    spec = ModuleSpec("ipykernel", None, origin="kernelet", is_package=True)
    module.__spec__, module.__package__, module.__path__ = spec, "ipykernel", []
    given: dict[str, Any] = {
        "__shim_for__": "ipykernel",
        "__version__": ".".join(map(str, VERSION)),
        "version_info": VERSION,
        "kernel_protocol_version_info": PROTOCOL_VERSION,
        "kernel_protocol_version": ".".join(map(str, PROTOCOL_VERSION)),
    }

    def look(name: str) -> Any:
        connect = ALIASES["ipykernel.connect"].names["connect"]
        if name in connect:
            return getattr(importlib.import_module("ipykernel.connect"), name)
        raise AttributeError(f"module 'ipykernel' has no attribute {name!r}", name=name, obj=module)

    vars(module).update(given, __getattr__=look)
    return module
