"""The guard of the loopback bind: without tokens, only this machine's own pages and programs may call.

A web page of somebody else's can make a browser send requests to 127.0.0.1. Two checks stop it: the Host
header must name this machine (no DNS rebinding), and a state-changing request that carries an Origin must come
from this machine too (no cross-site posts).
"""

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from marketsentry.api.refusal import refuse

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "[::1]"})
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class LoopbackGuard:
    """ASGI middleware: 403 for a foreign Host, or for a foreign Origin on anything but a read."""

    def __init__(self, app: ASGIApp, *, port: int) -> None:
        self.app = app
        self._hosts = LOOPBACK_HOSTS | {f"{host}:{port}" for host in LOOPBACK_HOSTS}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal(scope) if scope["type"] == "http" else None
        if refusal is None:
            await self.app(scope, receive, send)
            return
        await refuse(send, 403, refusal)

    def _refusal(self, scope: Scope) -> str | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if host.lower() not in self._hosts:
            return f"host {host!r} is not this machine's loopback address"
        origin = headers.get("origin")
        if origin and scope["method"] not in _SAFE_METHODS and not self._is_ours(origin):
            return f"origin {origin!r} may not change state here"
        return None

    def _is_ours(self, origin: str) -> bool:
        return urlsplit(origin).netloc.lower() in self._hosts
