"""The shell's inspector: IPython's, which makes HTML of code only where somebody sees it.

Any thread. Front ends get text alone unless `enable_html_pager` is set, and for HTML pygments first has to compile its
lexers: 45 ms.
"""

from __future__ import annotations

from typing import Any

from IPython.core import oinspect

# The fields that are code: IPython highlights them, as text for terminals and as HTML.
_CODE = frozenset({"source", "definition", "init_definition", "call_def"})


class Inspector(oinspect.Inspector):
    """What `object_inspect_mime`, `?` and `??` ask."""

    def _append_info_field(
        self, bundle: Any, title: str, key: str, info: Any, omit_sections: list[str], formatter: Any
    ) -> None:
        if key in _CODE and formatter is not None and not getattr(self.parent, "enable_html_pager", True):
            formatter = self._as_text
        super()._append_info_field(bundle, title, key, info, omit_sections, formatter)

    def _as_text(self, code: str) -> dict[str, str]:
        return {"text/plain": self.format(code)}
