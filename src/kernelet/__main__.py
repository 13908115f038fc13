"""The command line: `python -m kernelet -f conn.json` runs a kernel, `kernelet install` installs its spec."""

from __future__ import annotations

import gc
import importlib
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .runtime.spill import Pipe

USAGE = """\
usage: kernelet -f FILE [options]     run a kernel on the connection that FILE describes
       kernelet [options]             run a kernel on a connection of its own, and say which
       kernelet install [options]     install the kernelspec (kernelet install --help)
       kernelet serve [options]       serve sessions over HTTP (kernelet serve --help)
       kernelet proxy [options]       the same for the kernels of a Jupyter server (kernelet proxy --help)
       kernelet run FILE|- [options]  run a script in a kernel of its own, showing what it says (kernelet run --help)
       kernelet mcp [options]         serve Python to an MCP client over stdin and stdout (kernelet mcp --help)
       kernelet --version | --help

options are ipykernel's: --profile=NAME, --matplotlib=inline, --IPKernelApp.exec_lines='[...]', --InteractiveShell.*,
--ip=ADDRESS, --transport=tcp|ipc, --shell=PORT (also --iopub, --stdin, --control, --hb), --debug, and any
--Class.trait=value
"""

COMMANDS = {
    "install": ("kernelet.launch.spec", "launch"),
    "serve": ("kernelet.service.cli", "serve"),
    "proxy": ("kernelet.service.proxy", "serve"),
    "run": ("kernelet.service.run", "serve"),
    "mcp": ("kernelet.service.mcp.stdio", "mcp"),
}
"""The module of each command, which has a `main`, and the extra that it needs. A kernel imports none of them."""


def main(argv: list[str] | None = None) -> int:
    """Run the command line (without the program's name) and return its exit status."""
    if argv is None:
        argv = sys.argv[1:]
    if "--version" in argv[:1]:
        from . import __version__

        print(__version__)
        return 0
    if argv[:1] in (["--help"], ["-h"], ["help"]):
        print(USAGE, end="")
        return 0
    if argv and argv[0] in COMMANDS:
        return run_command(argv[0], argv[1:])
    if argv and argv[0].isidentifier() and not os.path.exists(argv[0]):
        # A typing error must not start a kernel that waits for ever.
        print(f"kernelet: there is no command {argv[0]!r}\n\n{USAGE}", end="", file=sys.stderr)
        return 2
    return run_kernel(argv)


def run_command(name: str, argv: list[str]) -> int:
    """Run a command with the arguments after its name; what it needs may not be installed."""
    module, extra = COMMANDS[name]
    try:
        command = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "kernelet":
            raise
        print(f"kernelet {name} needs {error.name}: pip install 'kernelet[{extra}]'", file=sys.stderr)
        return 1
    status: int = command.main(argv)
    return status


def proxy() -> int:
    """Run `kernelet-proxy`."""
    return run_command("proxy", sys.argv[1:])


def run_kernel(argv: list[str], pipes: Sequence[Pipe] = ()) -> int:
    """Run a kernel to its end. Never returns once it ran: what user code left running must not hold the process.

    `pipes`: those that a zygote made for it.
    """
    # `python -m` puts the working directory first; IPython decides whether it belongs on the path.
    if sys.path and sys.path[0] == os.getcwd():
        del sys.path[0]
    # Notebooks tell by `'ipykernel_launcher' in sys.argv[0]` that the arguments are not theirs.
    sys.argv[:1] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), "ipykernel_launcher.py")]
    gc.disable()  # nothing made during start-up is garbage; `process.run` enables it again
    from .kernel.process import run

    status = run(argv, pipes)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    raise SystemExit(main())
