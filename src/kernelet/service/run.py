"""`kernelet run FILE|-`: a script in a kernel of its own, from the shell: text as it comes, plots saved, its status."""

from __future__ import annotations

import argparse
import asyncio
import base64
import io
import logging
import os
import re
import signal
import sys
import tokenize
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from kernelet.service.begin import BadStartError, say, settings_for
from kernelet.service.engine import Engine, SessionOptions
from kernelet.service.errors import ServiceError
from kernelet.service.execution import Execution, Options
from kernelet.service.images import is_raster
from kernelet.service.inside import script
from kernelet.service.result import Done, Event, ExecutionResult, InputRequest, Notice, Raised, Rich, Text
from kernelet.service.session import Session
from kernelet.service.settings import Settings
from kernelet.service.stdin_lines import StdinLines

INTERRUPTED: Final = 130
TIMED_OUT: Final = 124
"""As shells and timeout(1) have them."""
END_OF_INPUT: Final = "\x04"
"""Ctrl-D, as terminals of the 1970s and Jupyter's front ends send it."""

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
            case Raised(name="SystemExit", value=value):
                # As Python has it: a number is the status, anything else is said.
                if not re.fullmatch(r"-?\d+|None|", value.strip()):
                    print(value, file=sys.stderr)
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


def source(name: str) -> str:
    """Return the code, decoded as Python decodes a script.

    Raises:
        BadStartError: there is none, or it is no script.
    """
    if name.endswith(".ipynb"):
        raise BadStartError(f"{name}: a notebook is no script; `jupyter execute {name}` runs one.")
    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        return io.TextIOWrapper(io.BytesIO(data), encoding).read()
    except (OSError, UnicodeDecodeError, SyntaxError) as error:  # SyntaxError: of an encoding that is declared
        raise BadStartError(f"{name}: {error}") from error


async def reply(execution: Execution, session: Session, asked: InputRequest, lines: StdinLines) -> None:
    """Answer `input()` with a line of our own stdin; where there are no more it raises EOFError."""
    sys.stdout.write(asked.prompt)
    sys.stdout.flush()
    line = await lines.line(hidden=asked.password)
    await session.answer(execution, END_OF_INPUT if line is None else line)


async def run(code: str, options: argparse.Namespace, settings: Settings) -> int:
    """Run the code and return the exit status. SIGINT interrupts the code, a second one ends it."""
    stem = Path(options.file).stem if options.file != "-" else "plot"
    terminal = Terminal(Path(options.plots), stem)
    async with Engine(settings) as engine:
        # A pipe or a file is the kernel's own; a terminal cannot be, which belongs to our session: there we ask.
        piped = options.file != "-" and sys.stdin is not None and not sys.stdin.isatty() and not settings.zygote
        wishes = SessionOptions(include_stdlib=False, cwd=Path.cwd(), stdin=0 if piped else None)
        session = await engine.create("run", wishes)
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, _interrupt, session)
        loop.add_signal_handler(signal.SIGTERM, _interrupt, session)
        await session.inside(script.prepare, name=options.file, arguments=options.arguments, has_stdin=piped)
        execution = session.submit(code, Options(timeout=options.timeout, allow_stdin=True, surface="run"))
        lines, answers = StdinLines(), set[asyncio.Task[None]]()
        async for event in execution.subscribe().events():
            terminal.show(event)
            if isinstance(event, InputRequest):
                answers.add(asyncio.create_task(reply(execution, session, event, lines)))
        for answer in answers:
            answer.cancel()
        await asyncio.gather(*answers, return_exceptions=True)
    return exit_status(await execution.result)


def _interrupt(session: Session) -> None:
    session.interrupt()


def main(argv: Sequence[str]) -> int:
    """Run `kernelet run` with the arguments after the word run; return the exit status."""
    options, unknown = parser().parse_known_args(argv)
    if unknown:
        theirs = f"kernelet run {options.file} -- {' '.join(unknown)}"
        parser().error(f"unrecognized arguments: {' '.join(unknown)} (options of the script go behind --: {theirs})")
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
        code = source(options.file)
        return asyncio.run(run(code, options, settings_for(given).without_zygote()))
    except BadStartError as error:
        return say("kernelet run", error)
    except ServiceError as error:
        print(f"kernelet run: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # `| head` has enough. What is left in the buffer has nowhere to go, and Python would complain at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
