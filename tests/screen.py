"""A screen for tests with windows: Xvfb, on a display that it chooses itself."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator

from needs import need_executable


@contextlib.contextmanager
def screen() -> Iterator[str]:
    """Start an X server and yield what DISPLAY is to be."""
    xvfb = need_executable("Xvfb")
    reader, writer = os.pipe()
    arguments = [xvfb, "-displayfd", str(writer), "-screen", "0", "640x480x24", "-nolisten", "tcp"]
    process = subprocess.Popen(arguments, pass_fds=[writer], stderr=subprocess.DEVNULL)
    os.close(writer)
    try:
        with open(reader, encoding="ascii") as told:
            number = told.readline().strip()
        assert number, f"Xvfb did not start: status {process.wait()}"
        yield f":{number}"
    finally:
        process.terminate()
        process.wait()
