"""What user code may ask the kernel to do, as a request would: `get_ipython().kernel.do_complete()` and its kin.

The calling thread, in the middle of whatever it does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from .handover import Handover

if TYPE_CHECKING:
    from ..runtime.host import Host
    from .language import IPythonLanguage


class _Question:
    """A request that did not come over the wire."""

    def __init__(self, content: dict[str, Any]) -> None:
        self.content = content


class Answers:
    """The methods `do_*` of the kernel as user code sees it: each returns the content of a reply."""

    _language: IPythonLanguage
    _host: Host
    _handover: Handover

    def do_complete(self, code: str, cursor_pos: int | None = None) -> dict[str, Any]:
        """Return completions, as the content of a complete_reply."""
        return self._ask(self._language.complete, code=code, cursor_pos=cursor_pos)

    def do_inspect(
        self, code: str, cursor_pos: int | None = None, detail_level: int = 0, omit_sections: Sequence[str] = ()
    ) -> dict[str, Any]:
        """Return what is known of the name at the cursor."""
        return self._ask(
            self._language.inspect,
            code=code,
            cursor_pos=cursor_pos,
            detail_level=detail_level,
            omit_sections=omit_sections,
        )

    def do_is_complete(self, code: str) -> dict[str, Any]:
        """Return whether the code is complete."""
        return self._language.is_complete(_Question({"code": code}))

    def do_history(
        self,
        hist_access_type: str,
        output: bool,
        raw: bool,
        session: int | None = None,
        start: int | None = None,
        stop: int | None = None,
        n: int | None = None,
        pattern: str | None = None,
        unique: bool = False,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Return history."""
        return self._ask(
            self._language.history,
            hist_access_type=hist_access_type,
            output=output,
            raw=raw,
            session=session,
            start=start,
            stop=stop,
            n=n,
            pattern=pattern,
            unique=unique,
        )

    def do_shutdown(self, restart: bool) -> dict[str, Any]:
        """End the kernel."""
        self._host.exit()
        return {"status": "ok", "restart": restart}

    def _ask(self, answer: Callable[[Any], dict[str, Any]], **content: Any) -> dict[str, Any]:
        with self._handover.nested():
            return {"status": "ok", **answer(_Question(content))}
