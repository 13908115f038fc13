"""`kernelet run FILE|-`: a script in a kernel of its own, from the shell: text as it comes, plots saved, its status."""

from __future__ import annotations

import argparse
import asyncio
import base64
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from kernelet.service.engine import Engine, SessionOptions
from kernelet.service.errors import ServiceError
from kernelet.service.execution import Options
from kernelet.service.images import is_raster
from kernelet.service.result import Done, Event, ExecutionResult, Notice, Raised, Rich, Text
from kernelet.service.session import Session
from kernelet.service.settings import Settings

INTERRUPTED: Final = 130
TIMED_OUT: Final = 124
"""As shells and timeout(1) have them."""

_ENDINGS: Final = {"image/png": "png", "image/jpeg": "jpg", "image/gif": "gif", "image/webp": "webp"}


def parser() -> argparse.ArgumentParser:
    """Return the parser of the arguments after the word run."""
    made = argparse.ArgumentParser(
        prog="kernelet run",
        description="Run a script in a kernel of its own: IPython's syntax, the value of the last expression, plots.",
        epilog="The exit status is 0, the script's own from sys.exit(), 1 for an exception, 124 for a timeout, "
        "130 for an interrupt, 128 and the signal's number for a crash.",
        allow_abbrev=False,
    )
    made.add_argument("file", metavar="FILE", help="a script or a notebook's cell as text; - is stdin")
    made.add_argument("arguments", nargs="*", metavar="ARGUMENT", help="sys.argv[1:] of the script")
    made.add_argument("--plots", metavar="DIR", default=".", help="where plots go (default: here)")
    made.add_argument("--timeout", type=float, metavar="S", help="interrupt it after S seconds (default: never)")
    made.add_argument("--isolation", choices=("none", "net", "full"), help="what the script is cut off from")
    return made


class Terminal:
    """Shows events on stdout and stderr, and writes images to files."""

    def __init__(self, plots: Path, stem: str) -> None:
        self._plots = plots
        self._stem = stem
        self._number = 0

    def show(self, event: Event) -> None:
        """Show one event."""
        match event:
            case Text(type=name, text=text):
                stream = sys.stdout if name == "stdout" else sys.stderr
                stream.write(text)
                stream.flush()
            case Rich(data=data):
                self._rich(data)
            case Raised(name=name, value=value, traceback=traceback):
                print("\n".join(traceback) or f"{name}: {value}", file=sys.stderr)
            case Notice(text=text):
                print(f"kernelet: {text}", file=sys.stderr)
            case Done(result=result) if result.notice:
                print(f"kernelet: {result.notice}", file=sys.stderr)
            case _:
                pass

    def _rich(self, data: dict[str, Any]) -> None:
        for mime, value in data.items():
            if is_raster(mime) and isinstance(value, str):
                self._save(base64.b64decode(value), _ENDINGS.get(mime, "img"))
                return
            if mime == "image/svg+xml":
                self._save(value.encode(), "svg")
                return
        if "text/plain" in data:
            print(data["text/plain"], flush=True)

    def _save(self, image: bytes, ending: str) -> None:
        self._number += 1
        path = self._plots / f"{self._stem}-{self._number}.{ending}"
        self._plots.mkdir(parents=True, exist_ok=True)
        path.write_bytes(image)
        print(f"kernelet: wrote {path}", file=sys.stderr)


def exit_status(result: ExecutionResult) -> int:
    """Return the exit status of the shell that says how it ended."""
    if result.timed_out:
        return TIMED_OUT
    match result.status:
        case "ok":
            return 0
        case "interrupted":
            return INTERRUPTED
        case "exit":
            code = 0 if result.exit_code is None else result.exit_code
            return 128 - code if code < 0 else code & 0xFF
        case _:
            return 1


def preamble(name: str, arguments: Sequence[str]) -> str:
    """Return what makes sys.argv and sys.path those of a script, in a cell of its own: line numbers stay."""
    folder = os.path.dirname(os.path.abspath(name)) if name != "-" else os.getcwd()
    return (
        f"import sys, warnings; sys.argv[:] = {[name, *arguments]!r}; sys.path.insert(0, {folder!r}); "
        "warnings.filterwarnings('ignore', 'To exit: use'); del sys, warnings"  # advice for people at a prompt
    )


async def run(code: str, options: argparse.Namespace, settings: Settings) -> int:
    """Run the code and return the exit status. SIGINT interrupts the code, a second one ends it."""
    stem = Path(options.file).stem if options.file != "-" else "plot"
    terminal = Terminal(Path(options.plots), stem)
    async with Engine(settings) as engine:
        session = await engine.create("run", SessionOptions(include_stdlib=False, cwd=Path.cwd()))
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, _interrupt, session)
        loop.add_signal_handler(signal.SIGTERM, _interrupt, session)
        await session.run(preamble(options.file, options.arguments))
        status = 1
        async for event in session.execute(code, Options(timeout=options.timeout, surface="run")):
            terminal.show(event)
            if isinstance(event, Done):
                status = exit_status(event.result)
    return status


def _interrupt(session: Session) -> None:
    session.interrupt()


def main(argv: Sequence[str]) -> int:
    """Run `kernelet run` with the arguments after the word run; return the exit status."""
    options = parser().parse_args(argv)
    try:
        code = sys.stdin.read() if options.file == "-" else Path(options.file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        print(f"kernelet run: {options.file}: {error}", file=sys.stderr)
        return 2
    logging.getLogger("kernelet").addHandler(logging.NullHandler())  # what matters of it is in the notices
    forever = 366 * 24 * 3600.0
    # A person waits: nothing is cut, and only --timeout ends it.
    given: dict[str, Any] = {
        "timeout_default": forever,
        "timeout_max": forever,
        "max_output_bytes": 1 << 50,
        "max_image_bytes": 1 << 30,
        "max_image_side": 1 << 20,
        "max_images": 1 << 20,
        **({"isolation": options.isolation} if options.isolation else {}),
    }
    try:
        return asyncio.run(run(code, options, Settings(**given).without_zygote()))
    except ServiceError as error:
        print(f"kernelet run: {error}", file=sys.stderr)
        return 2
