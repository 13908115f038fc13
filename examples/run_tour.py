"""Run tour.ipynb on kernelet as any notebook is run, through nbclient, and print cell by cell what came out.

usage: run_tour.py [--kernel NAME]
"""

from __future__ import annotations

import argparse
import base64
import os
import re
import sys
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.kernelspec import NoSuchKernel
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError

EXAMPLES = Path(__file__).resolve().parent
BUILD = EXAMPLES.parent / "build"
ANSI = re.compile(r"\x1b\[[0-9;]*m")
LINES_SHOWN = 5
CELL_TIMEOUT_S = 120


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kernel", default="kernelet", help="the kernelspec to run it on (default: %(default)s)")
    kernel = parser.parse_args().kernel
    notebook = nbformat.read(EXAMPLES / "tour.ipynb", as_version=4)
    client = NotebookClient(
        notebook,
        kernel_name=kernel,
        timeout=CELL_TIMEOUT_S,
        resources={"metadata": {"path": str(EXAMPLES)}},
        on_cell_executed=lambda cell, cell_index, execute_reply: show(cell),
    )
    print(f"tour.ipynb on the kernel {kernel!r}", flush=True)
    failure = None
    try:
        client.execute()
    except NoSuchKernel:
        failure = f"there is no kernelspec {kernel!r}; `jupyter kernelspec list` shows what there is"
    except CellTimeoutError:
        failure = f"a cell did not end within {CELL_TIMEOUT_S} s"
    except CellExecutionError as error:
        failure = f"a cell failed that should not: {error.ename}: {error.evalue}"
    except RuntimeError as error:  # DeadKernelError, or jupyter_client's word when the kernel never answered
        failure = f"the kernel died: {error}"
    BUILD.mkdir(exist_ok=True)
    executed = BUILD / "tour.executed.ipynb"
    nbformat.write(notebook, executed)
    if failure:
        print(f"\nFAILED: {failure}\nThe notebook as far as it ran is in {os.path.relpath(executed)}", file=sys.stderr)
        return 1
    print(f"\nThe executed notebook is in {os.path.relpath(executed)}")
    if plot := first_png(notebook):
        picture = BUILD / "tour-plot.png"
        picture.write_bytes(plot)
        print(f"Its plot is in {os.path.relpath(picture)}")
    print("To open the tour in JupyterLab: make lab")
    return 0


def show(cell: Any) -> None:
    """Print the first lines of a cell and all that came out of it."""
    lines = [line for line in cell.source.splitlines() if line]
    print()
    for number, line in enumerate(lines[:LINES_SHOWN]):
        print(f"In [{cell.execution_count}]: " if number == 0 else " " * 8, line, sep="")
    if len(lines) > LINES_SHOWN:
        print(f"        ... {len(lines) - LINES_SHOWN} lines more")
    for output in cell.outputs:
        for line in describe(output).rstrip("\n").splitlines():
            print("   |", line)
    sys.stdout.flush()


def describe(output: Any) -> str:
    """Return an output as text: what a terminal can show of it, and the size of what it cannot."""
    if output.output_type == "stream":
        return str(output.text)
    if output.output_type == "error":
        return ANSI.sub("", "\n".join(output.traceback))
    shown = [str(output.data.get("text/plain", ""))]
    for mimetype, value in output.data.items():
        if mimetype.startswith("image/png"):
            shown.append(f"({mimetype}, {len(base64.b64decode(value))} bytes)")
        elif mimetype != "text/plain":
            shown.append(f"({mimetype}, {len(str(value))} characters)")
    return "\n".join(shown)


def first_png(notebook: Any) -> bytes | None:
    """Return the first picture among the notebook's outputs."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                return base64.b64decode(output.data["image/png"])
    return None


if __name__ == "__main__":
    raise SystemExit(main())
