"""What a user has defined. Sent as text and run in the kernel, in the thread that runs cells."""

from __future__ import annotations

from typing import Any


def own_names(shell: Any) -> list[str]:
    """Return the names that the user defined, in order; not what IPython or the service put there."""
    hidden, missing = shell.user_ns_hidden, object()
    # By identity, as %who does it: a user who rebinds a hidden name owns it from then on.
    return [
        name
        for name, value in list(shell.user_ns.items())
        if isinstance(name, str) and not name.startswith("_") and value is not hidden.get(name, missing)
    ]


def summary(value: Any) -> str:
    """Return some words about `value`, without running code of the user's own classes."""
    kind = type(value)
    if kind in (bool, int, float, complex, type(None)):
        # A huge int takes for ever to print, and Python refuses it.
        return repr(value) if kind is not int or value.bit_length() < 1000 else f"int of {value.bit_length()} bits"
    if kind in (str, bytes, bytearray):
        return repr(value[:60]) + (f"... ({len(value)})" if len(value) > 60 else "")
    if kind in (list, tuple, dict, set, frozenset):
        return f"{len(value)} items"
    if (kind.__module__ or "").partition(".")[0] in ("numpy", "pandas", "torch", "polars", "xarray"):
        shape = getattr(value, "shape", None)
        if shape is not None:
            return "shape " + " x ".join(map(str, shape))
    if kind.__name__ == "module":
        return str(value.__name__)
    return ""


def variables(shell: Any) -> dict[str, Any]:
    """Return the names of the user's variables, and what each is in few words."""
    names = own_names(shell)
    return {
        "variables": names,
        "count": len(names),
        "details": [
            {"name": name, "type": type(shell.user_ns[name]).__name__, "summary": summary(shell.user_ns[name])}
            for name in names
        ],
    }


def variable(shell: Any, name: str, max_chars: int) -> dict[str, Any]:
    """Return one variable as text within `max_chars`.

    Raises:
        NameError: there is no such variable.
    """
    if name not in shell.user_ns:
        raise NameError(f"Variable {name!r} not found in session.")
    value = shell.user_ns[name]
    answer = {"variable": name, "type": type(value).__name__}
    for key, convert in (("value", str), ("repr", repr)):
        try:
            text = convert(value)
        except Exception as error:  # noqa: BLE001  # the user's __str__ and __repr__ may raise anything; it is told
            text = f"<{type(error).__name__}: {error}>"
        if len(text) > max_chars:
            head = int(max_chars * 0.7)
            left_out = f"\n... [{len(text) - max_chars} of {len(text)} chars omitted] ...\n"
            text = text[:head] + left_out + text[len(text) - (max_chars - head) :]
        answer[key] = text
    return answer
