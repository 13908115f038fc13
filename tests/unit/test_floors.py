"""Imports point down only: each import that does not is named with its file, its line and what is allowed there.

This reads imports inside functions and under TYPE_CHECKING too, and the names given to import_module().
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src"

FLOORS = ("protocol", "runtime", "ipython", "kernel")
"""From the ground up: a floor imports itself and the floors before it."""

ALLOWED = {floor: frozenset(FLOORS[: height + 1]) for height, floor in enumerate(FLOORS)}
# Beside the house: they start kernels or talk to them, and the kernel knows neither.
ALLOWED["inprocess"] = frozenset({"inprocess", *FLOORS})
ALLOWED["launch"] = frozenset({"launch", "protocol"})
ALLOWED["service"] = frozenset({"service", "protocol", "launch"})

HEAVY = frozenset({"jupyter_client", "tornado", "fastapi", "psutil", "pydantic", "uvicorn", "httpx", "websockets"})
"""What `python -m kernelet -f conn.json` never imports."""

FORBIDDEN = {
    "protocol": HEAVY | {"zmq", "IPython", "threading", "_thread", "time"},
    "runtime": HEAVY | {"IPython"},
    "ipython": HEAVY,
    "kernel": HEAVY,
    "inprocess": frozenset({"tornado", "fastapi", "psutil"}),
    "launch": frozenset({"zmq", "IPython"}),
    "service": frozenset({"zmq", "IPython"}),
}
EXEMPT = {("service/backends/channels.py", "zmq"), ("service/backends/broken.py", "zmq")}
"""Who talks to kernels themselves, where everybody else on their floor has it done."""


def imports(tree: ast.Module, package: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the absolute name of everything that a module of `package` imports."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, alias.name) for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                # `level` dots lead to an ancestor of the package: one dot is the package itself.
                above = package.split(".")[: len(package.split(".")) - level + 1] if level else []
                base = ".".join([*above, *([module] if module else [])])
                yield from ((node.lineno, f"{base}.{alias.name}") for alias in names)
            case ast.Call(
                func=ast.Attribute(attr="import_module") | ast.Name(id="import_module" | "__import__"),
                args=[ast.Constant(value=str(name)), *_],
            ):
                yield node.lineno, name


def trespasses(source: Path) -> list[str]:
    """Return a line for every import under `source`/kernelet that points up or out of the house."""
    found = []
    for path in sorted(source.glob("kernelet/*/**/*.py")):
        inside = path.relative_to(source)
        floor, inside_floor = inside.parts[1], "/".join(inside.parts[1:])
        if floor not in ALLOWED:
            found.append(f"{inside}:1: {floor} is not a floor; those are {', '.join(ALLOWED)}")
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"), str(inside))
        for line, name in imports(tree, ".".join(inside.parent.parts)):
            where = f"{inside}:{line}: {floor} imports {name}"
            match name.split("."):
                case ["kernelet", "__version__"]:
                    pass
                case ["kernelet"]:
                    found.append(f"{where}; only __version__ comes from the top")
                case ["kernelet", target, *_] if target not in ALLOWED[floor]:
                    found.append(f"{where}; allowed here: {', '.join(sorted(ALLOWED[floor]))}")
                case [package, *_] if package in FORBIDDEN[floor] and (inside_floor, package) not in EXEMPT:
                    found.append(f"{where}; not allowed here: {', '.join(sorted(FORBIDDEN[floor]))}")
                case _:
                    pass
    return found


def test_imports_point_down_only() -> None:
    assert trespasses(SOURCE) == []


def test_every_floor_is_there_to_be_read() -> None:
    present = {path.name for path in (SOURCE / "kernelet").iterdir() if (path / "__init__.py").is_file()}
    assert set(FLOORS) | {"launch"} <= present <= set(ALLOWED)


@pytest.mark.parametrize(
    "file, code, complaint",
    [
        ("protocol/a.py", "import zmq", "protocol/a.py:1: protocol imports zmq; not allowed here: "),
        ("protocol/a.py", "from time import time", "protocol/a.py:1: protocol imports time.time; not allowed here: "),
        ("protocol/a.py", "import threading as t", "protocol/a.py:1: protocol imports threading; not allowed here: "),
        ("runtime/a.py", "'''x'''\n\nimport os, IPython.core", "runtime/a.py:3: runtime imports IPython.core; "),
        (
            "runtime/a.py",
            "from kernelet.ipython.shell import Shell",
            "runtime/a.py:1: runtime imports kernelet.ipython.shell.Shell; allowed here: protocol, runtime",
        ),
        ("protocol/a.py", "from kernelet import runtime", "protocol/a.py:1: protocol imports kernelet.runtime; "),
        ("protocol/a.py", "from ..runtime import x", "protocol/a.py:1: protocol imports kernelet.runtime.x; "),
        ("protocol/deep/a.py", "from ...kernel import x", "protocol/deep/a.py:1: protocol imports kernelet.kernel.x; "),
        ("ipython/a.py", "def f():\n    import kernelet.kernel", "ipython/a.py:2: ipython imports kernelet.kernel; "),
        ("kernel/a.py", "if TYPE_CHECKING:\n import kernelet.launch", "kernel/a.py:2: kernel imports kernelet.launch"),
        ("kernel/a.py", "from kernelet.service import x", "kernel/a.py:1: kernel imports kernelet.service.x; "),
        ("kernel/a.py", "importlib.import_module('jupyter_client')", "kernel/a.py:1: kernel imports jupyter_client; "),
        ("kernel/a.py", "import kernelet.__main__", "kernel/a.py:1: kernel imports kernelet.__main__; "),
        ("kernel/a.py", "import kernelet", "kernel/a.py:1: kernel imports kernelet; only __version__ "),
        ("launch/a.py", "import kernelet.kernel.kernel", "launch/a.py:1: launch imports kernelet.kernel.kernel; "),
        ("attic/a.py", "", "attic/a.py:1: attic is not a floor; those are protocol, runtime, "),
    ],
)
def test_an_import_that_points_up_is_named(tmp_path: Path, file: str, code: str, complaint: str) -> None:
    path = tmp_path / "kernelet" / file
    path.parent.mkdir(parents=True)
    path.write_text(code, encoding="utf-8")
    [found] = trespasses(tmp_path)
    assert found.startswith(f"kernelet/{complaint}")


@pytest.mark.parametrize(
    "file, code",
    [
        ("protocol/a.py", "import json\nfrom kernelet import __version__\nfrom kernelet.protocol import message"),
        ("protocol/a.py", "from .message import Message\nfrom . import codec\nimport timeit"),
        ("runtime/a.py", "import threading, time, zmq\nfrom ..protocol import codec"),
        ("kernel/a.py", "import IPython\nimport kernelet.ipython.shell\nfrom kernelet.runtime import wire"),
        ("launch/a.py", "import jupyter_client\nfrom kernelet.protocol.connection import Connection"),
        ("__main__.py", "import kernelet.kernel.kernel\nimport kernelet.launch.spec"),
    ],
)
def test_an_import_that_points_down_is_fine(tmp_path: Path, file: str, code: str) -> None:
    path = tmp_path / "kernelet" / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(code, encoding="utf-8")
    assert trespasses(tmp_path) == []
