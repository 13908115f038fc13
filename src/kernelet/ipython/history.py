"""IPython's history as a kernel keeps it: numbered by cell, and written by a thread that lives as long as it writes.

IPython starts a thread with a database connection of its own, which then waits for the life of the process. Here there
is one only while rows are written; to IPython's manager it looks the same.
"""

from __future__ import annotations

import threading
import weakref
from typing import Any

from IPython.core.history import HistoryManager
from traitlets import validate

from ..runtime.sockets import mark_service_thread


class HistoryByNumber(HistoryManager):
    """IPython's history, where In[n] is the cell numbered n even if a later one began first."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._order = threading.RLock()
        super().__init__(*args, **kwargs)

    def store_inputs(self, line_num: int, source: str, source_raw: str | None = None) -> None:
        if source_raw is not None and source.rstrip("\n") == source_raw.rstrip("\n"):
            source = source_raw = source_raw.rstrip("\n")  # one text in memory for both, as for most cells
        with self._order:
            before = len(self.input_hist_raw)
            super().store_inputs(line_num, source, source_raw)
            if len(self.input_hist_raw) == before + 1 and before != line_num:
                for inputs in (self.input_hist_parsed, self.input_hist_raw):
                    text = inputs.pop()
                    inputs.extend([""] * (line_num + 1 - len(inputs)))
                    inputs[line_num] = text

    @validate("save_thread")
    def _replace_save_thread(self, proposal: Any) -> Saver | None:
        return None if proposal["value"] is None else Saver(self)


class Saver:
    """What IPython has in the place of its saving thread, and of that thread's `save_flag`. Any thread."""

    def __init__(self, manager: HistoryManager) -> None:
        self._manager = weakref.ref(manager)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._asked_again = False
        self.save_flag = self

    def start(self) -> None:
        """Nothing: there is nothing to write yet."""

    def set(self) -> None:
        """Write what waits; after what is written just now, if anything is."""
        with self._lock:
            self._asked_again = self._thread is not None
            if self._asked_again:
                return
            self._thread = threading.Thread(target=self._run, name="kernelet-history", daemon=True)
            mark_service_thread(self._thread)
            self._thread.start()

    def stop(self) -> None:
        """Wait until nothing is written: before a fork, and at the end."""
        with self._lock:
            self._asked_again = False
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _run(self) -> None:
        more = True
        while more:
            manager = self._manager()
            if manager is not None:
                self._write(manager)
            del manager
            with self._lock:
                more, self._asked_again = self._asked_again, False
                if not more:
                    self._thread = None

    def _write(self, manager: HistoryManager) -> None:
        import sqlite3  # some Pythons have none: then there is nothing to write

        try:
            connection = sqlite3.connect(str(manager.hist_file), **manager.connection_options)
            try:
                manager.writeout_cache(connection)
            finally:
                connection.close()
        except Exception:  # told; the kernel goes on without these rows
            manager.log.exception("history could not be written")
