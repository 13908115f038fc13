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


def _recent(number: int) -> Any:
    """Return an attribute that is one of the last inputs. A trait checks and tells of each value: 9 us for the four."""

    def get(self: HistoryByNumber) -> str:
        return self.recent[number]

    def put(self: HistoryByNumber, value: str) -> None:
        self.recent = (*self.recent[:number], value, *self.recent[number + 1 :])

    return property(get, put)


class HistoryByNumber(HistoryManager):
    """IPython's history, where In[n] is the cell numbered n even if a later one began first."""

    # The last inputs, newest first, as IPython names them.
    recent: tuple[str, ...] = ("", "", "", "")
    _i00, _i, _ii, _iii = map(_recent, range(4))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._order = threading.RLock()
        super().__init__(*args, **kwargs)

    def store_inputs(self, line_num: int, source: str, source_raw: str | None = None) -> None:
        """Keep the input of a cell: in In, for the database, and as _i, _ii, _iii and _i<n> of the user's."""
        source = source.rstrip("\n")
        raw = source if source_raw is None else source_raw.rstrip("\n")
        if raw == source:
            source = raw  # one text in memory for both, as for most cells, and for linecache (`cell_name`)
        if self._exit_re.match(raw.strip()):  # IPython does not keep that somebody left
            return
        with self._order:
            for inputs, text in ((self.input_hist_parsed, source), (self.input_hist_raw, raw)):
                if len(inputs) <= line_num:
                    inputs.extend([""] * (line_num - len(inputs)))
                    inputs.append(text)
                else:
                    inputs[line_num] = text
            with self.db_input_cache_lock:
                self.db_input_cache.append((line_num, source, raw))
                if len(self.db_input_cache) >= self.db_cache_size:
                    self.write_soon()
            recent = self.recent = (raw, *self.recent[:3])
        if self.shell is not None:
            names = {"_i": recent[1], "_ii": recent[2], "_iii": recent[3], f"_i{line_num}": raw}
            self.shell.push(names, interactive=False)

    def write_soon(self) -> None:
        """Write the rows that wait, in a thread. Any thread."""
        # Before a fork IPython takes its thread away; versions that do can bring it back.
        restart = getattr(self, "_restart_thread_if_stopped", None)
        if restart is not None:
            restart()
        if self.save_flag is not None:
            self.save_flag.set()

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
