"""`%%capture` takes what its own cell says, its threads' and tasks' words included; other cells go on saying theirs.

IPython's puts other objects in the place of sys.stdout, the publisher and sys.displayhook for the whole process. Of two
at once, in two subshells, each took the other's output, and the one that ended last put a dead buffer back for good.

The thread of a cell; what is divided, any thread.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from IPython.core import magic_arguments
from IPython.core.displayhook import CapturingDisplayHook, DisplayHook
from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.magic import Magics, cell_magic, magics_class
from IPython.core.magics.execution import ExecutionMagics
from IPython.utils.capture import CapturedIO

from ..protocol.message import Parent
from .shared import captured

_THEIRS: Any = ExecutionMagics.capture


class Capture:
    """What one cell says, as far as it is captured: each part is None where it is not."""

    def __init__(self, shell: Any, parent: Parent, stdout: bool, stderr: bool, display: bool) -> None:
        self.parent = parent
        self.stdout = io.StringIO() if stdout else None
        self.stderr = io.StringIO() if stderr else None
        self.publisher = CapturingDisplayPublisher() if display else None
        outputs = self.publisher.outputs if self.publisher is not None else []
        self.hook = CapturingDisplayHook(shell=shell, outputs=outputs) if display else None
        self.io = CapturedIO(self.stdout, self.stderr, outputs)


@contextmanager
def capturing(shell: Any, stdout: bool = True, stderr: bool = True, display: bool = True) -> Iterator[CapturedIO]:
    """Capture what the calling cell says meanwhile."""
    capture = Capture(shell, shell.host.attribution.current(), stdout, stderr, display)
    with shell.capturing:
        if not shell.captures:
            # Kept for good: until CPython 3.14 `print` does not hold the sys.stdout that it writes to, and another cell
            # may be in the middle of one when the last capture ends.
            if not shell.divided:
                shell.divided = _Divided(shell, "stdout"), _Divided(shell, "stderr")
            for divided, stream in zip(shell.divided, (sys.stdout, sys.stderr), strict=True):
                if stream is not divided:  # user code may have kept it, and put it back late
                    divided.stream = stream
            sys.stdout, sys.stderr = shell.divided
        shell.captures = (*shell.captures, capture)
    try:
        yield capture.io
    finally:
        with shell.capturing:
            shell.captures = tuple(one for one in shell.captures if one is not capture)
            if not shell.captures:
                sys.stdout, sys.stderr = (divided.stream for divided in shell.divided)


@magics_class
class CaptureMagics(Magics):
    """%%capture."""

    @cell_magic
    def capture(self, line: str, cell: str) -> None:
        shell: Any = self.shell
        asked = magic_arguments.parse_argstring(_THEIRS, line)
        with capturing(shell, not asked.no_stdout, not asked.no_stderr, not asked.no_display) as said:
            shell.run_cell(cell)
        if DisplayHook.semicolon_at_end_of_expression(cell):
            shell.user_ns.pop(asked.output, None)
        elif asked.output:
            shell.user_ns[asked.output] = said

    capture.__doc__ = _THEIRS.__doc__  # `%%capture?` shows IPython's own words


class _Divided(io.TextIOBase):
    """A text stream while somebody captures: each cell's text goes where it belongs."""

    def __init__(self, shell: Any, name: str) -> None:
        super().__init__()
        self._shell, self._name = shell, name
        # Where the text of those goes who do not capture.
        self.stream: Any = None

    @property
    def _here(self) -> Any:
        taker = captured(self._shell, self._name)
        return self.stream if taker is None else taker

    @property
    def name(self) -> str:
        return self._name

    @property
    def encoding(self) -> str:  # type: ignore[override]  # TextIOBase has it as a plain attribute
        return "UTF-8"

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        return int(self._here.write(text))

    def flush(self) -> None:
        self._here.flush()

    def isatty(self) -> bool:
        return bool(self._here.isatty())

    def fileno(self) -> int:
        return int(self._here.fileno())
