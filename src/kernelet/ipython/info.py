"""What the kernel says about itself, known before IPython is imported."""

from __future__ import annotations

import importlib.util
import runpy
import sys
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

from .. import __version__
from ..protocol.message import PROTOCOL_VERSION

HELP_LINKS = {
    "Python Reference": f"https://docs.python.org/{sys.version_info.major}.{sys.version_info.minor}",
    "IPython Reference": "https://ipython.org/documentation.html",
    "NumPy Reference": "https://docs.scipy.org/doc/numpy/reference/",
    "SciPy Reference": "https://docs.scipy.org/doc/scipy/reference/",
    "Matplotlib Reference": "https://matplotlib.org/contents.html",
    "SymPy Reference": "http://docs.sympy.org/latest/index.html",
    "pandas Reference": "https://pandas.pydata.org/pandas-docs/stable/",
}

# branch_request; checkpoint_request and restore_request.
_FORKS = ("kernel branches", "kernel checkpoints")
_FORKS_WORK = sys.platform == "linux"


def kernel_info() -> dict[str, Any]:
    """Return the content of a kernel_info_reply.

    Source: https://jupyter-client.readthedocs.io/en/stable/messaging.html#kernel-info, JEP 91 (supported_features).
    """
    python = ".".join(map(str, sys.version_info[:3]))
    return {
        "protocol_version": PROTOCOL_VERSION,
        "implementation": "kernelet",
        "implementation_version": __version__,
        "language_info": {
            "name": "python",
            "version": python,
            "mimetype": "text/x-python",
            "codemirror_mode": {"name": "ipython", "version": sys.version_info.major},
            "pygments_lexer": "ipython3",
            "nbconvert_exporter": "python",
            "file_extension": ".py",
        },
        "banner": f"Python {sys.version}\nIPython {ipython_version()} -- kernelet {__version__}\n",
        "help_links": [{"text": text, "url": url} for text, url in HELP_LINKS.items()],
        "supported_features": ["kernel subshells", "debugger", "iopub replay", *(_FORKS if _FORKS_WORK else ())],
        "debugger": True,
    }


def ipython_version() -> str:
    """Return IPython's version from its release file alone: importing IPython takes a hundred times longer."""
    loaded = sys.modules.get("IPython.core.release")  # in a zygote's child: 1 ms less until it answers
    if loaded is not None:
        return str(loaded.version)
    spec = PathFinder.find_spec("IPython") or importlib.util.find_spec("IPython")
    if spec is None or spec.origin is None:
        return "not installed"
    return str(runpy.run_path(str(Path(spec.origin).parent / "core" / "release.py"))["version"])
