"""The console at `/` and the interface at `/docs`: static files, no build, nothing from elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from fastapi import FastAPI

STATIC: Final = Path(__file__).parent / "static"

HEADERS: Final = {
    # Output of user code is shown here: it may bring images as data, and no script, no request of its own.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src data:; connect-src 'self'; "
        "frame-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}

PAGES: Final = {"/": "index.html", "/docs": "docs.html"}
OPEN_PATHS: Final = frozenset(
    {*PAGES, *(f"/static/{name}" for name in ("page.css", "page.js", "cell.js", "service.js", "docs.js"))}
)
"""What needs no token: the pages themselves have no secrets, and ask for the token where none was given."""


def add_page(app: FastAPI) -> None:
    """Serve the pages of `app`."""
    from fastapi.responses import FileResponse  # the service imports this module only where it serves

    def serve(path: str, name: str) -> None:
        def endpoint() -> FileResponse:
            return FileResponse(STATIC / name, headers=HEADERS)

        app.add_api_route(path, endpoint, methods=["GET"], include_in_schema=False, response_class=FileResponse)

    for path in OPEN_PATHS:
        serve(path, PAGES.get(path) or path.removeprefix("/static/"))
