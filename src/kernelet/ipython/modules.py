"""The names of what can be imported, from listings of the folders of sys.path that are kept until a folder changes.

Any thread. IPython and jedi list all of sys.path anew for each completion of an import, and not by the same rules:
to jedi any folder is a package (a namespace), to IPython one with an `__init__`.
"""

from __future__ import annotations

import inspect
import os
import sys
import time
from collections.abc import Iterable, Iterator
from importlib.machinery import all_suffixes
from typing import Final, NamedTuple

from IPython.core.completerlib import import_re

# A change this soon after the one before may leave the time of the folder as it was: file systems count roughly.
_SURE_AFTER_S: Final = 2.0
_INITS: Final = tuple(f"__init__{suffix}" for suffix in all_suffixes())


class Folder(NamedTuple):
    """What lies in one folder of sys.path, in the order in which the system lists it."""

    changed_ns: int
    names: tuple[str, ...]
    folders: tuple[str, ...]
    files: frozenset[str]


_known: dict[str, Folder] = {}


def names_for_jedi() -> list[str] | None:
    """Return the modules as jedi lists them, in its order; None where there are more than folders on the path."""
    try:
        folders = _listed([os.getcwd(), *filter(None, sys.path)])
    except FileNotFoundError:  # the current folder was deleted
        return None
    if folders is None:
        return None
    names = list(sys.builtin_module_names)
    for _, folder in folders:
        names += folder.names
    return list(dict.fromkeys(names))


def names_for_ipython(typed: str) -> list[str] | None:
    """Return the modules that begin with `typed`, in any case, as IPython lists them, and all built-in ones.

    None where there are more than folders on the path.
    """
    folders = _listed(sys.path)
    if folders is None:
        return None
    typed = typed.lower()
    names = set(sys.builtin_module_names)
    for path, folder in folders:
        names.update(name for name in folder.files if name.lower().startswith(typed))
        packages = (name for name in folder.folders if name.lower().startswith(typed))
        names.update(name for name in packages if _has_init(os.path.join(path, name)))
    names.discard("__init__")
    return list(names)


def _has_init(path: str) -> bool:
    return any(os.path.exists(os.path.join(path, name)) for name in _INITS)


def _listed(paths: Iterable[str]) -> list[tuple[str, Folder]] | None:
    folders = []
    for path in dict.fromkeys(path or "." for path in paths):
        try:
            folders.append((path, _list(path)))
        except FileNotFoundError:
            continue  # of the standard library as a zip file, mostly
        except OSError:
            return None
    return folders


def _list(path: str) -> Folder:
    """Return what is in a folder. Raises OSError."""
    key = os.path.abspath(path)
    changed_ns = os.stat(path).st_mtime_ns
    known = _known.get(key)
    if known is not None and known.changed_ns == changed_ns:
        return known
    with os.scandir(path) as entries:
        found = [(entry.name, entry.is_dir()) for entry in entries]
    files = (import_re.match(name) for name, is_folder in found if not is_folder)
    folder = Folder(
        changed_ns,
        tuple(_names_for_jedi(found)),
        tuple(name for name, is_folder in found if is_folder and name.isidentifier()),
        frozenset(match["name"] for match in files if match and not match["package"]),
    )
    if time.time() - changed_ns / 1e9 > _SURE_AFTER_S:
        _known[key] = folder
    return folder


def _names_for_jedi(found: Iterable[tuple[str, bool]]) -> Iterator[str]:
    for name, is_folder in found:
        if is_folder:
            if name != "__pycache__" and name.isidentifier():
                yield name
        else:
            module = name[:-4] if name.endswith(".pyi") else inspect.getmodulename(name)
            if module and "." not in module and module != "__init__":
                yield module
