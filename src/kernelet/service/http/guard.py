"""What every request must show before anything else looks at it: a host that we serve, an origin of ours, the token.

Plain ASGI, so that REST, WebSockets and mounted applications all pass through it.
"""

from __future__ import annotations

import hmac
import json
from urllib.parse import parse_qs, urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kernelet.service.settings import Settings

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
OPEN = frozenset({"/health"})
"""Served to anybody: a load balancer has no token."""
FIRST_FRAME = "kernelet.authenticate_first_frame"
"""In the scope of a WebSocket that has shown no token: its first frame must."""


def loopback(host: str) -> bool:
    """Tell whether `host` is reached from this machine only."""
    return host in LOOPBACK or host.startswith("127.")


class Guard:
    """Answers 401, 403 or 400 by itself, and closes WebSockets with 4401 or 4403."""

    def __init__(self, app: ASGIApp, settings: Settings, open_paths: frozenset[str] = OPEN) -> None:
        self._app = app
        self._settings = settings
        self._open = open_paths
        self._hosts = {host.lower() for host in settings.allowed_hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass, or refuse it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        if not self._host_is_ours(headers.get(b"host", ""), scope):
            # A page that resolves its own name to our address must not talk to us.
            await _refuse(scope, receive, send, 400, 4400, "This host is not served; see KERNELET_ALLOWED_HOSTS.")
        elif not self._origin_is_ours(headers.get(b"origin"), headers.get(b"host", "")):
            await _refuse(scope, receive, send, 403, 4403, "This origin may not call; see KERNELET_ALLOWED_ORIGINS.")
        elif scope["path"] in self._open or self._knows(headers.get(b"authorization"), scope):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket" and b"authorization" not in headers and not scope["query_string"]:
            # A browser cannot set headers of a WebSocket; what it sends first decides.
            await self._app({**scope, FIRST_FRAME: True}, receive, send)
        else:
            await _refuse(scope, receive, send, 401, 4401, "Show the token: `Authorization: Bearer TOKEN`.")

    def _host_is_ours(self, header: str, scope: Scope) -> bool:
        host = _host_of(header)
        own = {self._settings.host.lower()}
        server = scope.get("server")
        if server and server[0]:
            own.add(str(server[0]).lower())
        return "*" in self._hosts or host in self._hosts or host in own or loopback(host)

    def _origin_is_ours(self, origin: str | None, host: str) -> bool:
        if origin is None:  # no browser, or a page of our own that only reads
            return True
        allowed = self._settings.allowed_origins
        return "*" in allowed or origin in allowed or urlsplit(origin).netloc == host

    def _knows(self, header: str | None, scope: Scope) -> bool:
        if not self._settings.token:
            return True
        if header is not None:
            kind, _, shown = header.partition(" ")
            return kind.lower() in ("bearer", "token") and same(shown.strip(), self._settings.token)
        shown_in_query = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        return same(shown_in_query, self._settings.token)


def same(shown: str, token: str) -> bool:
    """Compare in a time that tells nothing."""
    return hmac.compare_digest(shown.encode("utf-8", "replace"), token.encode())


def _host_of(header: str) -> str:
    """Return the name in a Host header, without the port."""
    try:
        return (urlsplit(f"//{header}").hostname or "").lower()
    except ValueError:
        return ""


async def _refuse(scope: Scope, receive: Receive, send: Send, status: int, code: int, detail: str) -> None:
    if scope["type"] == "websocket":
        first: Message = await receive()
        assert first["type"] == "websocket.connect"
        await send({"type": "websocket.close", "code": code, "reason": detail})
        return
    body = json.dumps({"detail": detail}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def refuse_open_bind(settings: Settings) -> str | None:
    """Return why the service must not start like this: reachable from elsewhere and without a token."""
    if settings.token or loopback(settings.host) or settings.insecure_no_auth:
        return None
    return f"{settings.host} can be reached from other machines: set a token, or say --insecure-no-auth."
