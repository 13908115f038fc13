"""`kernelet serve` and `kernelet-proxy`: options over environment over `.env`, then the server."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kernelet.service.begin import BadStartError, listen, say, settings_for
from kernelet.service.heap import give_back
from kernelet.service.http.guard import refuse_open_bind
from kernelet.service.log import configure
from kernelet.service.server import make_server, with_token

PROXY_URL = "http://127.0.0.1:8080"
"""Where the proxy looks for a Jupyter server when nobody says where it is."""


def _parser(prog: str, description: str) -> argparse.ArgumentParser:
    # What is not given is left to the environment: no defaults here.
    parser = argparse.ArgumentParser(prog=prog, description=description, argument_default=argparse.SUPPRESS)
    parser.add_argument("--host", help="the address to listen on (127.0.0.1)")
    parser.add_argument("--port", type=int, help="the port to listen on (8000); 0 takes a free one")
    parser.add_argument("--log-level", help="DEBUG, INFO, WARNING or ERROR (INFO)")
    parser.add_argument("--insecure-no-auth", action="store_true", help="serve without a token")
    parser.add_argument("--allowed-hosts", metavar="NAMES", help="more values of Host, separated by commas")
    parser.add_argument("--allowed-origins", metavar="ORIGINS", help="origins whose pages may call, with commas")
    parser.add_argument("--kernel-name", metavar="NAME", help="the kernelspec (kernelet's own; the server's default)")
    return parser


def serve_parser() -> argparse.ArgumentParser:
    """Return the parser of `kernelet serve`."""
    parser = _parser("kernelet serve", "Serve sessions of Python over HTTP. Every option is a KERNELET_* variable too.")
    parser.add_argument("--token", help="what clients must show (a new one is printed)")
    parser.add_argument("--backend", choices=["local", "remote"], help="where kernels run (local)")
    parser.add_argument("--server-url", metavar="URL", help="the Jupyter server of --backend remote")
    parser.add_argument("--backend-token", metavar="TOKEN", help="the token of that server")
    parser.add_argument("--isolation", choices=["none", "net", "full"], help="what kernels are cut off from (none)")
    parser.add_argument("--memory-mb", type=int, metavar="MB", help="memory of a kernel (4096; 0 is no limit)")
    parser.add_argument("--work-dir", type=Path, metavar="DIR", help="where sessions have their folders (temporary)")
    parser.add_argument("--upload-dir", type=Path, metavar="DIR", help="files that kernels may read")
    parser.add_argument("--output-dir", type=Path, metavar="DIR", help="where kernels put files for the client")
    parser.add_argument("--timeout-default", type=float, metavar="S", help="of an execution (30)")
    return parser


def proxy_parser() -> argparse.ArgumentParser:
    """Return the parser of `kernelet-proxy`."""
    parser = _parser("kernelet-proxy", "Serve the kernels of a Jupyter server. JUPYTER_* variables do the same.")
    parser.add_argument("--server-url", metavar="URL", help=f"the Jupyter server ({PROXY_URL})")
    parser.add_argument("--token", dest="backend_token", help="the token of the Jupyter server")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run `kernelet serve` and return its exit status."""
    return _run(vars(serve_parser().parse_args(argv)))


def proxy(argv: Sequence[str] | None = None) -> int:
    """Run `kernelet-proxy`: `serve --backend remote` with the proxy's own options."""
    try:
        options = proxy_options(argv)
    except BadStartError as error:
        return say("kernelet", error)
    return _run(options)


def proxy_options(argv: Sequence[str] | None) -> dict[str, Any]:
    """Return the settings that the proxy's command line means. Raises BadStartError."""
    options = {**vars(proxy_parser().parse_args(argv)), "backend": "remote"}
    if "server_url" not in options and "server_url" not in settings_for({}).model_fields_set:
        options["server_url"] = PROXY_URL
    return options


def _run(options: dict[str, Any]) -> int:
    try:
        settings = settings_for(options)
        if reason := refuse_open_bind(settings):
            raise BadStartError(reason)
        sockets = listen(settings.host, settings.port)
    except BadStartError as error:
        return say("kernelet", error)
    made = not settings.token
    settings = with_token(settings)
    configure(settings.log_level)

    def announce(url: str) -> None:
        print(f"kernelet serves at {url}", file=sys.stderr)
        if made and settings.token:
            print(f"kernelet token: {settings.token}", file=sys.stderr, flush=True)

    give_back()
    server = make_server(settings, announce=announce)
    server.run(sockets)
    return 0 if server.started else 1
