"""`kernelet mcp`: the MCP server of one client, over this process's stdin and stdout, with an engine of its own."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from typing import get_args

from kernelet.service.begin import BadStartError, say, settings_for
from kernelet.service.engine import Engine
from kernelet.service.library import library_of
from kernelet.service.settings import Settings
from kernelet.service.snapshots import Snapshots

from .tools import Choice


def parser() -> argparse.ArgumentParser:
    """Return the parser of the arguments after the word mcp."""
    made = argparse.ArgumentParser(
        prog="kernelet mcp",
        description="Serve Python to one MCP client over stdin and stdout. Settings come from KERNELET_* and .env.",
        allow_abbrev=False,
    )
    made.add_argument("--tools", choices=get_args(Choice), default="ipython", help="default: %(default)s")
    made.add_argument("--tool-name", default="ipython", metavar="NAME", help="the name of the ipython tool")
    made.add_argument(
        "--more-arguments", action="store_true", help="let the ipython tool take timeout and session_id, too"
    )
    made.add_argument("--isolation", choices=("none", "net", "full"), help="what kernels are cut off from")
    return made


async def serve(settings: Settings, options: argparse.Namespace) -> None:
    """Serve until the client closes stdin; then end every kernel."""
    # Late: importing the SDK takes most of a second, and `--help` needs none of it.
    from mcp.server.stdio import stdio_server

    from .server import Choices, KerneletServer

    choices = Choices(options.tools, options.tool_name, options.more_arguments, default_session="default")
    async with Engine(settings) as engine:
        server = KerneletServer(engine, library_of(engine), Snapshots(engine), choices).server()
        async with stdio_server() as (read, write):
            await server.run(read, write, server.create_initialization_options())


def main(argv: Sequence[str]) -> int:
    """Run `kernelet mcp` with the arguments after the word mcp; return the exit status."""
    options = parser().parse_args(argv)
    given = {"isolation": options.isolation} if options.isolation else {}
    try:
        settings = settings_for(given)
    except BadStartError as error:
        return say("kernelet mcp", error)
    asyncio.run(serve(settings.without_zygote(), options))
    return 0
