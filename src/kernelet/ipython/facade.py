"""The kernel as user code sees it: `get_ipython().kernel`, with the names that libraries look for on ipykernel's.

Any thread. The machinery itself is elsewhere; nothing here owns anything.
"""

from __future__ import annotations

import os
from contextvars import Context
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .language import IPythonLanguage


class IPythonKernel:
    """What `get_ipython().kernel` is."""

    __module__ = "ipykernel.ipkernel"

    def __init__(self, language: IPythonLanguage) -> None:
        self._language = language
        self.shell = language.shell
        self.comm_manager = language.comms
        self.pid = os.getpid()

    @property
    def context(self) -> Context:
        """The context that all cells share."""
        return self._language.context

    def get_parent(self, channel: str | None = None) -> dict[str, Any]:
        """Return the message whose handling runs the calling code."""
        return self.shell.get_parent()

    def set_parent(self, ident: Any, parent: dict[str, Any], channel: str = "shell") -> None:
        """Make `parent` what later output of the calling code belongs to. `ident` is accepted and not needed."""
        self.shell.set_parent(parent)
