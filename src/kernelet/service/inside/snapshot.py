"""Save the user's variables to a file and load them again. Sent as text and run in the kernel, where cells run.

A snapshot is a zip of `manifest.json` and `data.pkl`. The data are the variables one after the other with one memo:
what two variables share they share again, and one that cannot be read does not take the others along. The user's own
namespace goes as a reference: a function that is loaded sees the variables of the session that it is in.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import io
import json
import os
import pickle
import re
import sys
import time
import zipfile
from collections.abc import Iterator
from typing import Any

FORMAT = 1
_IPYTHONS_OWN = re.compile(r"_+|_i+|_i?\d+|_ih|_oh|_dh|_exit_code|In|Out|get_ipython|exit|quit|open|__\w+__")
# The newest protocol whose memo has explicit numbers: with a later one, after a variable that cannot be read,
# references of the next ones would silently mean other objects.
_PROTOCOL = 3
_NAMESPACE = {"the namespace of": "the user"}  # not empty, else cloudpickle puts things in


class SnapshotError(Exception):
    """Why a snapshot cannot be saved or loaded; nothing was changed."""


class _OverSizeError(Exception):
    """More bytes than wanted."""


class _OverTimeError(Exception):
    """More seconds than wanted."""


class _Meter:
    """A file of which only the length matters, within a budget; `keep` holds what is written."""

    def __init__(self, max_bytes: int, max_seconds: float, keep: io.BytesIO | None = None) -> None:
        self.left, self.deadline, self.keep = max_bytes, time.monotonic() + max_seconds, keep

    def write(self, data: Any) -> int:
        size = memoryview(data).nbytes
        self.left -= size
        if self.left < 0:
            raise _OverSizeError("over the size budget")
        if time.monotonic() > self.deadline:
            raise _OverTimeError("over the time budget")
        if self.keep is not None:
            self.keep.write(data)
        return size


def _pickler(cloudpickle: Any, file: Any, namespace: dict[str, Any]) -> Any:
    class Pickler(cloudpickle.Pickler):  # type: ignore[misc]  # cloudpickle has no types
        def persistent_id(self, obj: Any) -> str | None:
            return "namespace" if obj is namespace or obj is _NAMESPACE else None

    made = Pickler(file, protocol=_PROTOCOL)
    made.globals_ref[id(namespace)] = _NAMESPACE
    return made


class _Unpickler(pickle.Unpickler):
    namespace: dict[str, Any]

    def persistent_load(self, pid: Any) -> Any:
        if pid == "namespace":
            return self.namespace
        raise pickle.UnpicklingError(f"unknown reference {pid!r}")


def _split(shell: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the variables to save, and the modules by the name that they have."""
    hidden, missing = shell.user_ns_hidden, object()
    variables: dict[str, Any] = {}
    modules: dict[str, str] = {}
    for name, value in list(shell.user_ns.items()):
        if not isinstance(name, str) or _IPYTHONS_OWN.fullmatch(name) or value is hidden.get(name, missing):
            continue
        if type(value).__name__ == "module" and value.__name__ in sys.modules:
            modules[name] = value.__name__
        else:
            variables[name] = value
    return variables, modules


def _reason(error: BaseException) -> str:
    text = (str(error).splitlines() or [""])[0]
    own = isinstance(error, _OverSizeError | _OverTimeError)
    return (text if own else f"{type(error).__name__}: {text}")[:300]


def _offenders(
    cloudpickle: Any, variables: dict[str, Any], namespace: dict[str, Any], max_bytes: int, max_seconds: float
) -> dict[str, str]:
    """Return why, by name, of those variables that cannot be saved on their own, as far as time allows."""
    reasons = {}
    end = time.monotonic() + max_seconds
    for name, value in variables.items():
        try:
            _pickler(cloudpickle, _Meter(max_bytes, end - time.monotonic()), namespace).dump(value)
        except _OverTimeError:
            break
        except Exception as error:  # noqa: BLE001  # anybody's __reduce__ may raise anything; it is told
            reasons[name] = _reason(error)
    return reasons


def _dumped(
    cloudpickle: Any, variables: dict[str, Any], namespace: dict[str, Any], max_bytes: int, max_seconds: float
) -> tuple[bytes, dict[str, int], dict[str, str]]:
    """Return the data, where each variable starts in it, and why others are not in it."""
    skipped: dict[str, str] = {}
    checked = False
    while True:
        data = io.BytesIO()
        pickler = _pickler(cloudpickle, _Meter(max_bytes, max_seconds, data), namespace)
        starts: dict[str, int] = {}
        for name in [name for name in variables if name not in skipped]:
            starts[name] = data.tell()
            try:
                pickler.dump(variables[name])
            except _OverTimeError as error:
                data.truncate(starts.pop(name))
                late = [name for name in variables if name not in starts and name not in skipped]
                return data.getvalue(), starts, {**skipped, **dict.fromkeys(late, _reason(error))}
            except Exception as error:  # noqa: BLE001  # as above
                skipped[name] = _reason(error)
                break
        else:
            return data.getvalue(), starts, skipped
        # The memo knows things now that are not in the data: start anew, once without all that cannot be saved.
        if not checked:
            checked = True
            rest = {name: value for name, value in variables.items() if name not in skipped}
            skipped.update(_offenders(cloudpickle, rest, namespace, max_bytes, max_seconds))


def save(shell: Any, path: str, max_bytes: int, max_seconds: float) -> dict[str, Any]:
    """Write the user's variables to `path`, of which all or nothing is there afterwards.

    Raises:
        SnapshotError: cloudpickle is missing here.
        OSError: the file cannot be written.
    """
    try:
        import cloudpickle  # type: ignore[import-untyped]  # it has no types
    except ImportError:
        raise SnapshotError(
            "cloudpickle is not installed in the kernel's Python; install it to save sessions"
        ) from None
    variables, modules = _split(shell)
    data, starts, reasons = _dumped(cloudpickle, variables, shell.user_ns, max_bytes, max_seconds)
    skipped = [
        {"name": name, "type": type(variables[name]).__name__, "reason": reason} for name, reason in reasons.items()
    ]
    manifest = {
        "format": FORMAT,
        "python": list(sys.version_info[:2]),
        "versions": {"cloudpickle": cloudpickle.__version__},
        "sha256": hashlib.sha256(data).hexdigest(),
        "saved": [{"name": name, "type": type(variables[name]).__name__, "at": at} for name, at in starts.items()],
        "imports": modules,
        "skipped": skipped,
    }
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    unfinished = f"{path}.{os.getpid()}.tmp"
    try:
        with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            archive.writestr("manifest.json", json.dumps(manifest))
            archive.writestr("data.pkl", data)
        os.replace(unfinished, path)
    except BaseException:  # an interrupt too
        with contextlib.suppress(OSError):
            os.unlink(unfinished)
        raise
    return {
        "path": path,
        "size_bytes": os.path.getsize(path),
        "saved": [*starts, *modules],
        "skipped": skipped,
    }


def _read(path: str, max_bytes: int) -> tuple[dict[str, Any], bytes]:
    """Return manifest and data after every check that needs no unpickling."""
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = {info.filename: info.file_size for info in archive.infolist()}
            if sorted(sizes) != ["data.pkl", "manifest.json"]:
                raise SnapshotError("this is no snapshot: it has other files in it")
            if sum(sizes.values()) > max_bytes + (1 << 20):
                raise SnapshotError(f"the snapshot has {sum(sizes.values())} bytes, the budget is {max_bytes}")
            manifest = json.loads(archive.read("manifest.json"))
            data = archive.read("data.pkl")
    except FileNotFoundError:
        raise
    except (zipfile.BadZipFile, ValueError, EOFError, NotImplementedError, RuntimeError) as error:
        raise SnapshotError(f"this is no snapshot, or it was changed: {error}") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise SnapshotError("this is no snapshot of a format that is known here")
    if hashlib.sha256(data).hexdigest() != manifest.get("sha256"):
        raise SnapshotError("the snapshot was changed after it was saved: its checksum is another")
    if manifest.get("python") != list(sys.version_info[:2]):
        version = ".".join(map(str, manifest.get("python", ["?"])))
        raise SnapshotError(f"the snapshot is of Python {version}, whose functions this Python cannot read")
    return manifest, data


def _loaded(
    manifest: dict[str, Any], data: bytes, namespace: dict[str, Any]
) -> Iterator[tuple[dict[str, Any], Any, Exception | None]]:
    """Yield the manifest's entry, the value and the error of each variable."""
    file = io.BytesIO(data)
    # One for all, since the memo is theirs together. After an error the next load() starts with an empty stack.
    unpickler = _Unpickler(file)
    unpickler.namespace = namespace
    for entry in manifest["saved"]:
        file.seek(entry["at"])
        try:
            yield entry, unpickler.load(), None
        except Exception as error:  # noqa: BLE001  # anybody's __setstate__ may raise anything; it is told
            yield entry, None, error


def load(shell: Any, path: str, max_bytes: int) -> dict[str, Any]:
    """Define what `path` has saved, and say what could not be.

    Raises:
        SnapshotError: it is no snapshot, was changed, or is of another Python; nothing was defined.
        FileNotFoundError: there is no such file.
    """
    manifest, data = _read(path, max_bytes)
    namespace, loaded, skipped = shell.user_ns, [], []
    for name, module in manifest["imports"].items():
        try:
            namespace[name] = importlib.import_module(module)
            loaded.append(name)
        except Exception as error:  # noqa: BLE001  # a module may raise anything while it is imported; it is told
            skipped.append({"name": name, "type": "module", "reason": _reason(error)})
    for entry, value, failure in _loaded(manifest, data, namespace):
        if failure is None:
            namespace[entry["name"]] = value
            loaded.append(entry["name"])
        else:
            skipped.append({"name": entry["name"], "type": entry["type"], "reason": _reason(failure)})
    return {"variable_count": len(loaded), "variables": loaded, "skipped": skipped}
