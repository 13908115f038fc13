"""Lets the shell's inspector make HTML of code only where somebody sees it, and search namespaces that stand still.

Any thread. Front ends get text alone unless `enable_html_pager` is set, and for HTML pygments first has to compile its
lexers: 45 ms. Not a subclass of IPython's Inspector: a class with traits takes 0.5 ms to make, at every start.
"""

from __future__ import annotations

from functools import partial
from typing import Any

# The fields that are code: IPython highlights them, as text for terminals and as HTML.
_CODE = frozenset({"source", "definition", "init_definition", "call_def"})


def install(shell: Any) -> None:
    """Make the shell's inspector leave out what nobody sees, and search copies of namespaces."""
    inspector = shell.inspector
    inspector.psearch = partial(_psearch, inspector.psearch)
    inspector._append_info_field = partial(_append_info_field, shell, inspector, inspector._append_info_field)


def _psearch(psearch: Any, pattern: str, tables: dict[str, dict[str, Any]], *args: Any, **more: Any) -> None:
    """Do what IPython's `psearch` does. Cells of other subshells may add names meanwhile; not to a copy."""
    copies = {id(table): dict(table) for table in tables.values()}  # one of each: none is searched twice
    psearch(pattern, {name: copies[id(table)] for name, table in tables.items()}, *args, **more)


def _append_info_field(
    shell: Any, inspector: Any, append: Any, bundle: Any, *, key: str, formatter: Any, **more: Any
) -> None:
    if key in _CODE and formatter is not None and not shell.enable_html_pager:
        formatter = lambda code: {"text/plain": inspector.format(code)}  # noqa: E731  # as IPython's own, but without HTML
    append(bundle, key=key, formatter=formatter, **more)
