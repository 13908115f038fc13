"""jedi's cache on the disk, for kernels that run side by side, are killed, or cannot write.

parso writes a file in place and takes whatever it reads for whole: a kernel that reads while another one writes,
or after one was killed while it wrote, fails within jedi. IPython then answers with no matches, and while that file
stays so, in every kernel of the user. Any thread.
"""

from __future__ import annotations

import functools
import os
import tempfile
from pathlib import Path
from typing import Any


@functools.cache
def mend() -> None:
    """Let parso read past a damaged file, and write files whole or not at all. Once, before jedi is used."""
    try:
        from parso import cache
    except ImportError:  # IPython is without jedi
        return
    of_parso: Any = cache
    load = getattr(of_parso, "_load_from_file_system", None)
    save = getattr(of_parso, "_save_to_file_system", None)
    find = getattr(of_parso, "_get_hashed_path", None)
    if not (load and save and find):  # a parso that does it in another way
        return

    def load_if_whole(*arguments: Any, **options: Any) -> Any:
        try:
            return load(*arguments, **options)
        except Exception:  # noqa: BLE001  # what a damaged pickle raises can be anything; None: parso parses and saves
            return None

    def save_whole(hashed_grammar: Any, path: Any, item: Any, cache_path: Any = None) -> None:
        try:
            target = Path(find(hashed_grammar, path, cache_path=cache_path))
            with tempfile.TemporaryDirectory(prefix=".partial-", dir=target.parent) as partial:
                save(hashed_grammar, path, item, cache_path=Path(partial))
                os.replace(find(hashed_grammar, path, cache_path=Path(partial)), target)
        except OSError:  # a full disk, a home that is read-only: it is in memory, and answers without the file
            return

    of_parso._load_from_file_system, of_parso._save_to_file_system = load_if_whole, save_whole
